"""Which projects list this backend as their model: those that it works for."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from backend.errors import LabelStudioError, NotInLabelStudio
from backend.labelstudio.addresses import host_of, is_this_machine, shown_address
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.outgoing import short_answer

log = logging.getLogger(__name__)

_CONNECTED_S = 300.0
_NOT_CONNECTED_S = 1.0
"""How long an answer of Label Studio counts. Whoever is not connected may be in the middle of it."""
_PATIENCE_S = 10.0
"""For our own answer: at a start of the server it comes when everything is ready."""


class Connections:
    """Asks Label Studio with our token, and remembers the answers for a while.

    client: None where whoever asks is believed: there is no token, or a person runs a command. is_ours: whether an
    address of an ML backend is this server's, given whether the project lists no other; may raise LabelStudioError.
    """

    def __init__(
        self,
        client: LabelStudioClient | None = None,
        is_ours: Callable[[str, bool], bool] = lambda url, is_only: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._is_ours = is_ours
        self._clock = clock
        self._lock = threading.Lock()
        self._answers: dict[int, tuple[bool, float]] = {}
        self._listed: dict[int, list[str]] = {}
        self._on_return: list[Callable[[int], None]] = []

    @property
    def checks(self) -> bool:
        """Whether Label Studio is asked at all."""
        return self._client is not None

    def on_return(self, call: Callable[[int], None]) -> None:
        """From now on call that with every project that was not connected and is: what it sent meanwhile is lost."""
        self._on_return.append(call)

    def is_known(self, project: int) -> bool:
        """Whether the project was connected when Label Studio was last asked. Asks nobody."""
        with self._lock:
            return self._client is None or self._answers.get(project, (False, 0.0))[0]

    def listed(self, project: int) -> list[str]:
        """The addresses of ML backends that the project listed when Label Studio was last asked. Asks nobody."""
        with self._lock:
            return [shown_address(url) for url in self._listed.get(project, ())]

    def is_connected(self, project: int) -> bool:
        """Whether the project is connected. A project that was stays so while Label Studio cannot be reached.

        Label Studio asks its ML backends how they are before it answers this: never to be called where it waits for us.
        Raises LabelStudioError.
        """
        if self._client is None:
            return True
        with self._lock:
            was, asked_s = self._answers.get(project, (None, 0.0))
        if was is not None and self._clock() - asked_s < (_CONNECTED_S if was else _NOT_CONNECTED_S):
            return was
        try:
            listed = [backend.url for backend in self._client.connected_backends(project)]
        except NotInLabelStudio:
            listed = []
        except LabelStudioError:
            if was:
                return True
            raise
        with self._lock:
            self._listed[project] = listed
        found = self._is_any_ours(listed, bool(was))
        if was and not found:
            log.warning("Project %s no longer lists this backend as its model: nothing more is done for it.", project)
        with self._lock:
            self._answers[project] = found, self._clock()
        if found and was is False:
            for call in self._on_return:
                call(project)
        return found

    def _is_any_ours(self, urls: Sequence[str], otherwise: bool) -> bool:
        """Whether one of the addresses is ours; `otherwise` or LabelStudioError where that cannot be told now."""
        untold: LabelStudioError | None = None
        for url in urls:
            try:
                if self._is_ours(url, len(urls) == 1):
                    return True
            except LabelStudioError as error:
                untold = error
        if untold is not None and not otherwise:
            raise untold
        return untold is not None


@dataclass(frozen=True)
class OwnAddress:
    """How this server is recognized. instance: what it alone says of itself at /health. names: hosts that are its own,
    besides those of this machine. port: where it listens. listens_to_all: whether at all addresses, as in a container,
    whose port may be published as another one."""

    instance: str
    names: Collection[str]
    port: int
    listens_to_all: bool = False

    def is_at(self, url: str, is_only: bool = False) -> bool:
        """Whether this server answers at an address; where nobody does from here, whether it looks like ours.

        is_only: whether the project lists no other backend. Then one of this machine is believed to be ours whatever
        its port, where we listen to all: inside a container, the port that Label Studio knows leads nowhere.

        Raises LabelStudioError where somebody is there who does not answer in time.
        """
        try:
            answer = json.loads(short_answer(f"{url.rstrip('/')}/health", _PATIENCE_S))
            return isinstance(answer, dict) and answer.get("instance") == self.instance
        except LabelStudioError as error:
            shown = shown_address(url)
            raise LabelStudioError(f"{shown}, a model of Label Studio, does not answer. Is it this server?") from error
        except (httpx.ConnectError, httpx.ConnectTimeout):
            return self._looks_like(url, is_only and self.listens_to_all)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError):
            return self._looks_like(url, False)

    def _looks_like(self, url: str, has_any_port: bool) -> bool:
        try:
            host, port = urlsplit(url).hostname or "", urlsplit(url).port
        except ValueError:
            return False
        host = host.rstrip(".")
        if host in {host_of(name) for name in self.names}:
            return True
        return (has_any_port or port == self.port) and is_this_machine(host)
