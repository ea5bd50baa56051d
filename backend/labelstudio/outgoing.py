"""Where requests of the backend may go: one policy for Label Studio's API and for the addresses that tasks name.

Task data is written by whoever imports tasks, and a redirect by whoever answers. So three kinds of places are told
apart. Label Studio's own origin gets its token, and nobody else does. MEDIA_HOSTS are fetched from wherever they are.
Any other name must stand for addresses of the public internet alone, and the connection goes to the very address that
was checked: a name may stand for another one the next time it is looked up.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

import httpx

from backend.errors import (
    LabelStudioError,
    LabelStudioRefused,
    MediaForbidden,
    MediaNotFound,
    MediaTooSlow,
    MediaUnreachable,
)
from backend.labelstudio.addresses import looks_served, origin_of, own_path, shown_address
from backend.labelstudio.records import Access

log = logging.getLogger(__name__)

_MAX_REDIRECTS = 5
_TIMEOUT = httpx.Timeout(10.0, read=60.0)
API_TIMEOUT_S = 60.0
_SILENCE_S = 5.0
"""So long nobody is told that an answer is waited for."""
_LONGEST_PAUSE_S = 3600.0
_SHORT = 64 * 1024
_OWN_NAME = " If it is Label Studio's own name, set LABEL_STUDIO_HOST to the address that browsers open it at instead."

Resolve = Callable[[str], Sequence[str]]
"""The addresses that a name stands for. Raises OSError and UnicodeError."""

# IPv6 addresses whose last 32 bits are the IPv4 address that is reached: compatible, mapped and translated ones, and
# those of NAT64 (RFC 4291, 2765, 6052).
_IPV4_AT_THE_END = tuple(ip_network(text) for text in ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96"))
# All else that IANA has given out to be reached from everywhere begins with the bits 001.
_GLOBAL_UNICAST = ip_network("2000::/3")
# Reserved, though `is_global` of the Python versions that we run on says otherwise.
_RESERVED = tuple(ip_network(text) for text in ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20"))


@dataclass(frozen=True)
class Patience:
    """How long a download may take: `first_s`, and a second more for every `least_rate` bytes, but `longest_s` at most.

    least_rate: 32 KiB a second are a hundredth of what a video call takes.
    """

    first_s: float = 60.0
    least_rate: float = 32 * 1024.0
    longest_s: float = 3600.0

    def seconds(self, copied: int) -> float:
        """What a download that has so many bytes may have taken."""
        return min(self.longest_s, self.first_s + copied / self.least_rate)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is one of the public internet; one that IPv6 carries inside counts as what it carries."""
    if isinstance(address, IPv6Address):
        carried = _carried(address)
        if carried:
            return all(is_public(inner) for inner in carried)
        if address not in _GLOBAL_UNICAST:
            return False
    return address.is_global and not address.is_multicast and not any(address in network for network in _RESERVED)


def _carried(address: IPv6Address) -> list[IPv4Address]:
    if any(address in network for network in _IPV4_AT_THE_END):
        return [IPv4Address(int(address) & 0xFFFFFFFF)]
    if address.sixtofour is not None:
        return [address.sixtofour]
    return list(address.teredo) if address.teredo is not None else []


