"""Titles, people and addresses in Label Studio, as people know them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from backend.errors import LabelStudioError
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.records import Access, ProjectInfo
from backend.web.links import ProjectTitles, links


@pytest.mark.parametrize(
    ("url", "public", "shown"),
    [
        ("http://127.0.0.1:9", "https://labels.example/ls", "https://labels.example/ls"),
        ("http://label-studio:9", "http://localhost:9", "http://localhost:9"),  # as containers reach it
        ("http://127.0.0.1:9", "http://localhost:9", "http://127.0.0.1:9"),
        ("http://127.0.0.1:9", "http://localhost:10/ls", "http://localhost:10/ls"),  # a proxy, as somebody set it
    ],
)
def test_links_lead_to_where_browsers_open_label_studio(url: str, public: str, shown: str) -> None:
    access = Access(url, SecretStr(""), public_urls=(public,))
    found = links(access, ProjectTitles(LabelStudioClient(access)))
    assert found.task(3, 7) == f"{shown}/projects/3/data?task=7"


class TitledClient(LabelStudioClient):
    """Knows one project."""

    def projects(self) -> Iterator[ProjectInfo]:
        yield ProjectInfo(1, "Squad of spring", "", "")

    def people(self) -> dict[int, str]:
        return {3: "Ada <b>"}


def test_titles_come_from_label_studio() -> None:
    access = Access("http://127.0.0.1:9", SecretStr("x"))
    assert links(access, ProjectTitles(TitledClient(access))).title(1) == "Squad of spring"


class CountingClient(TitledClient):
    """Knows the projects that it has; counts how often it was asked."""

    def __init__(self, access: Access) -> None:
        super().__init__(access)
        self.titles: dict[int, str] = {1: "Squad of spring"}
        self.asked = 0

    def projects(self) -> Iterator[ProjectInfo]:
        self.asked += 1
        if not self.titles:
            raise LabelStudioError("Label Studio does not answer.")
        return iter([ProjectInfo(number, title, "", "") for number, title in self.titles.items()])


def test_the_title_of_a_new_project_is_asked_for_at_once() -> None:
    client = CountingClient(Access("http://127.0.0.1:9", SecretStr("x")))
    names = ProjectTitles(client)
    assert names.known([1]) == {1: "Squad of spring"}
    client.titles[2] = "Squad of autumn"
    assert names.known([1, 2])[2] == "Squad of autumn"
    for _ in range(3):  # Label Studio has no project 9
        assert 9 not in names.known([1, 2, 9])
    assert client.asked == 3


def test_titles_are_asked_for_again_soon_where_label_studio_did_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.web.links._AGAIN_S", 0.0)
    client = CountingClient(Access("http://127.0.0.1:9", SecretStr("x")))
    client.titles, titles = {}, client.titles
    names = ProjectTitles(client)
    assert names.known([1]) == {}
    client.titles = titles
    assert names.known([1]) == titles
    names.known([1])
    assert client.asked == 2


def test_names_come_from_label_studio() -> None:
    access = Access("http://127.0.0.1:9", SecretStr("x"))
    names = ProjectTitles(TitledClient(access))
    names.known()
    assert [names.person(3), names.person(4), names.person(None)] == ["Ada <b>", "user 4", "unknown"]


class GrowingClient(TitledClient):
    """Gets new users; counts how often it was asked, and may take its time."""

    def __init__(self, access: Access, takes_s: float = 0.0) -> None:
        super().__init__(access)
        self.users = {3: "Ada"}
        self.asked = 0
        self.takes_s = takes_s

    def people(self) -> dict[int, str]:
        self.asked += 1
        time.sleep(self.takes_s)
        return dict(self.users)


@pytest.mark.parametrize("kept_s", [60.0, 0.0])
def test_the_name_of_somebody_new_is_asked_for_at_once(monkeypatch: pytest.MonkeyPatch, kept_s: float) -> None:
    """Whether a page asks for the titles as well, or not."""
    monkeypatch.setattr("backend.web.links._AGAIN_S", 0.0 if kept_s else 60.0)
    monkeypatch.setattr("backend.web.links._KEPT_S", kept_s)
    client = GrowingClient(Access("http://127.0.0.1:9", SecretStr("x")), takes_s=0.02)
    names = ProjectTitles(client)
    names.known()
    assert names.person(3) == "Ada"
    client.users[4] = "Bo"
    names.known()
    assert names.person(4) == "Bo"
    before = client.asked
    assert [names.person(9) for _ in range(3)] == ["user 9"] * 3  # Label Studio has no user 9
    assert client.asked <= before + 1


class SlowClient(GrowingClient):
    """Has its first answer held back until that is released."""

    def __init__(self, access: Access) -> None:
        super().__init__(access)
        self.released = threading.Event()

    def people(self) -> dict[int, str]:
        found = super().people()
        if self.asked == 1:
            self.released.wait(10.0)
        return found


class Patience(threading.Event):
    """Waits in no time, by a clock of its own; keeps how long it was to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.waited: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.waited.append(timeout)
        self.now_s += timeout
        return self.is_set()


def test_a_page_of_people_whom_nobody_knows_waits_once(monkeypatch: pytest.MonkeyPatch) -> None:
    client, patience = SlowClient(Access("http://127.0.0.1:9", SecretStr("x"))), Patience()
    monkeypatch.setattr("backend.web.links.monotonic", lambda: patience.now_s)
    names = ProjectTitles(client)
    names._answered = patience
    names.known([1])
    assert [names.person(number) for number in range(100, 200)] == [f"user {number}" for number in range(100, 200)]
    assert patience.waited == [0.2]
    client.released.set()


def test_an_answer_that_comes_late_replaces_none_that_was_asked_for_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.web.links._AGAIN_S", 0.0)
    monkeypatch.setattr("backend.web.links._FIRST_WAIT_S", 0.05)
    client = SlowClient(Access("http://127.0.0.1:9", SecretStr("x")))
    names = ProjectTitles(client)
    before = set(threading.enumerate())
    names.known([1])
    client.users[4] = "Bo"
    names.person(4)
    client.released.set()
    for thread in set(threading.enumerate()) - before:
        thread.join()
    assert (names.person(4), client.asked) == ("Bo", 2)


class SecretiveClient(TitledClient):
    """Does not say who its users are."""

    def people(self) -> dict[int, str]:
        raise LabelStudioError("Label Studio refused the users (403).")


def test_titles_are_known_where_people_are_not() -> None:
    access = Access("http://127.0.0.1:9", SecretStr("x"))
    names = ProjectTitles(SecretiveClient(access))
    assert (links(access, names).title(1), names.person(3)) == ("Squad of spring", "user 3")


def test_a_label_studio_that_is_away_costs_a_page_nothing() -> None:
    access = Access("http://127.0.0.1:9", SecretStr("x"))
    assert links(access, ProjectTitles(LabelStudioClient(access))).title(1) == "Project 1"
