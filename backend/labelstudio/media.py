"""Fetching a task's video to disk, streamed and limited: Label Studio's uploads and storages, and http(s)."""

from __future__ import annotations

import base64
import ipaddress
import os
import re
import socket
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO
from urllib.parse import SplitResult, urljoin, urlsplit, urlunsplit

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from backend.errors import LabelStudioError, MediaForbidden, MediaNotFound, MediaTooLarge, MediaUnreachable
from backend.labelstudio.addresses import looks_served, own_path
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.records import Access

_TIMEOUT = httpx.Timeout(10.0, read=60.0)
_MAX_REDIRECTS = 5
_CHUNK = 1 << 20
_OWN_NAME = " If it is Label Studio's own name, set LABEL_STUDIO_HOST to the address that browsers open it at instead."


class MediaFetcher:
    """Downloads with the credentials and within the limits of an `Access`."""

    def __init__(self, access: Access, client: LabelStudioClient, longest_pause_s: float = 4.0) -> None:
        self._access = access
        self._client = client
        self._allowed = {host.lower() for host in access.media_hosts}
        self._retrying = Retrying(
            # No token is to be had of a Label Studio that is just starting.
            retry=retry_if_exception_type((MediaUnreachable, LabelStudioError)),
            stop=stop_after_attempt(3),
            wait=wait_exponential(max=longest_pause_s),
            reraise=True,
        )

    def fetch(self, media: str, task_id: int, folder: Path) -> Path:
        """Stream a task's video into `folder` and return its path; nothing half-written is left behind.

        Raises MediaNotFound, MediaForbidden, MediaTooLarge, MediaUnreachable; LabelStudioError where there is no token
        to be had.
        """
        url = self._media_url(media, task_id)
        shown = shown_address(media)
        folder.mkdir(parents=True, exist_ok=True)
        suffix = re.sub(r"[^.\w]", "", Path(_split(media).path).suffix)[:8]
        handle, name = tempfile.mkstemp(dir=folder, suffix=suffix or ".video")
        path = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                self._retrying(self._stream, url, shown, file)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return path

    def _media_url(self, media: str, task_id: int) -> str:
        """The address to fetch a task's media from."""
        parts = _split(media)
        if parts.scheme in ("http", "https"):
            return self._where_reached(media)
        if not self._access.url:
            raise MediaForbidden(
                f"{shown_address(media)} is served by Label Studio. Set LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY."
            )
        if parts.scheme:  # s3://, gs://, azure-blob://: Label Studio has the storage's credentials
            encoded = base64.urlsafe_b64encode(media.encode()).decode()
            return f"{self._access.url}/tasks/{task_id}/resolve/?fileuri={encoded}"
        path = self._access.own_path(media)
        # An address with a host but no scheme has that of Label Studio.
        return self._where_reached(urljoin(self._access.url, media)) if path is None else self._access.url + path

    def _where_reached(self, url: str) -> str:
        """A whole address, or where we reach it: Label Studio's own may have the name that browsers know."""
        path = self._access.own_path(url) if self._access.url else None
        return url if path is None else self._access.url + path

    def _stream(self, url: str, shown: str, file: BinaryIO) -> None:
        file.seek(0)  # a second attempt starts over
        file.truncate()
        try:
            with httpx.Client(timeout=_TIMEOUT, follow_redirects=False) as client:
                for _ in range(_MAX_REDIRECTS):
                    with self._get(client, url) as response:
                        if response.has_redirect_location:
                            location = urljoin(url, response.headers["location"])
                            there = self._where_reached(location)
                            if there == url != location:
                                raise MediaUnreachable(
                                    f"{shown}: Label Studio sends LABEL_STUDIO_URL on to {shown_address(location)}. "
                                    "Set LABEL_STUDIO_URL to that name."
                                )
                            url = there
                            continue
                        self._check_status(response, shown)
                        self._copy(response, shown, file)
                        return
                raise MediaUnreachable(f"{shown}: redirected more than {_MAX_REDIRECTS} times.")
        except httpx.RemoteProtocolError as error:
            raise MediaUnreachable(f"{shown}: the transfer ended early. Is the file complete?") from error
        except httpx.HTTPError as error:
            host = _split(url).hostname
            raise MediaUnreachable(f"{shown}: {host} cannot be reached ({type(error).__name__}).") from error
        except httpx.InvalidURL as error:
            raise MediaNotFound(f"{shown} is no address.") from error

    def _get(self, client: httpx.Client, url: str) -> AbstractContextManager[httpx.Response]:
        """The token goes to Label Studio alone, never along to another address or to where it redirects."""
        if self._access.url and own_path(url, self._access.url, ()) is not None:
            return client.stream("GET", url, headers=self._client.authorization())
        parts = _split(url)
        host = parts.hostname or ""
        if host in self._allowed:
            return client.stream("GET", url)
        # To the very address that was checked: a name may stand for another one the next time it is looked up.
        address = _public_address(host, _OWN_NAME if looks_served(url) else "")
        there = httpx.URL(url).copy_with(host=address)
        return client.stream(
            "GET", there, headers={"Host": parts.netloc.rpartition("@")[2]}, extensions={"sni_hostname": host}
        )

    def _check_status(self, response: httpx.Response, shown: str) -> None:
        status = response.status_code
        if status in (401, 403):
            hint = "Check LABEL_STUDIO_API_KEY." if self._access.configured else "Set LABEL_STUDIO_API_KEY."
            raise MediaForbidden(f"{shown}: access refused ({status}). {hint}")
        if status in (404, 410):
            raise MediaNotFound(f"{shown}: not found. Is its storage still connected to the project?")
        if status >= 500 or status == 429:
            raise MediaUnreachable(f"{shown}: the server answered {status}.")
        if status != 200:
            raise MediaNotFound(f"{shown}: the server answered {status}.")

    def _copy(self, response: httpx.Response, shown: str, file: BinaryIO) -> None:
        limit = self._access.max_bytes
        too_large = MediaTooLarge(f"{shown}: larger than {limit // 1024**2} MB. Raise MAX_VIDEO_MB to allow it.")
        declared = response.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > limit:
            raise too_large
        copied = 0
        for chunk in response.iter_bytes(_CHUNK):
            copied += len(chunk)
            if copied > limit:
                raise too_large
            file.write(chunk)


def shown_address(media: str) -> str:
    """A video's address without what may be secret in it: user, password, signature."""
    try:
        parts = urlsplit(media)
    except ValueError:
        return "The video's address"
    if not parts.netloc:
        return media
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _public_address(host: str, hint: str = "") -> str:
    """Where a name points to, which must not be inside the network: task data is written by whoever imports tasks.

    hint: what else to do about it.
    """
    try:
        found = [ipaddress.ip_address(info[4][0]) for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError) as error:
        raise MediaUnreachable(f"{host}: no such host.") from error
    if not found or not all(address.is_global and not address.is_multicast for address in found):
        raise MediaForbidden(
            f"{host} is inside a private network. Add it to MEDIA_HOSTS to allow fetching from it.{hint}"
        )
    return str(min(found, key=lambda address: address.version))


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  # raises for one that is no number
    except ValueError as error:
        raise MediaNotFound(f"{shown_address(url)} is no address.") from error
    return parts
