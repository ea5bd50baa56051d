"""Which projects are worked for, and what people are told of the others."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from label_studio_api import FakeLabelStudio

from backend.errors import NotConnected
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.connections import Connections
from backend.predictions.connected import refusals


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
