"""How requests go to Label Studio's API: with its token, page by page, and what it means where one fails."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from backend.errors import LabelStudioError
from backend.labelstudio.faults import mapped
from backend.labelstudio.format import Json
from backend.labelstudio.outgoing import API_TIMEOUT_S, api_client
from backend.labelstudio.records import Access

if TYPE_CHECKING:
    from label_studio_sdk import LabelStudio

_PAGE = 100
"""Tasks per request: their ids are part of the address."""


@dataclass(frozen=True)
class Fault:
    """Why Label Studio answers nobody: in words with the remedy, and since when (UTC)."""

    message: str
    since: datetime


class LabelStudioRequests:
    """Requests to one Label Studio.

    timeout_s: how long an answer may be silent. fault: why requests get no answer, by the last one that was sent; None
    where that got one, or still waits for one, though not for long.
    """

    def __init__(self, access: Access, timeout_s: float = API_TIMEOUT_S) -> None:
        self._access = access
        self._sdk: LabelStudio | None = None
        self._http = api_client(access.url, timeout_s, self._note_fault)
        self.fault: Fault | None = None

    @property
    def configured(self) -> bool:
        """Whether an address and a token were given; without them the backend only answers what it is asked."""
        return self._access.configured

    def authorization(self) -> dict[str, str]:
        """The header of the moment: the SDK exchanges a personal token for an access token and renews it."""
        if not self.configured:
            return {}
        with mapped("the access token"):  # often without a request, which says nothing of Label Studio
            headers = self._api._client_wrapper.get_headers()
        return {"Authorization": headers["Authorization"]}

    def call(self, thing: str, method: str, path: str, **content: Any) -> Any:
        """An API call, which has no method of its own; `thing` is what an error is about."""
        with self._asking(thing):
            return self._answer(method, path, **content)

    @contextmanager
    def _asking(self, thing: str) -> Iterator[None]:
        """Turn what goes wrong into a LabelStudioError about the thing, and note whether Label Studio answers."""
        try:
            with mapped(thing):
                yield
        except LabelStudioError as error:
            self._note(error)
            raise
        else:
            self.fault = None

    def _note(self, error: LabelStudioError) -> None:
        if not error.answers_nobody:
            self.fault = None
            return
        self._note_fault(str(error))

    def _note_fault(self, message: str) -> None:
        known = self.fault
        since = known.since if known is not None else datetime.now(UTC).replace(tzinfo=None)
        self.fault = Fault(message, since)

    def _chosen(self, project: int, task_ids: Sequence[int]) -> Iterator[Json]:
        """Those tasks of a project that are there, a request per hundred."""
        for first in range(0, len(task_ids), _PAGE):
            selected = {"selectedItems": {"all": False, "included": list(task_ids[first : first + _PAGE])}}
            yield from self._page(1, project=project, query=json.dumps(selected))["tasks"]

    def _pages(self, **chosen: object) -> Iterator[Json]:
        """Every task, a request per hundred."""
        seen = 0
        for number in itertools.count(1):
            page = self._page(number, **chosen)
            yield from page["tasks"]
            seen += len(page["tasks"])
            if not page["tasks"] or seen >= int(page.get("total") or 0):
                return

    def _page(self, number: int, **chosen: object) -> Json:
        # Addresses unresolved, else s3:// ones come as links of Label Studio's own, which must never be written back.
        asked = {**chosen, "fields": "all", "page": number, "page_size": _PAGE, "resolve_uri": "false"}
        page = self._json("GET", "api/tasks/", params=asked)
        if not isinstance(page.get("tasks"), list):
            raise ValueError("no list of tasks")
        return page

    def _json(self, method: str, path: str, **content: Any) -> Json:
        body = self._answer(method, path, **content)
        if not isinstance(body, dict):
            raise ValueError("no object")
        return dict(body)

    def _answer(self, method: str, path: str, **content: Any) -> Any:
        """A request without the SDK's models: making one of every field takes longer than all else that we do."""
        from label_studio_sdk.core import ApiError

        response = self._api._client_wrapper.httpx_client.request(path, method=method, **content)
        if response.status_code >= 400:
            raise ApiError(status_code=response.status_code)
        return response.json()

    @property
    def _api(self) -> LabelStudio:
        if not self._access.configured:
            raise LabelStudioError("Label Studio is not configured. Set LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY.")
        if self._sdk is None:
            from label_studio_sdk import LabelStudio  # three seconds to import

            key = self._access.api_key.get_secret_value()
            self._sdk = LabelStudio(
                base_url=self._access.url, api_key=key, timeout=self._http.timeout.read, httpx_client=self._http
            )
        return self._sdk
