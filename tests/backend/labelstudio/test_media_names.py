"""Fetching from a Label Studio that browsers know by another name, with the token, which goes nowhere else.

HumanSignal/label-studio-ml-backend#904.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from label_studio_api import FakeLabelStudio
from media_server import MediaServer, reply
from pydantic import SecretStr

from backend.errors import MediaForbidden
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.media import MediaFetcher
from backend.labelstudio.records import Access

VIDEO = b"a video"
PUBLIC = "https://example.org/ls"


def fetched(label_studio: FakeLabelStudio, media: str, folder: Path, *names: str, hosts: tuple[str, ...] = ()) -> bytes:
    access = Access(label_studio.url, SecretStr(label_studio.refresh_token), hosts, public_urls=names)
    return MediaFetcher(access, LabelStudioClient(access), 0.01).fetch(media, 1, folder).read_bytes()


@pytest.fixture
def other() -> Iterator[MediaServer]:
    server = MediaServer(reply(body=VIDEO))
    yield server
    server.close()


@pytest.mark.parametrize("media", [f"{PUBLIC}/data/upload/1/a.mp4", "/ls/data/upload/1/a.mp4", "/data/upload/1/a.mp4"])
def test_own_media_come_from_where_label_studio_is_reached(
    label_studio: FakeLabelStudio, tmp_path: Path, media: str
) -> None:
    label_studio.files["1/a.mp4"] = VIDEO
    assert fetched(label_studio, media, tmp_path, PUBLIC) == VIDEO


def test_a_redirect_to_the_public_name_stays_where_label_studio_is_reached(
    label_studio: FakeLabelStudio, tmp_path: Path
) -> None:
    label_studio.files["1/a.mp4"] = VIDEO
    label_studio.storage["s3://bucket/a.mp4"] = f"{PUBLIC}/data/upload/1/a.mp4"
    assert fetched(label_studio, "s3://bucket/a.mp4", tmp_path, PUBLIC) == VIDEO


def test_the_token_goes_to_no_server_of_the_public_name(
    label_studio: FakeLabelStudio, other: MediaServer, tmp_path: Path
) -> None:
    label_studio.files["1/a.mp4"] = VIDEO
    fetched(label_studio, f"{other.url}/data/upload/1/a.mp4", tmp_path, other.url, hosts=("127.0.0.1",))
    assert other.requests == []
    fetched(label_studio, f"{other.url}/videos/a.mp4", tmp_path, other.url, hosts=("127.0.0.1",))
    assert "authorization" not in other.requests[0].lower()


def test_a_label_studio_that_sends_on_to_its_public_name_is_explained(
    label_studio: FakeLabelStudio, tmp_path: Path
) -> None:
    label_studio.storage["s3://bucket/a.mp4"] = f"{PUBLIC}/tasks/1/resolve/?fileuri=czM6Ly9idWNrZXQvYS5tcDQ="
    with pytest.raises(MediaForbidden, match=r"Set LABEL_STUDIO_URL to that name"):
        fetched(label_studio, "s3://bucket/a.mp4", tmp_path, PUBLIC)


def test_a_name_that_is_not_known_is_asked_for(label_studio: FakeLabelStudio, tmp_path: Path) -> None:
    with pytest.raises(MediaForbidden, match="set LABEL_STUDIO_HOST"):
        fetched(label_studio, "http://localhost:1/data/local-files/?d=a.mp4", tmp_path)


def test_the_name_of_the_environment_holds_where_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABEL_STUDIO_HOST", f"{PUBLIC}/")
    assert Access("http://label-studio:8080", SecretStr("")).public_urls == (PUBLIC,)
    monkeypatch.setenv("LABEL_STUDIO_HOST", "example.org")
    assert Access("http://label-studio:8080", SecretStr("")).public_urls == ()
