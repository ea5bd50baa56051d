"""Fetching videos: whatever the address and the server are up to, a whole file or a clear error."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from label_studio_api import FakeLabelStudio
from media_server import MediaServer, reply
from pydantic import SecretStr

from backend.errors import LabelStudioError, MediaError, MediaForbidden, MediaNotFound, MediaTooLarge, MediaUnreachable
from backend.labelstudio.addresses import shown_address
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.media import MediaFetcher
from backend.labelstudio.records import Access

VIDEO = bytes(range(256)) * 4000
Fetch = Callable[..., Path]


@pytest.fixture
def fetch(label_studio: FakeLabelStudio, tmp_path: Path) -> Fetch:
    """Fetch an address; servers on 127.0.0.1 count as allowed unless told otherwise."""

    def fetch(media: str, hosts: tuple[str, ...] = ("127.0.0.1",), url: str | None = None, **limits: int) -> Path:
        address = label_studio.url if url is None else url
        access = Access(address, SecretStr(label_studio.refresh_token), hosts, **limits)
        return MediaFetcher(access, LabelStudioClient(access), longest_pause_s=0.01).fetch(media, 1, tmp_path / "media")

    return fetch


@pytest.fixture
def serve() -> Iterator[Callable[..., MediaServer]]:
    servers = []

    def serve(*answers: bytes) -> MediaServer:
        servers.append(MediaServer(*answers))
        return servers[-1]

    yield serve
    for server in servers:
        server.close()


def left_over(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "media").glob("*")) if (tmp_path / "media").exists() else []


# Label Studio's own


def test_an_upload_is_fetched_with_the_token(fetch: Fetch, label_studio: FakeLabelStudio) -> None:
    label_studio.files["1/a.mp4"] = VIDEO
    assert fetch("/data/upload/1/a.mp4").read_bytes() == VIDEO


def test_an_upload_may_be_named_by_its_whole_address(fetch: Fetch, label_studio: FakeLabelStudio) -> None:
    label_studio.files["1/a.mp4"] = VIDEO
    assert fetch(f"{label_studio.url}/data/upload/1/a.mp4", hosts=()).read_bytes() == VIDEO


def test_names_with_spaces_and_umlauts_are_fetched(fetch: Fetch, label_studio: FakeLabelStudio) -> None:
    label_studio.files["1/mein Größter Satz.mp4"] = VIDEO
    assert fetch("/data/upload/1/mein Größter Satz.mp4").read_bytes() == VIDEO


def test_the_file_keeps_its_suffix(fetch: Fetch, label_studio: FakeLabelStudio) -> None:
    label_studio.files["1/a.MOV"] = VIDEO
    assert fetch("/data/upload/1/a.MOV").suffix == ".MOV"


def test_a_missing_upload_is_not_found(fetch: Fetch, tmp_path: Path) -> None:
    with pytest.raises(MediaNotFound, match=r"/data/upload/1/gone\.mp4: not found"):
        fetch("/data/upload/1/gone.mp4")
    assert left_over(tmp_path) == []


def test_a_token_that_is_not_accepted_may_be_another_one_later(fetch: Fetch, label_studio: FakeLabelStudio) -> None:
    label_studio.rejects_token = True
    with pytest.raises(LabelStudioError, match="Check LABEL_STUDIO_API_KEY"):
        fetch("/data/upload/1/a.mp4")


@pytest.mark.parametrize(("seconds", "tries"), [("300", 1), ("0", 3)])
def test_a_server_that_asks_to_wait_for_long_is_left_alone(
    fetch: Fetch, serve: Callable[..., MediaServer], seconds: str, tries: int
) -> None:
    server = serve(reply("429 Too Many Requests", Retry_After=seconds))
    with pytest.raises(MediaUnreachable) as caught:
        fetch(f"{server.url}/a.mp4")
    assert caught.value.retry_after_s == float(seconds)
    assert len(server.requests) == tries


def test_label_studio_that_breaks_off_is_waited_for_and_no_fault_of_the_video(
    serve: Callable[..., MediaServer], tmp_path: Path
) -> None:
    server = serve(reply(body=VIDEO[:1000], length=len(VIDEO)))
    access = Access(server.url, SecretStr("legacy"))
    fetcher = MediaFetcher(access, LabelStudioClient(access), longest_pause_s=0.01)
    with pytest.raises(LabelStudioError, match="ended early"):
        fetcher.fetch("/data/upload/1/a.mp4", 1, tmp_path)


def test_an_upload_needs_an_address_of_label_studio(fetch: Fetch) -> None:
    with pytest.raises(MediaForbidden, match="Set LABEL_STUDIO_URL"):
        fetch("/data/upload/1/a.mp4", url="")


def test_a_storage_is_resolved_by_label_studio(
    fetch: Fetch, label_studio: FakeLabelStudio, serve: Callable[..., MediaServer]
) -> None:
    bucket = serve(reply(body=VIDEO))
    label_studio.storage["s3://bucket/a.mp4"] = f"{bucket.url}/a.mp4?X-Amz-Signature=abc"
    assert fetch("s3://bucket/a.mp4").read_bytes() == VIDEO


@pytest.mark.parametrize("media", ["s3://bucket/>>>???.mp4", "s3://bucket/Übung ~~~ÿÿÿ.mp4"])
def test_any_name_in_a_storage_reaches_label_studio_whole(
    fetch: Fetch, label_studio: FakeLabelStudio, serve: Callable[..., MediaServer], media: str
) -> None:
    label_studio.storage[media] = f"{serve(reply(body=VIDEO)).url}/a.mp4"
    assert fetch(media).read_bytes() == VIDEO


def test_a_storage_that_is_not_connected_is_not_found(fetch: Fetch) -> None:
    with pytest.raises(MediaNotFound, match="Is its storage still connected"):
        fetch("s3://elsewhere/a.mp4")


# The token goes to Label Studio alone


def test_the_token_does_not_go_to_another_host(fetch: Fetch, serve: Callable[..., MediaServer]) -> None:
    other = serve(reply(body=VIDEO))
    fetch(f"{other.url}/a.mp4")
    assert "authorization" not in other.requests[0].lower()


def test_the_token_does_not_go_along_with_a_redirect(
    fetch: Fetch, label_studio: FakeLabelStudio, serve: Callable[..., MediaServer]
) -> None:
    other = serve(reply(body=VIDEO))
    label_studio.storage["s3://bucket/a.mp4"] = f"{other.url}/a.mp4"
    fetch("s3://bucket/a.mp4")
    assert "authorization" not in other.requests[0].lower()


def test_the_token_does_not_go_to_a_host_that_is_named_without_a_scheme(
    fetch: Fetch, serve: Callable[..., MediaServer]
) -> None:
    other = serve(reply(body=VIDEO))
    fetch(f"//127.0.0.1:{other.port}/a.mp4")
    assert "authorization" not in other.requests[0].lower()


def test_the_token_does_not_go_to_another_port(
    fetch: Fetch, label_studio: FakeLabelStudio, serve: Callable[..., MediaServer]
) -> None:
    other = serve(reply("302 Found", Location=f"{label_studio.url}/data/upload/1/a.mp4"), reply(body=VIDEO))
    label_studio.files["1/a.mp4"] = VIDEO
    assert fetch(f"{other.url}/a.mp4").read_bytes() == VIDEO
    assert "authorization" not in other.requests[0].lower()


# Addresses inside the network


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "10.1.2.3", "192.168.1.1", "172.16.0.1",
     "169.254.169.254", "[fe80::1]", "[fd00::1]", "127.1", "2130706433", "0x7f000001", "224.0.0.1", ""],
)  # fmt: skip
def test_a_private_address_is_refused(fetch: Fetch, host: str) -> None:
    with pytest.raises((MediaForbidden, MediaUnreachable), match=r"inside a private network|no such host"):
        fetch(f"http://{host}/a.mp4", hosts=())


def test_a_redirect_to_a_private_address_is_refused(fetch: Fetch, serve: Callable[..., MediaServer]) -> None:
    inside = serve(reply(body=b"secret"))
    outside = serve(reply("302 Found", Location=f"http://localhost:{inside.port}/admin"))
    with pytest.raises(MediaForbidden, match=r"localhost is inside a private network. Add it to MEDIA_HOSTS"):
        fetch(f"{outside.url}/a.mp4")
    assert inside.requests == []


def test_a_redirect_of_label_studio_to_a_private_address_is_refused(
    fetch: Fetch, label_studio: FakeLabelStudio
) -> None:
    label_studio.storage["s3://bucket/a.mp4"] = "http://169.254.169.254/latest/meta-data/"
    with pytest.raises(MediaForbidden):
        fetch("s3://bucket/a.mp4")


def test_an_allowed_host_may_be_written_in_any_case(fetch: Fetch, serve: Callable[..., MediaServer]) -> None:
    server = serve(reply(body=VIDEO))
    assert fetch(f"http://LOCALHOST:{server.port}/a.mp4", hosts=("LocalHost",)).read_bytes() == VIDEO


@pytest.mark.parametrize("media", ["file:///etc/passwd", "ftp://127.0.0.1/a.mp4", "gopher://127.0.0.1:70/x"])
def test_other_schemes_are_left_to_label_studio(fetch: Fetch, media: str) -> None:
    with pytest.raises(MediaNotFound):
        fetch(media)


@pytest.mark.parametrize(
    "media",
    ["/data/upload/../../../../../etc/hostname", "/data/local-files/?d=../../../etc/hostname", "../../etc/hostname",
     "/%2e%2e/%2e%2e/etc/hostname", "file:///etc/hostname"],
)  # fmt: skip
def test_an_address_that_climbs_out_of_its_folder_reads_nothing_of_this_machine(
    fetch: Fetch, tmp_path: Path, media: str
) -> None:
    with pytest.raises(MediaNotFound, match="not found"):
        fetch(media)
    assert left_over(tmp_path) == []


def test_a_redirect_to_another_scheme_is_refused(fetch: Fetch, serve: Callable[..., MediaServer]) -> None:
    server = serve(reply("302 Found", Location="file:///etc/passwd"))
    with pytest.raises(MediaError):
        fetch(f"{server.url}/a.mp4")


# Servers that misbehave


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("401 Unauthorized", MediaForbidden),
        ("403 Forbidden", MediaForbidden),
        ("404 Not Found", MediaNotFound),
        ("410 Gone", MediaNotFound),
        ("400 Bad Request", MediaNotFound),
        ("204 No Content", MediaNotFound),
        ("429 Too Many Requests", MediaUnreachable),
        ("500 Internal Server Error", MediaUnreachable),
        ("503 Service Unavailable", MediaUnreachable),
    ],
)
def test_a_refusal_is_told_by_its_kind(
    fetch: Fetch, serve: Callable[..., MediaServer], tmp_path: Path, status: str, error: type[MediaError]
) -> None:
    with pytest.raises(error):
        fetch(f"{serve(reply(status)).url}/a.mp4")
    assert left_over(tmp_path) == []


def test_a_server_that_recovers_is_asked_again(fetch: Fetch, serve: Callable[..., MediaServer]) -> None:
    server = serve(reply("503 Service Unavailable"), reply(body=VIDEO))
    assert fetch(f"{server.url}/a.mp4").read_bytes() == VIDEO


def test_a_label_studio_that_is_just_starting_is_asked_for_a_token_again(
    fetch: Fetch, label_studio: FakeLabelStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    label_studio.files["1/a.mp4"] = VIDEO
    authorization, failures = LabelStudioClient.authorization, [LabelStudioError("cannot be reached")]

    def starting(client: LabelStudioClient) -> dict[str, str]:
        if failures:
            raise failures.pop()
        return authorization(client)

    monkeypatch.setattr(LabelStudioClient, "authorization", starting)
    assert fetch("/data/upload/1/a.mp4").read_bytes() == VIDEO


def test_a_refusal_for_good_is_not_asked_again(fetch: Fetch, serve: Callable[..., MediaServer]) -> None:
    server = serve(reply("404 Not Found"))
    with pytest.raises(MediaNotFound):
        fetch(f"{server.url}/a.mp4")
    assert len(server.requests) == 1


def test_a_transfer_that_breaks_off_is_not_taken_for_the_whole(
    fetch: Fetch, serve: Callable[..., MediaServer], tmp_path: Path
) -> None:
    with pytest.raises(MediaUnreachable, match="ended early"):
        fetch(f"{serve(reply(body=VIDEO[:1000], length=len(VIDEO))).url}/a.mp4")
    assert left_over(tmp_path) == []


def test_a_transfer_that_broke_off_starts_over(fetch: Fetch, serve: Callable[..., MediaServer]) -> None:
    server = serve(reply(body=VIDEO[:1000], length=len(VIDEO)), reply(body=VIDEO))
    assert fetch(f"{server.url}/a.mp4").read_bytes() == VIDEO


def test_a_transfer_of_unknown_length_is_fetched(fetch: Fetch, serve: Callable[..., MediaServer]) -> None:
    assert fetch(f"{serve(reply(body=VIDEO, length=-1)).url}/a.mp4").read_bytes() == VIDEO


@pytest.mark.parametrize("length", [None, -1])
def test_a_file_over_the_limit_is_refused(
    fetch: Fetch, serve: Callable[..., MediaServer], tmp_path: Path, length: int | None
) -> None:
    with pytest.raises(MediaTooLarge, match=r"larger than 1 MB. Raise MAX_VIDEO_MB"):
        fetch(f"{serve(reply(body=bytes(2_000_000), length=length)).url}/a.mp4", max_bytes=1024 * 1024)
    assert left_over(tmp_path) == []


def test_little_that_unpacks_to_much_ends_at_the_limit(
    fetch: Fetch, serve: Callable[..., MediaServer], tmp_path: Path
) -> None:
    packed = gzip.compress(bytes(100_000_000), 1)
    server = serve(reply(body=packed, Content_Encoding="gzip"))
    tracemalloc.start()
    try:
        with pytest.raises(MediaTooLarge, match=r"larger than 1 MB"):
            fetch(f"{server.url}/a.mp4", max_bytes=1024 * 1024)
        assert tracemalloc.get_traced_memory()[1] < 90e6
    finally:
        tracemalloc.stop()
    assert left_over(tmp_path) == []


def test_a_file_of_exactly_the_limit_is_fetched(fetch: Fetch, serve: Callable[..., MediaServer]) -> None:
    assert fetch(f"{serve(reply(body=VIDEO)).url}/a.mp4", max_bytes=len(VIDEO)).stat().st_size == len(VIDEO)


def test_redirects_have_an_end_at_once(fetch: Fetch, serve: Callable[..., MediaServer]) -> None:
    server = serve(reply("302 Found", Location="/again"))
    with pytest.raises(MediaNotFound, match="redirected more than 5 times"):
        fetch(f"{server.url}/a.mp4")
    assert len(server.requests) == 6


def test_a_server_that_is_down_is_unreachable(fetch: Fetch) -> None:
    with pytest.raises(MediaUnreachable, match=r"127.0.0.1 cannot be reached"):
        fetch("http://127.0.0.1:9/a.mp4")


def test_an_answer_that_is_no_http_is_an_error(fetch: Fetch, serve: Callable[..., MediaServer]) -> None:
    with pytest.raises(MediaUnreachable):
        fetch(f"{serve(b'SSH-2.0-OpenSSH_9.9').url}/a.mp4")


@pytest.mark.parametrize(
    "media", ["http://[::1/a.mp4", "http://host:port/a.mp4", "http://host:99999/a.mp4", f"http://{'a' * 70}.com/a.mp4"]
)
def test_what_is_no_address_is_an_error(fetch: Fetch, media: str) -> None:
    with pytest.raises(MediaError):
        fetch(media)


def test_a_redirect_to_what_is_no_address_is_an_error(fetch: Fetch, serve: Callable[..., MediaServer]) -> None:
    with pytest.raises(MediaError):
        fetch(f"{serve(reply('302 Found', Location='http://host:port/')).url}/a.mp4")


# Secrets


@pytest.mark.parametrize(
    ("media", "shown"),
    [
        ("https://host/a.mp4?X-Amz-Signature=abc#x", "https://host/a.mp4"),
        ("https://user:secret@host:8/a.mp4", "https://host:8/a.mp4"),
        ("s3://bucket/a.mp4", "s3://bucket/a.mp4"),
        ("/data/upload/1/a.mp4", "/data/upload/1/a.mp4"),
        ("http://[::1/a.mp4?secret", "The video's address"),
    ],
)
def test_an_address_is_shown_without_secrets(media: str, shown: str) -> None:
    assert shown_address(media) == shown


@pytest.mark.parametrize(
    "answer", [reply("404 Not Found"), reply("503 Busy"), reply(body=bytes(9999)), reply(length=9)]
)
def test_errors_hold_no_signature(fetch: Fetch, serve: Callable[..., MediaServer], answer: bytes) -> None:
    with pytest.raises(MediaError) as caught:
        fetch(f"{serve(answer).url.replace('//', '//me:hunter2@')}/a.mp4?X-Amz-Signature=hunter2", max_bytes=100)
    assert "hunter2" not in str(caught.value)
