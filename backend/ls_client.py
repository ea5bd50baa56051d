"""The one place for HTTP to Label Studio: tasks and predictions through its SDK, videos streamed to disk."""

from __future__ import annotations

import base64
import ipaddress
import os
import re
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urljoin, urlsplit

import httpx
from pydantic import SecretStr
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_exponential

from backend.errors import LabelStudioError, MediaForbidden, MediaNotFound, MediaTooLarge, MediaUnreachable
from backend.ls_format import Json, Task

if TYPE_CHECKING:
    from label_studio_sdk import LabelStudio
    from label_studio_sdk.core.request_options import RequestOptions

_TIMEOUT = httpx.Timeout(10.0, read=60.0)
_MAX_REDIRECTS = 5
_CHUNK = 1 << 20
# Label Studio would else rewrite s3:// addresses into links of its own, which must never be written back.
_RAW: RequestOptions = {"additional_query_parameters": {"resolve_uri": "false"}}


@dataclass(frozen=True)
class Access:
    """How to reach Label Studio and what may be fetched. Travels to workers; the key stays masked when shown."""

    url: str
    api_key: SecretStr
    media_hosts: tuple[str, ...] = ()
    max_bytes: int = 2048 * 1024 * 1024

    @property
    def configured(self) -> bool:
        return bool(self.url and self.api_key.get_secret_value())


class LabelStudioClient:
    """Calls to one Label Studio. Every failure is a LabelStudioError or MediaError that says what to do."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._sdk: LabelStudio | None = None

    @property
    def configured(self) -> bool:
        """Whether an address and a token were given; without them the backend only answers what it is asked."""
        return self._access.configured

    def task(self, task_id: int) -> Task:
        with _mapped(f"task {task_id}"):
            return _task(self._api.tasks.get(id=str(task_id), request_options=_RAW))

    def tasks(self, project: int) -> Iterator[tuple[Task, int, frozenset[str]]]:
        """Every task of a project, with its number of annotations and the model versions that it has predictions of."""
        with _mapped(f"the tasks of project {project}"):
            for task in self._api.tasks.list(project=project, fields="all", resolve_uri=False):
                versions = [_field(prediction, "model_version") for prediction in task.predictions or []]
                yield _task(task), task.total_annotations or 0, frozenset(str(v) for v in versions if v)

    def prediction_ids(self, task_id: int, model_version: str) -> list[int]:
        """Predictions of that version which the task already has, oldest first."""
        with _mapped(f"the predictions of task {task_id}"):
            stored = self._api.predictions.list(task=task_id)
            return sorted(p.id for p in stored if p.model_version == model_version and p.id is not None)

    def create_prediction(self, task_id: int, prediction: Json) -> int:
        with _mapped(f"a prediction for task {task_id}"):
            created = self._api.predictions.create(
                task=task_id,
                result=prediction["result"],
                score=prediction["score"],
                model_version=prediction["model_version"],
            )
            return int(created.id or 0)

    def has_human_work(self, task_id: int) -> bool:
        """Whether somebody has begun to annotate the task: frames that are drawn must keep their meaning."""
        with _mapped(f"task {task_id}"):
            task = self._api.tasks.get(id=str(task_id), request_options=_RAW)
            return bool(task.total_annotations or task.drafts)

    def set_task_data(self, task_id: int, data: Json) -> None:
        with _mapped(f"the data of task {task_id}"):
            self._api.tasks.update(id=str(task_id), data=data)

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

    @property
    def _api(self) -> LabelStudio:
        if not self._access.configured:
            raise LabelStudioError("Label Studio is not configured. Set LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY.")
        if self._sdk is None:
            from label_studio_sdk import LabelStudio  # three seconds to import

            self._sdk = LabelStudio(base_url=self._access.url, api_key=self._access.api_key.get_secret_value())
        return self._sdk

    def _authorization(self) -> dict[str, str]:
        """The header of the moment: the SDK exchanges a personal token for an access token and renews it."""
        if not self._access.configured:
            return {}
        with _mapped("the access token"):
            headers = self._api._client_wrapper.get_headers()
        return {"Authorization": headers["Authorization"]}

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
                    headers = self._authorization() if ours else {}
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
            raise MediaForbidden(f"{host} is inside a private network. Add it to MEDIA_HOSTS to allow fetching from it.")

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


@contextmanager
def _mapped(thing: str) -> Iterator[None]:
    """Turn what the SDK raises into a LabelStudioError without headers or bodies, which may hold tokens."""
    from label_studio_sdk.core import ApiError

    try:
        yield
    except ApiError as error:
        hint = " Check LABEL_STUDIO_API_KEY." if error.status_code in (401, 403) else ""
        raise LabelStudioError(f"Label Studio answered {error.status_code} for {thing}.{hint}") from error
    except httpx.HTTPError as error:
        raise LabelStudioError(f"Label Studio cannot be reached for {thing} ({type(error).__name__}).") from error


def _task(task: Any) -> Task:
    project = task.project if isinstance(task.project, int) else _field(task.project, "id")
    return Task(int(task.id), int(project), dict(task.data or {}))


def _field(item: Any, name: str) -> Any:
    return item.get(name) if isinstance(item, dict) else getattr(item, name, None)


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme)
