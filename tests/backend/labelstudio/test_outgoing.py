"""Where requests may go: which addresses are public, what a name leads to, and where tokens never go."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from fakes import until
from label_studio_api import FakeLabelStudio, token
from media_server import MediaServer, reply
from pydantic import SecretStr

from backend.errors import LabelStudioError, LabelStudioRefused, MediaForbidden, MediaTooSlow, MediaUnreachable
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.outgoing import MediaRequests, Patience, Resolve, is_public
from backend.labelstudio.records import Access

NOBODY = Access("", SecretStr(""))


class Names:
    """Looks names up: each time the next of the answers, the last one again and again."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def fetched(url: str, resolve: Resolve, allowed: str = "127.0.0.2", patience: Patience = Patience()) -> bytes:  # noqa: B008
    """What is fetched from an address where only one address of this machine counts as public."""
    requests = MediaRequests(NOBODY, dict, resolve, lambda address: str(address) == allowed, patience)
    with requests.get(url, url) as (response, copied):
        content = b""
        for chunk in response.iter_bytes():
            content += chunk
            copied(len(content))
    return content


@pytest.fixture
def server() -> Iterator[MediaServer]:
    server = MediaServer(reply(body=b"a video"), host="127.0.0.2")
    yield server
    server.close()


# Addresses


