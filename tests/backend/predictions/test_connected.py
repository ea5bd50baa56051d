"""Which projects are worked for, and what people are told of the others."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from fakes import WITH_THIRD_LABEL
from label_studio_api import FakeLabelStudio

from backend.errors import NotConnected
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.connections import Connections
from backend.predictions.connected import check_set_up, refusals
from backend.storage.jobs import Store


def test_a_project_whose_backend_is_not_found_tells_what_it_lists(
    client: LabelStudioClient, label_studio: FakeLabelStudio
) -> None:
    label_studio.backend_url = "http://me:word@backend.invalid:9191"
    connections = Connections(client, lambda url, is_only: False)
    connections.is_connected(1)
    with ThreadPoolExecutor(1) as lookups:
        refused = refusals(connections, [1], lookups)[1]
    assert isinstance(refused, NotConnected)
    assert "It lists http://backend.invalid:9191: if that is this backend, add its host to ALLOWED" in str(refused)


def test_labels_that_are_not_used_are_logged_once_per_labeling_config(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        check_set_up(store, 1, WITH_THIRD_LABEL)
        store.remember_project(1, WITH_THIRD_LABEL)
    (said,) = caplog.messages
    assert said.startswith("Project 1: Regions labelled Unsure are not used")