def resolved(host: str) -> list[str]:
    """The addresses of a name as this machine looks them up, IPv4 first."""
    found = {str(info[4][0]): info[0] for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    return sorted(found, key=lambda text: found[text] != socket.AF_INET)


class MediaRequests:
    """Requests for the videos of tasks. authorization: gives the header for Label Studio.

    resolve and may_reach: how names are looked up, and which addresses of names that nobody allowed may be reached.
    """

    def __init__(
        self,
        access: Access,
        authorization: Callable[[], dict[str, str]],
        resolve: Resolve = resolved,
        may_reach: Callable[[IPv4Address | IPv6Address], bool] = is_public,
        patience: Patience = Patience(),  # frozen
    ) -> None:
        self._access = access
        self._authorization = authorization
        self._allowed = {host.lower() for host in access.media_hosts}
        self._resolve = resolve
        self._may_reach = may_reach
        self._patience = patience

    @contextmanager
    def get(self, url: str, shown: str) -> Iterator[tuple[httpx.Response, Callable[[int], None]]]:
        """The answer that redirects lead to, not read yet, and what is to be told how many bytes of it were copied.

        shown: the address in messages. Whatever the servers do, the block ends when the patience is over. Raises
        MediaForbidden, MediaNotFound (of redirects without end as well), MediaUnreachable, MediaTooSlow, and
        LabelStudioError where Label Studio is not reached or gives no token.
        """
        deadline = _Deadline(self._patience)
        try:
            with ExitStack() as stack:
                stack.callback(deadline.close)
                for _ in range(_MAX_REDIRECTS + 1):
                    response = stack.enter_context(self._answer(url, deadline))
                    if not response.has_redirect_location:
                        yield response, deadline.copied
                        return
                    url = self._next(url, response, shown)
            raise MediaNotFound(f"{shown}: redirected more than {_MAX_REDIRECTS} times. Correct the address.")
        except httpx.HTTPError as error:
            if deadline.is_over:
                raise MediaTooSlow(
                    f"{shown}: given up, {deadline.total // 1024} KB had come in {deadline.seconds():.0f} s."
                ) from error
            unreachable = LabelStudioError if self.is_own(url) else MediaUnreachable
            if isinstance(error, httpx.RemoteProtocolError):
                raise unreachable(f"{shown}: the transfer ended early. Is the file complete?") from error
            host = split(url).hostname
            raise unreachable(f"{shown}: {host} cannot be reached ({type(error).__name__}).") from error
        except httpx.InvalidURL as error:
            raise MediaNotFound(f"{shown} is no address.") from error

    def is_own(self, url: str) -> bool:
        """Whether an address is Label Studio's own, as it is reached."""
        return bool(self._access.url) and own_path(url, self._access.url, ()) is not None

    def where_reached(self, url: str) -> str:
        """A whole address, or where we reach it: Label Studio's own may have the name that browsers know."""
        path = self._access.own_path(url) if self._access.url else None
        return url if path is None else self._access.url + path

    def _next(self, url: str, response: httpx.Response, shown: str) -> str:
        location = urljoin(url, response.headers["location"])
        there = self.where_reached(location)
        if there == url != location:
            raise MediaForbidden(
                f"{shown}: Label Studio sends LABEL_STUDIO_URL on to {shown_address(location)}. "
                "Set LABEL_STUDIO_URL to that name."
            )
        return there

    @contextmanager
    def _answer(self, url: str, deadline: _Deadline) -> Iterator[httpx.Response]:
        """What one address answers; the token goes to Label Studio alone."""
        parts = split(url)
        host = parts.hostname or ""
        is_own = self.is_own(url)
        is_trusted = is_own or host in self._allowed
        # A proxy of the environment would look names up itself.
        with httpx.Client(timeout=_TIMEOUT, verify=_tls(), trust_env=is_trusted) as client, ExitStack() as stack:
            traced = {"trace": deadline.trace}
            if is_trusted:
                headers = self._authorization() if is_own else {}
                yield stack.enter_context(client.stream("GET", url, headers=headers, extensions=traced))
                return
            headers, extensions = {"Host": parts.netloc.rpartition("@")[2]}, traced | {"sni_hostname": host}
            addresses = self._checked(host, _OWN_NAME if looks_served(url) else "")
            yield _first_reached(client, stack, url, addresses, headers=headers, extensions=extensions)

    def _checked(self, host: str, hint: str) -> list[str]:
        """The addresses of a name, of which none may be inside the network. hint: what else to do about it."""
        try:
            found = [ipaddress.ip_address(text) for text in self._resolve(host)]
        except (OSError, UnicodeError) as error:
            raise MediaUnreachable(f"{host}: no such host.") from error
        if not found or not all(self._may_reach(address) for address in found):
            raise MediaForbidden(
                f"{host} is inside a private network. Add it to MEDIA_HOSTS to allow fetching from it.{hint}"
            )
        return [str(address) for address in found]


def _first_reached(
    client: httpx.Client, stack: ExitStack, url: str, addresses: Sequence[str], **options: Any
) -> httpx.Response:
    """The answer of the first of a name's addresses that can be connected to."""

    def answer(address: str) -> httpx.Response:
        return stack.enter_context(client.stream("GET", httpx.URL(url).copy_with(host=address), **options))

    for address in addresses[:-1]:
        with suppress(httpx.ConnectError, httpx.ConnectTimeout):
            return answer(address)
    return answer(addresses[-1])


class _Deadline:
    """Ends a download's connection when its time is over, wherever in it that is: a header may come byte by byte."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._began = time.monotonic()
        self._closed = threading.Event()
        self._stream: Any = None
        self.total = 0
        self.is_over = False
        threading.Thread(target=self._watch, name="download-deadline", daemon=True).start()

    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._began

    def copied(self, total: int) -> None:
        """So many bytes have come."""
        self.total = total

    def trace(self, event: str, info: dict[str, Any]) -> None:
        """Called by httpx with what happens to the connection."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._stream = info["return_value"]
            if self.is_over:
                self._shut()

    def close(self) -> None:
        self._closed.set()

    def _watch(self) -> None:
        while (left := self._patience.seconds(self.total) - self.seconds()) > 0:
            if self._closed.wait(left):
                return
        self.is_over = True
        self._shut()

    def _shut(self) -> None:
        if self._stream is not None:
            with suppress(OSError, ValueError):
                # Not the method of a TLS socket, which forgets its keys while the other thread reads by them.
                socket.socket.shutdown(self._stream.get_extra_info("socket"), socket.SHUT_RDWR)


def short_answer(url: str, longest_s: float) -> bytes:
    """What an address answers, which nobody redirects: 64 KiB at most, and within so many seconds altogether.

    Raises LabelStudioError where it takes longer, ValueError where it is more, httpx.HTTPError and httpx.InvalidURL.
    """
    deadline, body = _Deadline(Patience(longest_s, longest_s=longest_s)), b""
    extensions, headers = {"trace": deadline.trace}, {"Accept-Encoding": "identity"}  # a little may unpack to much
    try:
        # trust_env: a proxy of the environment may not know the way
        with (
            httpx.Client(timeout=longest_s, verify=_tls(), trust_env=False) as client,
            client.stream("GET", url, headers=headers, extensions=extensions) as response,
        ):
            for piece in response.iter_raw():
                body += piece
                if len(body) > _SHORT:
                    raise ValueError(f"{shown_address(url)} answers with more than {_SHORT // 1024} KiB.")
    except httpx.HTTPError as error:
        if not deadline.is_over and not isinstance(error, httpx.ReadTimeout):
            raise
        deadline.is_over = True
    finally:
        deadline.close()
    if deadline.is_over:  # a connection that was shut may look like the end of an answer
        raise LabelStudioError(f"{shown_address(url)} does not answer within {longest_s:g} s.")
    return body


def api_client(
    url: str, timeout_s: float = API_TIMEOUT_S, on_silence: Callable[[str], None] = lambda told: None
) -> httpx.Client:
    """What calls Label Studio's API at that address, and nobody else's: redirects that lead away are refused.

    Some carry a request's body along (307, 308), which for the exchange of a personal access token is the token itself.
    Requests raise LabelStudioRefused then, and LabelStudioError where it is too busy.

    on_silence: is told, in a thread, what is waited for where a request stays without an answer for a while.
    """
    allowed = origin_of(url)

    def check(request: httpx.Request) -> None:
        asked = str(request.url)
        if origin_of(asked) != allowed:
            refused = LabelStudioRefused(
                f"Label Studio's address {url} sends requests on to {shown_address(urljoin(asked, '/'))}, which gets "
                "no token. Set LABEL_STUDIO_URL to the address that answers itself."
            )
            refused.answers_nobody = True
            raise refused

    def heed(response: httpx.Response) -> None:
        if response.status_code == 429 or (response.status_code == 503 and "retry-after" in response.headers):
            busy = LabelStudioError(f"Label Studio is too busy ({response.status_code}). It is asked again later.")
            busy.retry_after_s, busy.answers_nobody = retry_after_s(response), True
            raise busy

    return _ApiClient(
        on_silence,
        timeout=timeout_s,
        verify=_tls(),
        follow_redirects=True,
        max_redirects=_MAX_REDIRECTS,
        event_hooks={"request": [check], "response": [heed]},
    )


class _ApiClient(httpx.Client):
    """Says what it waits for where a request stays without an answer: whoever gave a command would see nothing. Uploads
    take their time."""

    def __init__(self, on_silence: Callable[[str], None], **options: Any) -> None:
        super().__init__(**options)
        self._on_silence = on_silence

    def _tell(self, told: str) -> None:
        log.warning(told)
        self._on_silence(told)

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        if request.headers.get("content-type", "").startswith("multipart/"):
            return super().send(request, **options)
        where = shown_address(urljoin(str(request.url), "/"))
        told = f"Label Studio at {where} has not answered for {_SILENCE_S:g} s; waiting for it."
        waiting = threading.Timer(_SILENCE_S, self._tell, [told])
        waiting.daemon = True
        waiting.start()
        try:
            return super().send(request, **options)
        finally:
            waiting.cancel()


def retry_after_s(response: httpx.Response) -> float:
    """How many seconds an answer asks to wait: a number of them, or a date; 0 for none, at most an hour."""
    text = response.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        return min(_LONGEST_PAUSE_S, float(text[:6]))
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - time.time()
    return min(_LONGEST_PAUSE_S, max(0.0, seconds))


def split(url: str) -> SplitResult:
    """The parts of an address. Raises MediaNotFound for what is none."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  # raises for one that is no number
    except ValueError as error:
        raise MediaNotFound(f"{shown_address(url)} is no address.") from error
    return parts


@cache
def _tls() -> ssl.SSLContext:
    """Loading the certificates takes longer than most requests."""
    return httpx.create_ssl_context()