@pytest.mark.parametrize(
    "address",
    ["93.184.216.34", "2606:4700::1111", "::ffff:93.184.216.34", "64:ff9b::93.184.216.34", "2002:5db8:d822::1"],
)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "169.254.169.254", "100.64.0.1", "192.0.0.8", "192.88.99.1", "224.0.0.1", "0.0.0.0",
        "::", "::1", "fe80::1", "fd00::1", "fec0::1", "ff02::1", "2001:db8::1", "3fff::1", "4000::1", "5f00::1",
        "::127.0.0.1",  # IPv4-compatible
        "::ffff:127.0.0.1",  # mapped
        "::ffff:0:127.0.0.1",  # translated
        "64:ff9b::127.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b:1::93.184.216.34",  # NAT64, and its local prefix
        "2002:7f00:1::", "2002:a00:1::1",  # 6to4
        "2001:0:7f00:1::", "2001:0:4136:e378:8000:63bf:80ff:fffe",  # Teredo: a server, and a client, on 127.0.0.1
    ],
)  # fmt: skip
def test_an_address_inside_a_network_is_not_public_however_it_is_carried(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


# Names


def test_the_connection_goes_to_the_address_that_was_checked(server: MediaServer) -> None:
    names = Names(["127.0.0.2"], ["127.0.0.1"])
    assert fetched(f"http://videos.example:{server.port}/a.mp4", names) == b"a video"
    assert names.asked == ["videos.example"]
    assert f"Host: videos.example:{server.port}\r\n" in server.requests[0]


def test_the_token_does_not_go_to_a_host_of_the_internet(server: MediaServer) -> None:
    requests = MediaRequests(
        NOBODY, lambda: {"Authorization": "Token hunter2"}, Names(["127.0.0.2"]), lambda address: True
    )
    with requests.get(f"http://videos.example:{server.port}/a.mp4", "a") as (response, _):
        assert response.read() == b"a video"
    assert "hunter2" not in server.requests[0]


def test_the_connection_does_not_go_to_a_proxy_of_the_environment(
    server: MediaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = MediaServer(reply(body=b"of the proxy"))
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    try:
        assert fetched(f"http://videos.example:{server.port}/a.mp4", Names(["127.0.0.2"])) == b"a video"
    finally:
        proxy.close()
    assert proxy.requests == []


def test_a_name_that_stands_for_one_address_inside_as_well_is_refused(server: MediaServer) -> None:
    with pytest.raises(MediaForbidden, match=r"videos\.example is inside a private network"):
        fetched(f"http://videos.example:{server.port}/a.mp4", Names(["127.0.0.2", "127.0.0.1"]))
    assert server.requests == []


def test_where_one_address_of_a_name_does_not_answer_the_next_is_tried(server: MediaServer) -> None:
    requests = MediaRequests(NOBODY, dict, Names(["127.0.0.3", "127.0.0.2"]), lambda address: True)
    with requests.get(f"http://videos.example:{server.port}/a.mp4", "a") as (response, _):
        assert response.read() == b"a video"


def test_the_name_that_a_redirect_leads_to_is_checked_as_well(server: MediaServer) -> None:
    server.answers = [reply("302 Found", Location=f"http://inside.example:{server.port}/")]
    with pytest.raises(MediaForbidden, match=r"inside\.example is inside a private network"):
        fetched(f"http://videos.example:{server.port}/a.mp4", Names(["127.0.0.2"], ["127.0.0.1"]))
    assert len(server.requests) == 1


# Time


class SlowServer:
    """Sends `content` byte by byte, with a pause after each, until it is hung up on."""

    def __init__(self, content: bytes, pause_s: float) -> None:
        self._content, self._pause_s = content, pause_s
        self.sent = 0
        self._socket = socket.create_server(("127.0.0.2", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def _serve(self) -> None:
        with suppress(OSError):
            connection, _ = self._socket.accept()
            with connection:
                for byte in self._content:
                    connection.sendall(bytes([byte]))
                    self.sent += 1
                    time.sleep(self._pause_s)


@pytest.mark.parametrize("content", [reply(body=bytes(5000)), b"HTTP/1.1 200 OK\r\nX: " + b"x" * 5000])
def test_a_download_that_comes_byte_by_byte_is_given_up(content: bytes) -> None:
    slow = SlowServer(content, 0.02)
    try:
        with pytest.raises(MediaTooSlow, match="given up"):
            fetched(f"http://videos.example:{slow.port}/a", Names(["127.0.0.2"]), patience=Patience(0.3, 1e9, 10.0))
    finally:
        slow.close()
    assert slow.sent < len(content)


@pytest.mark.parametrize(("copied", "seconds"), [(0, 60.0), (32 * 1024 * 100, 160.0), (1 << 40, 3600.0)])
def test_patience_grows_with_what_has_come_up_to_an_hour(copied: int, seconds: float) -> None:
    assert Patience().seconds(copied) == seconds


def test_a_name_that_nobody_knows_is_unreachable() -> None:
    def unknown(host: str) -> Sequence[str]:
        raise socket.gaierror("unknown")

    with pytest.raises(MediaUnreachable, match="no such host"):
        fetched("http://nowhere.example/a.mp4", unknown)


# Label Studio's API


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"])
def test_the_personal_token_does_not_go_along_with_a_redirect_to_another_host(status: str) -> None:
    elsewhere = MediaServer(reply(body=b"{}"), host="127.0.0.2")
    named = MediaServer(reply(status, Location=f"{elsewhere.url}/api/token/refresh/"))
    key = token("refresh", 1e5)
    try:
        with pytest.raises(LabelStudioRefused, match=rf"sends requests on to {elsewhere.url}/.*Set LABEL_STUDIO_URL"):
            LabelStudioClient(Access(named.url, SecretStr(key))).authorization()
    finally:
        named.close()
        elsewhere.close()
    assert elsewhere.requests == []
    assert len(named.requests) == 1


def test_a_legacy_token_does_not_go_to_another_port() -> None:
    elsewhere = MediaServer(reply(body=b"{}"))
    named = MediaServer(reply("302 Found", Location=f"{elsewhere.url}/api/projects/5/"))
    try:
        with pytest.raises(LabelStudioRefused):
            LabelStudioClient(Access(named.url, SecretStr("legacy"))).label_config(5)
    finally:
        named.close()
        elsewhere.close()
    assert elsewhere.requests == []


def test_a_redirect_within_label_studio_is_followed(label_studio: FakeLabelStudio) -> None:
    label_studio.moved["/api/version"] = "/api/version/"
    label_studio.moved["/api/version/"] = "/api/version?again=1"
    assert LabelStudioClient(Access(label_studio.url, SecretStr(""))).server_version() == "1.23.2"


def test_a_redirect_without_end_is_refused_at_once() -> None:
    server = MediaServer(reply("302 Found", Location="/again"))
    try:
        with pytest.raises(LabelStudioRefused, match="without end"):
            LabelStudioClient(Access(server.url, SecretStr("legacy"))).server_version()
    finally:
        server.close()
    assert len(server.requests) == 6


def test_a_label_studio_that_never_answers_is_named_while_it_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("backend.labelstudio.outgoing._SILENCE_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        client = LabelStudioClient(Access(url, SecretStr(token("refresh"))), timeout_s=2.0)
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(client.label_config, 1)
            until(lambda: client.fault)
            fault, is_over = client.fault, asked.done()
            with pytest.raises(LabelStudioError, match="cannot be reached"):
                asked.result()
    said = f"Label Studio at {url}/ has not answered for 0.05 s; waiting for it."
    assert said in caplog.messages
    assert (fault.message if fault else "", is_over) == (said, False)


def test_a_label_studio_that_answers_is_not_said_to_be_waited_for(
    client: LabelStudioClient, caplog: pytest.LogCaptureFixture
) -> None:
    client.label_config(1)
    assert not [one for one in caplog.messages if "has not answered" in one]
