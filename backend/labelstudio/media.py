"""Fetching a task's video to disk, streamed and limited: Label Studio's uploads and storages, and http(s)."""

from __future__ import annotations

import base64
import os
import re
import tempfile
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urljoin

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_combine, wait_exponential

from backend.errors import (
    BackendError,
    LabelStudioError,
    LabelStudioRefused,
    MediaForbidden,
    MediaNotFound,
    MediaTooLarge,
    MediaTooSlow,
    MediaUnreachable,
    NotInLabelStudio,
)
from backend.labelstudio.addresses import shown_address
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.outgoing import MediaRequests, retry_after_s, split
from backend.labelstudio.records import Access

_LONGEST_ASKED_S = 10.0
"""Whoever asks to be left alone for longer is asked again by the next attempt of the job: the worker goes on."""


class MediaFetcher:
    """Downloads with the credentials and within the limits of an `Access`. requests: where they may go."""

    def __init__(
        self,
        access: Access,
        client: LabelStudioClient,
        longest_pause_s: float = 4.0,
        requests: MediaRequests | None = None,
    ) -> None:
        self._access = access
        self._requests = requests or MediaRequests(access, client.authorization)
        self._retrying = Retrying(
            retry=retry_if_exception(_may_pass_at_once),
            stop=stop_after_attempt(3),
            wait=wait_combine(wait_exponential(max=longest_pause_s), _wait_as_asked),
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
        suffix = re.sub(r"[^.\w]", "", Path(split(media).path).suffix)[:8]
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
        parts = split(media)
        if parts.scheme in ("http", "https"):
            return self._requests.where_reached(media)
        if not self._access.url:
            raise MediaForbidden(
                f"{shown_address(media)} is served by Label Studio. Set LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY."
            )
        if parts.scheme:  # s3://, gs://, azure-blob://: Label Studio has the storage's credentials
            encoded = base64.urlsafe_b64encode(media.encode()).decode()
            return f"{self._access.url}/tasks/{task_id}/resolve/?fileuri={encoded}"
        path = self._access.own_path(media)
        # An address with a host but no scheme has that of Label Studio.
        return (
            self._requests.where_reached(urljoin(self._access.url, media)) if path is None else self._access.url + path
        )

    def _stream(self, url: str, shown: str, file: BinaryIO) -> None:
        file.seek(0)  # a second attempt starts over
        file.truncate()
        with self._requests.get(url, shown) as (response, progress):
            self._check_status(response, shown)
            limit = self._access.max_bytes
            too_large = MediaTooLarge(f"{shown}: larger than {limit // 1024**2} MB. Raise MAX_VIDEO_MB to allow it.")
            declared = response.headers.get("content-length", "")
            if declared.isdecimal() and int(declared) > limit:
                raise too_large
            copied = 0
            for chunk in response.iter_bytes():
                copied += len(chunk)
                if copied > limit:
                    raise too_large
                file.write(chunk)
                progress(copied)

    def _check_status(self, response: httpx.Response, shown: str) -> None:
        status, is_own = response.status_code, self._requests.is_own(str(response.request.url))
        if status == 401 and is_own and self._access.configured:  # the token may be a new one the next time
            raise LabelStudioError(f"{shown}: access refused (401). Check LABEL_STUDIO_API_KEY.")
        if status in (401, 403):
            hint = "Check LABEL_STUDIO_API_KEY." if self._access.configured else "Set LABEL_STUDIO_API_KEY."
            raise MediaForbidden(f"{shown}: access refused ({status}). {hint}")
        if status in (404, 410):
            raise MediaNotFound(f"{shown}: not found. Is its storage still connected to the project?")
        if status >= 500 or status in (408, 429):
            busy = (LabelStudioError if is_own else MediaUnreachable)(f"{shown}: the server answered {status}.")
            busy.retry_after_s = retry_after_s(response)
            raise busy
        if status != 200:
            raise MediaNotFound(f"{shown}: the server answered {status}.")


def _may_pass_at_once(error: BaseException) -> bool:
    """No token is to be had of a Label Studio that is just starting, and connections break."""
    if isinstance(error, MediaTooSlow | NotInLabelStudio | LabelStudioRefused):
        return False
    return isinstance(error, MediaUnreachable | LabelStudioError) and error.retry_after_s <= _LONGEST_ASKED_S


def _wait_as_asked(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome is not None else None
    return error.retry_after_s if isinstance(error, BackendError) else 0.0
