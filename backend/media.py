"""Fetching a task's video to disk, streamed and limited: Label Studio's uploads and storages, and http(s)."""

from __future__ import annotations

import base64
import ipaddress
import os
import re
import socket
import tempfile
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urljoin, urlsplit

import httpx
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_exponential

from backend.errors import MediaForbidden, MediaNotFound, MediaTooLarge, MediaUnreachable
from backend.ls_client import Access, LabelStudioClient

_TIMEOUT = httpx.Timeout(10.0, read=60.0)
_MAX_REDIRECTS = 5
_CHUNK = 1 << 20


class MediaFetcher:
    """Downloads with the credentials and within the limits of an `Access`."""

    def __init__(self, access: Access, client: LabelStudioClient) -> None:
        self._access = access
        self._client = client

    def fetch(self, media: str, task_id: int, folder: Path) -> Path:
        """Stream a task's video into `folder` and return its path; nothing half-written is left behind.

        Raises MediaNotFound, MediaForbidden, MediaTooLarge, MediaUnreachable.
        """
        url, ours = self._media_url(media, task_id)
        folder.mkdir(parents=True, exist_ok=True)
        suffix = re.sub(r"[^.\w]", "", Path(urlsplit(media).path).suffix)[:8]
        handle, name = tempfile.mkstemp(dir=folder, suffix=suffix or ".video")
        path = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                self._stream(url, ours, media, file)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return path

    def _media_url(self, media: str, task_id: int) -> tuple[str, bool]:
        """The address to fetch a task's media from, and whether it is Label Studio's own."""
        parts = urlsplit(media)
        if parts.scheme in ("http", "https"):
            return media, bool(self._access.url) and _origin(media) == _origin(self._access.url)
        if not self._access.url:
            raise MediaForbidden(f"{media} is served by Label Studio. Set LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY.")
        if parts.scheme:  # s3://, gs://, azure-blob://: Label Studio has the storage's credentials
            encoded = base64.b64encode(media.encode()).decode()
            return f"{self._access.url}/tasks/{task_id}/resolve/?fileuri={encoded}", True
        return urljoin(self._access.url + "/", media), True

    @retry(
        retry=retry_if_exception_type(MediaUnreachable),
        stop=stop_after_attempt(3),
        wait=wait_exponential(max=4),
        reraise=True,
    )
    def _stream(self, url: str, ours: bool, media: str, file: BinaryIO) -> None:
        file.seek(0)  # a second attempt starts over
        file.truncate()
        try:
            with httpx.Client(timeout=_TIMEOUT, follow_redirects=False) as client:
                for _ in range(_MAX_REDIRECTS):
                    self._check_host(url, ours)
                    headers = self._client.authorization() if ours else {}
                    with client.stream("GET", url, headers=headers) as response:
                        if response.has_redirect_location:
                            url = urljoin(url, response.headers["location"])
                            # The token goes to Label Studio alone, never along to where it redirects.
                            ours = bool(self._access.url) and _origin(url) == _origin(self._access.url)
                            continue
                        self._check_status(response, media)
                        self._copy(response, media, file)
                        return
                raise MediaUnreachable(f"{media}: redirected more than {_MAX_REDIRECTS} times.")
        except httpx.HTTPError as error:
            host = urlsplit(url).netloc
            raise MediaUnreachable(f"{media}: {host} cannot be reached ({type(error).__name__}).") from error

    def _check_host(self, url: str, ours: bool) -> None:
        """Refuse addresses inside the network that nobody allowed: task data is written by whoever imports tasks."""
        host = urlsplit(url).hostname or ""
        if ours or host in self._access.media_hosts:
            return
        try:
            addresses = {str(info[4][0]) for info in socket.getaddrinfo(host, None)}
        except OSError as error:
            raise MediaUnreachable(f"{host}: no such host.") from error
        if not all(ipaddress.ip_address(address).is_global for address in addresses):
            raise MediaForbidden(
                f"{host} is inside a private network. Add it to MEDIA_HOSTS to allow fetching from it."
            )

    def _check_status(self, response: httpx.Response, media: str) -> None:
        status = response.status_code
        if status in (401, 403):
            hint = "Check LABEL_STUDIO_API_KEY." if self._access.configured else "Set LABEL_STUDIO_API_KEY."
            raise MediaForbidden(f"{media}: access refused ({status}). {hint}")
        if status in (404, 410):
            raise MediaNotFound(f"{media}: not found. Is its storage still connected to the project?")
        if status >= 500 or status == 429:
            raise MediaUnreachable(f"{media}: the server answered {status}.")
        if status >= 400:
            raise MediaNotFound(f"{media}: the server answered {status}.")

    def _copy(self, response: httpx.Response, media: str, file: BinaryIO) -> None:
        limit = self._access.max_bytes
        too_large = MediaTooLarge(f"{media}: larger than {limit // 1024**2} MB. Raise MAX_VIDEO_MB to allow it.")
        declared = response.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > limit:
            raise too_large
        copied = 0
        for chunk in response.iter_bytes(_CHUNK):
            copied += len(chunk)
            if copied > limit:
                raise too_large
            file.write(chunk)
        if declared.isdigit() and "content-encoding" not in response.headers and copied < int(declared):
            raise MediaUnreachable(f"{media}: the transfer ended early, {copied} of {declared} bytes.")


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme)
