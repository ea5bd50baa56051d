"""The ledger of bulk runs: what is known stays known from run to run, and what changed is done anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from backend.storage.jobs import Store
from backend.storage.ledger import Entry, Ledger, RunOptions, Source

VIDEOS = [Source(f"/v/{name}.mp4", f"/v/{name}.mp4", "1") for name in "abc"]


@pytest.fixture
def ledger(store: Store) -> Ledger:
    return Ledger(store.engine)


def begin(ledger: Ledger, videos: list[Source] = VIDEOS, target: str = "project 1", version: str = "m") -> int:
    return ledger.begin(target, version, "c", videos)


def entry(ledger: Ledger, run: int, name: str) -> Entry:
    states = ("queued", "analyzed", "done", "failed")
    return next(e for state in states for e in ledger.of_run(run, state) if e.source == f"/v/{name}.mp4")


def names(ledger: Ledger, run: int, failures: int = 0) -> list[str]:
    return [found.source for found in ledger.unfinished(run, failures)]


def test_everything_is_to_do_at_first(ledger: Ledger) -> None:
    assert names(ledger, begin(ledger)) == [video.name for video in VIDEOS]


def test_what_is_done_is_not_done_again(ledger: Ledger) -> None:
    ledger.done(entry(ledger, begin(ledger), "b").id, 7)
    assert names(ledger, begin(ledger)) == ["/v/a.mp4", "/v/c.mp4"]


def test_a_result_outlives_the_run(ledger: Ledger) -> None:
    ledger.analyzed(entry(ledger, begin(ledger), "b").id, "what was found")
    assert entry(ledger, begin(ledger), "b").result == "what was found"


def test_a_changed_video_is_done_again(ledger: Ledger) -> None:
    number = entry(ledger, begin(ledger), "b").id
    ledger.analyzed(number, "what was found")
    ledger.has_task(number, 5)
    ledger.done(number, 7)
    again = entry(ledger, begin(ledger, [replace(VIDEOS[1], fingerprint="2")]), "b")
    assert (again.state, again.result, again.task) == ("queued", "", None)


@pytest.mark.parametrize("other", [{"target": "project 2"}, {"version": "n"}])
def test_another_target_or_model_begins_anew(ledger: Ledger, other: dict[str, str]) -> None:
    ledger.done(entry(ledger, begin(ledger), "b").id, 7)
    assert len(names(ledger, begin(ledger, **other))) == 3  # type: ignore[arg-type]


def test_a_run_is_about_its_own_videos_alone(ledger: Ledger) -> None:
    begin(ledger)
    assert names(ledger, begin(ledger, VIDEOS[:1])) == ["/v/a.mp4"]


def test_failures_are_counted(ledger: Ledger) -> None:
    run = begin(ledger)
    for _ in range(2):
        ledger.failed(entry(ledger, run, "a").id, "NotAVideo", "no video")
    failed = entry(ledger, run, "a")
    assert (failed.failures, failed.error_type, failed.error_message) == (2, "NotAVideo", "no video")
    assert names(ledger, run, failures=2) == ["/v/a.mp4"]
    assert ledger.count_unfinished(run, 2) == 2


def test_forgiven_failures_are_tried_again(ledger: Ledger) -> None:
    run = begin(ledger)
    ledger.failed(entry(ledger, run, "a").id, "NotAVideo", "no video")
    ledger.forgive(run)
    assert len(names(ledger, run)) == 3


def test_starting_over_forgets_results_but_not_tasks(ledger: Ledger) -> None:
    run = begin(ledger)
    ledger.analyzed(entry(ledger, run, "a").id, "what was found")
    ledger.has_task(entry(ledger, run, "a").id, 5)
    ledger.start_over(run)
    assert (entry(ledger, run, "a").result, entry(ledger, run, "a").task) == ("", 5)


def test_the_task_of_a_video_is_known_to_a_run_with_another_model(ledger: Ledger) -> None:
    ledger.has_task(entry(ledger, begin(ledger), "a").id, 5)
    run = begin(ledger, version="n")
    assert ledger.task_of(entry(ledger, run, "a")) == 5
    assert ledger.task_of(entry(ledger, run, "b")) is None


def test_the_task_of_a_video_that_changed_since_is_not_its_own(ledger: Ledger) -> None:
    ledger.has_task(entry(ledger, begin(ledger), "a").id, 5)
    run = begin(ledger, [replace(VIDEOS[0], fingerprint="2")], version="n")
    assert ledger.task_of(entry(ledger, run, "a")) is None


def test_states_are_known_without_writing(ledger: Ledger) -> None:
    ledger.done(entry(ledger, begin(ledger), "a").id, 7)
    changed = replace(VIDEOS[1], fingerprint="2")
    assert ledger.known("project 1", "m", "c", [VIDEOS[0], changed], RunOptions()) == ["done", "queued"]
    assert entry(ledger, begin(ledger), "b").fingerprint == "1"


@pytest.mark.parametrize(
    ("options", "states"),
    [
        (RunOptions(), ["done", "given up", "failed"]),
        (RunOptions(max_attempts=1), ["done", "given up", "given up"]),
        (RunOptions(max_attempts=3), ["done", "failed", "failed"]),
        (RunOptions(retry_failed=True), ["done", "failed", "failed"]),
        (RunOptions(resume=False), ["queued", "queued", "queued"]),
    ],
)
def test_states_are_those_that_a_run_with_these_options_begins_with(
    ledger: Ledger, options: RunOptions, states: list[str]
) -> None:
    run = begin(ledger)
    ledger.done(entry(ledger, run, "a").id, 7)
    for name in "bbc":
        ledger.failed(entry(ledger, run, name).id, "NotAVideo", "no")
    assert ledger.known("project 1", "m", "c", VIDEOS, options) == states


def test_what_failed_and_was_analyzed_then_is_given_up_and_forgiven_like_the_others(ledger: Ledger) -> None:
    run = begin(ledger)
    ledger.failed(entry(ledger, run, "a").id, "LabelStudioError", "away")
    ledger.analyzed(entry(ledger, run, "a").id, "what was found")
    assert ledger.known("project 1", "m", "c", VIDEOS[:1], RunOptions(max_attempts=1)) == ["given up"]
    assert ledger.known("project 1", "m", "c", VIDEOS[:1], RunOptions(True, True, max_attempts=1)) == ["analyzed"]
    assert ledger.count_unfinished(run, 1) == 2
    ledger.forgive(run)
    assert ledger.count_unfinished(run, 1) == 3
    assert entry(ledger, run, "a").result == "what was found"


def test_of_forgiven_failures_the_one_that_was_tried_longest_ago_comes_first(ledger: Ledger) -> None:
    run = begin(ledger)
    for name in "ba":
        ledger.failed(entry(ledger, run, name).id, "NotAVideo", "no")
    ledger.forgive(run)
    assert names(ledger, run) == [VIDEOS[2].name, VIDEOS[1].name, VIDEOS[0].name], "first what never failed"
    ledger.failed(entry(ledger, run, "b").id, "NotAVideo", "no")
    ledger.forgive(run)
    assert names(ledger, run) == [VIDEOS[2].name, VIDEOS[0].name, VIDEOS[1].name]


def test_what_is_to_be_tried_again_is_not_counted_as_failed(ledger: Ledger) -> None:
    run = begin(ledger)
    for name in "aab":
        ledger.failed(entry(ledger, run, name).id, "NotAVideo", "no")
    assert ledger.counts(run, 2) == {"failed": 1, "queued": 2}
    assert [one.source for one in ledger.given_up(run, 2)] == [VIDEOS[0].name]


def test_of_equal_files_the_first_owns_their_task(ledger: Ledger) -> None:
    run = begin(ledger)
    for name in "ba":
        ledger.has_task(entry(ledger, run, name).id, 5)
    assert ledger.owners("project 1") == {5: VIDEOS[0].name}


def test_many_videos_come_page_by_page(ledger: Ledger) -> None:
    videos = [Source(f"/v/{number:04}.mp4", "", "1") for number in range(1200)]
    assert names(ledger, begin(ledger, videos)) == [video.name for video in videos]


def test_runs_that_begin_together_have_numbers_of_their_own(store: Store) -> None:
    first, second = Ledger(store.engine), Ledger(store.engine)
    numbers: list[int] = []

    def while_listing() -> Iterator[Source]:
        numbers.append(second.begin("project 2", "v", "c", [Source("/b.mp4", "/b.mp4", "1")]))
        yield Source("/a.mp4", "/a.mp4", "1")

    numbers.append(first.begin("project 1", "v", "c", while_listing()))
    assert [[entry.source for entry in first.of_run(run, "queued")] for run in numbers] == [["/b.mp4"], ["/a.mp4"]]
