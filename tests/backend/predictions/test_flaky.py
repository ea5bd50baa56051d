"""Delivering through a network that loses, delays and spoils: in the end there is one prediction."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import suppress

import pytest
from fakes import CONFIG, analysis
from flaky_proxy import FAULTS, Fault, FlakyProxy
from label_studio_api import FakeLabelStudio
from pydantic import SecretStr

from backend.errors import LabelStudioError
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.format import Task
from backend.labelstudio.labeling_config import parse_controls
from backend.labelstudio.records import Access
from backend.predictions import delivery
from backend.predictions.delivery import Delivery

MOST_REQUESTS = 12


def on_request(number: int, fault: Fault) -> Callable[[str, str], Fault | None]:
    """That fault for the request of that number alone, from 0."""
    counted = itertools.count()
    return lambda method, path: fault if next(counted) == number else None


@pytest.mark.parametrize("fault", FAULTS)
def test_a_prediction_is_stored_once_whichever_request_the_fault_hits(
    label_studio: FakeLabelStudio, fault: Fault
) -> None:
    with FlakyProxy(label_studio.url, lambda method, path: None, late_s=0.05) as proxy:
        client = LabelStudioClient(Access(proxy.url, SecretStr(label_studio.refresh_token)))
        for number in (0, *range(MOST_REQUESTS)):  # the very first one renews the token
            task, before = label_studio.add_task(), proxy.seen[fault]
            proxy.choose = on_request(number, fault)
            wanted = Delivery(Task(task, 1, {}), analysis())
            with suppress(LabelStudioError):
                delivery.push(client, wanted, parse_controls(CONFIG))
            proxy.choose = lambda method, path: None
            stored = delivery.push(client, wanted, parse_controls(CONFIG))
            assert [one["id"] for one in label_studio.of_task(task)] == [stored]
            assert label_studio.tasks[task]["data"]["fps"] == 30
            if proxy.seen[fault] == before:
                break  # a delivery has no more requests
    assert 3 < number < MOST_REQUESTS - 1
