"""Projects that could not be connected, and why."""

from __future__ import annotations

from backend.storage.jobs import Store
from backend.storage.setups import forget_refused, note_refused, refused_setups


def _known(store: Store) -> dict[int, str]:
    return {one.project: one.message for one in refused_setups(store.engine)}


def test_the_last_reason_counts_and_is_news_once(store: Store) -> None:
    said = [note_refused(store.engine, 3, message) for message in ("no Video", "no Video", "one label")]
    assert said == [True, False, True]
    assert _known(store) == {3: "one label"}


def test_a_project_that_is_connected_after_all_is_forgotten(store: Store) -> None:
    note_refused(store.engine, 3, "no Video")
    forget_refused(store.engine, 3)
    assert _known(store) == {}


def test_not_more_are_kept_than_people_can_read(store: Store) -> None:
    for project in range(1, 61):
        note_refused(store.engine, project, "x" * 1000)
    assert len(_known(store)) == 50
    assert {len(message) for message in _known(store).values()} == {500}
