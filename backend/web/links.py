"""What Label Studio calls things: addresses of projects and tasks as browsers open them, titles, names of people."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from time import monotonic
from urllib.parse import urlsplit

from backend.errors import BackendError
from backend.labelstudio.addresses import is_this_machine
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.records import Access

log = logging.getLogger(__name__)

_KEPT_S = 60.0
_AGAIN_S = 5.0
"""After Label Studio did not answer, and between two people who are new."""
_FIRST_WAIT_S = 0.2
"""A page waits so long for titles and names that are not known yet; later ones come with the next page."""


class ProjectTitles:
    """Titles of projects and names of people, asked for beside the pages: Label Studio may be slow, or away."""

    def __init__(self, client: LabelStudioClient) -> None:
        self._client = client
        self._titles: dict[int, str] = {}
        self._people: dict[int, str] = {}
        self._due_at = 0.0
        self._asked_with: set[int] = set()
        self._wanted: set[int] = set()
        self._asked_with_people: set[int] = set()
        self._is_asking = False
        self._is_asked_again = False
        self._answered = threading.Event()
        self._began_at = -math.inf
        self._lock = threading.Lock()

    def known(self, projects: Iterable[int] = ()) -> dict[int, str]:
        """The titles, as far as they are known; asks for them where that is a while ago, or for the first time for one
        of these projects. One that Label Studio does not list is not asked for with each page."""
        wanted = set(projects)
        with self._lock:
            is_new = not wanted <= self._asked_with | set(self._titles)
            if is_new or monotonic() >= self._due_at:
                self._begin(wanted)
        if is_new or not self._titles:
            self._wait()
        return dict(self._titles)

    def ask_soon(self, projects: Iterable[int]) -> None:
        """Ask before the first page does. Does not wait."""
        with self._lock:
            self._begin(set(projects))

    def person(self, number: int | None) -> str:
        """The name of somebody who labels, with the number where it is not known: asked for with the titles, and at
        once where somebody is new. Somebody whom Label Studio does not list is not asked for with each page."""
        if number is None:
            return "unknown"
        if number not in self._people:
            with self._lock:
                self._wanted.add(number)
                is_new = number not in self._asked_with_people
                if is_new and monotonic() >= self._began_at + _AGAIN_S:  # once for all who are new on a page
                    self._begin(set())
            if is_new:
                self._wait()
        return self._people.get(number) or f"user {number}"

    def _begin(self, projects: set[int]) -> None:
        """Ask for everything, in a thread, where anybody can be asked; where an answer is still to come, after that
        one: it is older, and might come later than that of another thread. To be called with the lock."""
        if not self._client.configured:
            return
        self._asked_with |= projects
        self._asked_with_people |= self._wanted
        self._began_at = monotonic()
        self._due_at = self._began_at + _KEPT_S
        self._answered.clear()
        self._is_asked_again = self._is_asking
        if not self._is_asking:
            self._is_asking = True
            threading.Thread(target=self._ask_while_wanted, name="project-titles", daemon=True).start()

    def _wait(self) -> None:
        """For the answer, though not long after it was asked for."""
        left_s = self._began_at + _FIRST_WAIT_S - monotonic()
        if left_s > 0:
            self._answered.wait(left_s)

    def _ask_while_wanted(self) -> None:
        while True:
            self._ask()
            with self._lock:
                self._is_asking, self._is_asked_again = self._is_asked_again, False
                if not self._is_asking:
                    self._answered.set()
                    return

    def _ask(self) -> None:
        try:
            self._titles = {project.id: project.title for project in self._client.projects()}
            self._people = self._client.people()  # last: not every token may list them
        except BackendError as error:
            log.info("Titles of projects or names of people are not known: %s", error)
            if not self._titles:
                self._due_at = monotonic() + _AGAIN_S
        except Exception:  # the top of a thread
            log.exception("Titles of projects and names of people were not read.")


@dataclass(frozen=True)
class Links:
    """Titles and addresses. label_studio: where browsers open it, without a slash at its end; "" where not known."""

    label_studio: str
    titles: dict[int, str]

    def project(self, project: int) -> str:
        """The address of a project in Label Studio, or ""."""
        return f"{self.label_studio}/projects/{project}/data" if self.label_studio else ""

    def task(self, project: int, task: int) -> str:
        """The address of a task in Label Studio, or ""."""
        return f"{self.label_studio}/projects/{project}/data?task={task}" if self.label_studio else ""

    def title(self, project: int) -> str:
        """The title of a project, with its number where it is not known."""
        return self.titles.get(project) or f"Project {project}"


def links(access: Access, titles: ProjectTitles, projects: Iterable[int] = ()) -> Links:
    """How pages name and link what is in Label Studio. projects: those that are ours."""
    shown = next((name for name in (*access.public_urls, access.url) if name), "")
    # Unless told otherwise Label Studio calls itself localhost, where nobody is logged in who opened it at 127.0.0.1.
    if _is_same_on_this_machine(shown, access.url):
        shown = access.url
    return Links(shown.rstrip("/"), titles.known(projects))


def _is_same_on_this_machine(one: str, other: str) -> bool:
    """Whether two addresses differ in the name that this machine has for itself, and in nothing else."""
    mine, its = urlsplit(one), urlsplit(other)
    if not (is_this_machine(mine.hostname or "") and is_this_machine(its.hostname or "")):
        return False
    return (mine.scheme, mine.port, mine.path.rstrip("/")) == (its.scheme, its.port, its.path.rstrip("/"))
