"""What `deadlift prelabel` shows: progress while it works, a summary at the end, or both as lines of JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from backend.archives.plan import Planned, counts
from backend.archives.run import Finished
from backend.labelstudio.addresses import shown_address
from backend.storage.ledger import Entry
from pipeline.counts import counted

_LISTED = 100
"""Failures in the summary's table."""
_LISTED_SUFFIXES = 10
_STATES = {
    "queued": "to do",
    "analyzed": "analyzed, to be delivered",
    "failed": "failed before, to be tried again",
    "given up": "given up before: --retry-failed tries again",
    "done": "done before",
    "unreadable": "of those to be tried cannot be read",
    "there": "has a task: the prediction goes there",
    "same": "gets the task of an equal file",
    "linked": "new task for the file where it lies",
    "uploaded": "new task by upload",
    "copied": "new task by upload of an H.264 copy",
    "refused": "Label Studio takes no such upload: --playable uploads a copy",
}
_LINE_EVERY_S = 30.0


class Display:
    """Progress on stderr and a summary on stdout; with `as_json`, one JSON object per line on stdout and no bars."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._out = Console(highlight=False)
        self._progress_console = Console(stderr=True, highlight=False)
        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[figures]}"))
        shows_bar = self._progress_console.is_terminal and not as_json
        self._bar = Progress(*columns, console=self._progress_console, transient=True, disable=not shows_bar)
        self._shows_lines = not self._progress_console.is_terminal and not as_json
        self._line_at = 0.0
        self._task = self._bar.add_task("videos", total=None, figures="")
        self._done = self._failed = self._reps = self._anomalous = 0
        self._total = 0
        self._began = time.monotonic()

    def begin(self, target: str, model_version: str, counts: dict[str, int], to_do: int) -> None:
        """counts: videos by state as the ledger has them; to_do: those that this run takes on."""
        known = {"videos": sum(counts.values()), "done": counts.get("done", 0), "failed": counts.get("failed", 0)}
        if self._as_json:
            _line(event="begin", target=target, model_version=model_version, to_do=to_do, **known)
            return
        before = f", {known['done']} of them done before" if known["done"] else ""
        self._progress_console.print(
            f"{counted(known['videos'], 'video')} for {target}{before}; {to_do} to do. Model {model_version}.",
            soft_wrap=True,
        )
        self._total = to_do

    def plan(
        self,
        target: str,
        model_version: str,
        planned: Iterable[Planned],
        limit: int | None = None,
        passed_over: Mapping[str, int] | None = None,
    ) -> None:
        """What a run would do with each video, and how much that is. limit: at most so many videos would be taken on.
        passed_over: other files of the folders, by suffix."""
        every: list[Planned] = []
        table = _listing("Videos", "what would be done")
        for one in planned:
            every.append(one)
            if self._as_json:
                _line(event="video", **asdict(one))
            elif len(every) <= _LISTED:
                table.add_row(escape(one.video), escape(_what(one)))
        states = counts(every)
        to_do = sum(states.get(state, 0) for state in ("queued", "analyzed", "failed"))
        taken_on = to_do if limit is None else min(limit, to_do)
        if self._as_json:
            others = {"passed_over": dict(passed_over)} if passed_over else {}
            _line(event="plan", target=target, model_version=model_version, to_do=taken_on, **states, **others)
            return
        figures = _figures()
        for state, text in _STATES.items():
            if states.get(state):
                figures.add_row(text, str(states[state]))
        if taken_on < to_do:
            figures.add_row("taken on by this run (--limit)", str(taken_on))
        self._out.print(f"Plan for {target}, model {model_version}", soft_wrap=True, markup=False)
        if every:
            self._out.print(table)
        if len(every) > _LISTED:
            self._out.print(f"and {len(every) - _LISTED} more, which --json-progress lists.")
        self._out.print(figures if every else "No videos.")
        self._print_passed_over(passed_over)

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        self._bar.start()
        self._refresh()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.stop()

    def on_progress(self, finished: Finished) -> None:
        """Show one attempt at one video."""
        analysis = finished.analysis
        if analysis is not None:
            self._done += 1
            self._reps += len(analysis.reps)
            self._anomalous += sum(score.is_anomaly for score in analysis.scores)
        elif finished.is_last:
            self._failed += 1
        if self._as_json:
            found: dict[str, object] = {"event": "failed", "error": finished.error, "is_last": finished.is_last}
            if analysis is not None:
                anomalous = sum(score.is_anomaly for score in analysis.scores)
                found = {"event": "done", "reps": len(analysis.reps), "anomalous": anomalous}
            _line(**found, video=finished.source, task=finished.task, seconds=round(finished.seconds, 2))
            return
        if analysis is None and finished.is_last:
            reason = finished.error.removeprefix(f"{finished.source}: ")
            self._progress_console.print(
                f"[red]failed[/red] {escape(finished.source)}: {escape(reason)}", soft_wrap=True
            )
        self._refresh()

    def end(
        self,
        counts: dict[str, int],
        failed: Iterable[Entry],
        interrupted: bool,
        files: Path | None,
        root: Path | None = None,
        passed_over: Mapping[str, int] | None = None,
        copies: int | None = None,
        equal: int = 0,
    ) -> None:
        """The summary. counts: videos by state; failed: those given up, with their reasons; passed_over: other files of
        the folders, by suffix; copies: how many videos got one that browsers play, None where nobody wanted any;
        equal: how many of those that are done have the task of an equal file.

        files: where they were written to, with the videos as Label Studio serves them from `root`.
        """
        seconds = time.monotonic() - self._began
        left = sum(counts.values()) - counts.get("done", 0) - counts.get("failed", 0)
        if self._as_json:
            for entry in failed:
                _line(
                    event="given up",
                    video=shown_address(entry.source),
                    task=entry.task,
                    attempts=entry.failures,
                    **_why(entry),
                )
            summary = {"done": counts.get("done", 0), "failed": counts.get("failed", 0), "left": left}
            speed = {"seconds": round(seconds, 1), "videos_per_minute": round(self._per_minute(), 1)}
            others: dict[str, object] = {} if copies is None else {"copies": copies}
            others |= {"equal": equal} if equal else {}
            others |= {"passed_over": dict(passed_over)} if passed_over else {}
            found = {"reps": self._reps, "anomalous": self._anomalous}
            _line(event="end", interrupted=interrupted, **summary, **found, **speed, **others)
            return
        table = _figures()
        table.add_row("videos", str(sum(counts.values())))
        table.add_row("done", str(counts.get("done", 0)))
        if equal:
            table.add_row("of them with the task of an equal file", str(equal))
        pace = f", {60 * self._done / max(1e-3, seconds):.1f} per minute" if self._done else ""
        table.add_row("of them in this run", f"{self._done} in {_clock(seconds)}{pace}")
        table.add_row("repetitions found in this run", f"{self._reps}, {self._anomalous} anomalous")
        if copies is not None:
            table.add_row("given an H.264 copy in this run", str(copies))
        table.add_row("failed", f"[red]{counts['failed']}[/red]" if counts.get("failed") else "0")
        if left:
            table.add_row("left", str(left))
        self._out.print(table)
        self._print_passed_over(passed_over)
        self._print_failures(counts.get("failed", 0), failed)
        if files is not None:
            self._out.print(f"Written: {files}/tasks.json, reps.csv, failed.csv", soft_wrap=True, markup=False)
            if root is None and counts.get("done"):
                self._out.print(
                    "tasks.json has local videos as Label Studio serves them from /; for another folder, its "
                    "LOCAL_FILES_DOCUMENT_ROOT, repeat this with --local-files-root.",
                    soft_wrap=True,
                    markup=False,
                )
        if interrupted or left:
            self._out.print("The same command goes on with the rest.")
        if counts.get("failed"):
            self._out.print("--retry-failed tries again what was given up.")

    def _print_passed_over(self, passed_over: Mapping[str, int] | None) -> None:
        if passed_over:
            self._out.print(passed_over_files(passed_over), soft_wrap=True, markup=False)

    def _print_failures(self, count: int, failed: Iterable[Entry]) -> None:
        if not count:
            return
        table = _listing("Failed", "reason")
        for _, entry in zip(range(_LISTED), failed, strict=False):
            # Most reasons begin with the path, which has a column of its own.
            reason = entry.error_message.removeprefix(f"{shown_address(entry.source)}: ")
            table.add_row(escape(shown_address(entry.source)), escape(reason))
        self._out.print(table)
        if count > _LISTED:
            self._out.print(f"and {count - _LISTED} more, which --json-progress lists.")

    def _refresh(self) -> None:
        through = self._done + self._failed
        rate = self._per_minute()
        failed = f"[red]{self._failed} failed[/red]" if self._failed else "0 failed"
        left = _clock(60 * (self._total - through) / rate) + " left" if rate else "-:--:-- left"
        figures = f"{self._done} done · {failed} · {self._reps} reps · {rate:.1f} videos/min · {left}"
        self._bar.update(self._task, completed=through, total=self._total, figures=figures)
        if self._shows_lines and time.monotonic() >= self._line_at:
            self._line_at = time.monotonic() + _LINE_EVERY_S
            self._progress_console.print(f"{through}/{self._total} {figures}", soft_wrap=True)

    def _per_minute(self) -> float:
        return 60.0 * (self._done + self._failed) / max(1e-3, time.monotonic() - self._began)


def passed_over_files(counts: Mapping[str, int]) -> str:
    """Other files than videos, by suffix, the most frequent first: `passed over: 3 files (.txt 2, .jpg 1)`."""
    total = sum(counts.values())
    by_count = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    listed = ", ".join(f"{suffix or 'no suffix'} {count}" for suffix, count in by_count[:_LISTED_SUFFIXES])
    more = ", ..." if len(by_count) > _LISTED_SUFFIXES else ""
    return f"passed over: {counted(total, 'file')} ({listed}{more})"


def _what(one: Planned) -> str:
    if one.problem:
        return f"would fail: {one.problem}"
    task = f"same bytes as {one.same_as}" if one.same_as else _STATES.get(one.task, "")
    return f"{_STATES[one.state]}, {task}" if task else _STATES[one.state]


def _listing(title: str, about: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("video", overflow="fold")
    table.add_column(about, overflow="fold")
    return table


def _figures() -> Table:
    table = Table(show_header=False)
    table.add_column()
    table.add_column(justify="right")
    return table


def _why(entry: Entry) -> dict[str, str]:
    return {"error_type": entry.error_type, "error": entry.error_message}


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


def _line(**fields: object) -> None:
    print(json.dumps(fields), flush=True)
