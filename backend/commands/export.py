"""`deadlift export`: a project's labels as a dataset, in numbered versions that never change; and checking them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from backend.commands.progress import progress_bar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backend.datasets.export import Exported, ExportRequest

_Name = TypeVar("_Name", bound=str)
_DAY = "2026-01-31"
_SHOWN = 5


def export(
    project: Annotated[int | None, typer.Option(help="The Label Studio project to export.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder that gets the next version: OUT/v0001, OUT/v0002...")] = None,
    verify: Annotated[
        Path | None, typer.Option(help="Check an exported dataset instead: one version, or all below a folder.")
    ] = None,
    label: Annotated[str, typer.Option(help="Only these labels: normal, anomalous.")] = "",
    annotator: Annotated[
        str, typer.Option(help="Only of these users: ids, names or e-mail addresses, separated by commas.")
    ] = "",
    origin: Annotated[
        str,
        typer.Option(
            help="Only untouched (as the model proposed, to 0.1 s), changed (by a person) or manual (drawn by one)."
        ),
    ] = "",
    agreement: Annotated[
        float | None, typer.Option(min=0, max=1, help="Only where this share of the other annotators drew the same.")
    ] = None,
    min_confidence: Annotated[
        float | None, typer.Option(min=0, max=1, help="Only of proposals that were this sure (0..1).")
    ] = None,
    date: Annotated[
        str, typer.Option(help=f"Only labelled then: a day ({_DAY}, UTC), or FROM..TO, either end open.")
    ] = "",
    ground_truth: Annotated[bool, typer.Option("--ground-truth", help="Only ground truth annotations.")] = False,
    lifter_key: Annotated[str, typer.Option(help="Task data that names the lifter, for the split.")] = "lifter",
    labels_only: Annotated[
        bool, typer.Option("--labels-only", help="Manifest, table and Label Studio JSON; nothing from landmarks.")
    ] = False,
    clips: Annotated[bool, typer.Option("--clips", help="Fetch the videos and cut out every repetition.")] = False,
    frames: Annotated[
        bool, typer.Option("--frames", help="Fetch the videos and write the picture of every pose, for COCO's readers.")
    ] = False,
) -> None:
    """Write a project's labelled repetitions as an immutable, numbered dataset; equal content is not written twice."""
    from backend.datasets.export import ExportRequest
    from backend.errors import BackendError
    from pipeline.datasets.filters import Filters
    from pipeline.datasets.rows import LABELS, ORIGINS

    if verify is not None:
        _verify(verify)
        return
    if project is None or out is None:
        raise BackendError("Expected --project and --out to export, or --verify to check a dataset.")
    since, until = _dates(date)
    filters = Filters(
        ground_truth=ground_truth,
        since=since,
        until=until,
        labels=_named(label, LABELS),
        origins=_named(origin, ORIGINS),
        agreement=agreement,
        min_confidence=min_confidence,
    )
    request = ExportRequest(project, out, filters, lifter_key, labels_only, clips, frames)
    _report(_export(request, _parts(annotator)))


def _export(request: ExportRequest, annotators: Sequence[str]) -> Exported:
    """annotators: only of those, as people call them."""
    from contextlib import closing
    from dataclasses import replace

    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

    from backend.commands.another_server import warn_of_another_server
    from backend.commands.known_project import pull_labels
    from backend.context import access_of, with_known_names
    from backend.datasets.annotators import annotators_called
    from backend.datasets.export import export as run_export
    from backend.labelstudio.client import LabelStudioClient
    from backend.settings import Settings
    from backend.storage.jobs import Store

    settings = Settings()
    warn_of_another_server(settings)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with closing(Store(settings.database_url)) as store:
        pull_labels(settings, store, request.project, "exported")
        client = LabelStudioClient(access_of(settings))
        chosen = annotators_called(annotators, store, client, request.project)
        if chosen and not all(one.isdecimal() for one in annotators):  # what is written has their numbers alone
            users = f"user{'s' * (len(chosen) != 1)} {', '.join(map(str, chosen))}"
            print(f"--annotator {', '.join(annotators)}: {users}")
        request = replace(request, filters=replace(request.filters, annotators=chosen))
        with progress_bar(*columns) as bar:
            task = bar.add_task("videos", total=None)
            return run_export(
                request,
                store,
                settings.pipeline_config(),
                settings.pose_dir,
                with_known_names(access_of(settings), store),
                lambda done, total: bar.update(task, completed=done, total=total),
            )


def _report(done: Exported) -> None:
    from backend.datasets.export import unused_lines
    from pipeline.counts import counted

    lines = [
        f"{counted(done.reps, 'repetition')} of {counted(done.videos, 'video')}, digest {done.digest}",
        *done.funnel,
        *unused_lines(done.unused),
    ]
    if done.repeated:
        lines.append(
            f"{counted(done.repeated, 'task')} left out: another task has the same video, with labels that count more"
        )
    if done.clips:
        lines.append(f"clips: {done.clips}")
    if done.missing_count:
        lines.append(f"{counted(done.missing_count, 'thing')} could not be had, as missing.csv says:")
        lines += [f"  {what}: {why}" for what, why in done.missing[:_SHOWN]]
        if done.missing_count > _SHOWN:
            lines.append(f"  and {done.missing_count - _SHOWN} more")
    if done.stored.is_new:
        lines.append(f"written to {done.stored.folder}")
    else:
        lines.append(f"nothing new: {done.stored.folder} has exactly this content")
    print("\n".join(lines))


def _verify(path: Path) -> None:
    """Say what is wrong with a version or all of them; exit code 1 if anything is."""
    import sys

    from pipeline.datasets.reader import digest_of
    from pipeline.datasets.verify import problems_of
    from pipeline.datasets.versions import is_version, version_at, versions, versions_below
    from pipeline.errors import DatasetError

    wrong = 0
    below = [] if is_version(path) else [*versions(path), *versions_below(path)]
    for folder in dict.fromkeys(below) or [version_at(path)]:
        count = 0
        try:
            for problem in problems_of(folder):
                print(f"{folder}: {problem}", file=sys.stderr)
                count += 1
            if not count:
                print(f"{folder}: whole, digest {digest_of(folder)}")
        except DatasetError as error:  # the other versions are looked at all the same
            print(error, file=sys.stderr)
            count += 1
        wrong += count
    if wrong:
        raise typer.Exit(1)


def _dates(text: str) -> tuple[str, str]:
    """Since and until, of "DAY", "DAY..", "..DAY" or "DAY..DAY"."""
    import datetime

    if not text:
        return "", ""
    first, dots, last = text.partition("..")
    try:
        since, until = (datetime.date.fromisoformat(one).isoformat() if one else "" for one in (first, last))
    except ValueError as error:
        raise typer.BadParameter(f"Expected a day as in {_DAY}, or FROM..TO, got {text}.") from error
    if not (since or until) or (until and since > until):
        raise typer.BadParameter(f"Expected FROM..TO with FROM before TO, one of them left out if open, got {text}.")
    return since, until if dots else since


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _named(text: str, allowed: Sequence[_Name]) -> tuple[_Name, ...]:
    """The names in a comma-separated list, as those that are allowed."""
    known: dict[str, _Name] = {name: name for name in allowed}
    for part in _parts(text):
        if part not in allowed:
            raise typer.BadParameter(f"Expected {' or '.join(allowed)}, got {part}.")
    return tuple(known[part] for part in _parts(text))
