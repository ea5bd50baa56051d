"""`deadlift report`: a printable page about each set, for a coach or the lifter."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backend.commands.chosen_model import OfFolder, OfProject
from backend.commands.sets import Sets, targets_in, writing
from backend.errors import BackendError

if TYPE_CHECKING:
    from pipeline.records import Analysis
    from pipeline.visuals.set_report import SetReport


def report(
    videos: Annotated[
        list[Path], typer.Argument(help="Video files, each a set, in the order of the sets.", show_default=False)
    ],
    out: Annotated[
        Path,
        typer.Option(help="Folder for NAME-report.html and NAME-report.json of each; or of one set the file, .html."),
    ] = Path(),
    lifter: Annotated[str, typer.Option(help="Whose sets these are; it heads the pages.", show_default=False)] = "",
    earlier: Annotated[
        list[Path] | None,
        typer.Option(help="NAME-report.json of an earlier set to compare with; may be repeated.", show_default=False),
    ] = None,
    project: OfProject = None,
    model: OfFolder = None,
) -> None:
    """Write a printable page about each set, beside those before it. Exit code 1 if any video failed."""
    from pipeline.files import written_aside
    from pipeline.visuals.set_report import page, report_of

    reports = [_read(file, lifter) for file in earlier or ()]
    targets = targets_in(out, [f"{path.stem}-report.html" for path in videos], [*videos, *(earlier or ())], ".json")

    def write(number: int, target: Path) -> Analysis:
        pose, analysis = sets.found_in(number)
        found, paths, speeds = report_of(pose, analysis, videos[number].name, lifter)
        texts = {target: page(found, paths, speeds, reports), target.with_suffix(".json"): _as_json(found)}
        for file, text in texts.items():
            with writing(file), written_aside(file) as aside:
                aside.write_text(text, encoding="utf-8")
        reports.append(found)
        return analysis

    with Sets(videos, project, model) as sets:
        sets.write_each(targets, write)


def _as_json(found: SetReport) -> str:
    return json.dumps(asdict(found), indent=2, ensure_ascii=False) + "\n"


def _read(file: Path, lifter: str) -> SetReport:
    """The set that an earlier call wrote. Raises BackendError where it is none, or of somebody else."""
    from pydantic import TypeAdapter, ValidationError

    from pipeline.visuals.set_report import FORMAT, SetReport

    remedy = "Name the NAME-report.json that `deadlift report` wrote beside an earlier page."
    try:
        found = TypeAdapter(SetReport).validate_json(file.read_bytes())
    except OSError as error:
        raise BackendError(f"{file} cannot be read ({error.strerror}). {remedy}") from error
    except ValidationError as error:
        raise BackendError(f"{file} is no report of a set. {remedy}") from error
    if found.format > FORMAT:
        raise BackendError(f"{file} is of a later release (format {found.format}). Update this one, or leave it out.")
    if lifter and found.lifter and found.lifter != lifter:
        raise BackendError(f"{file} is of {found.lifter}, not of {lifter}. Leave it out, or correct --lifter.")
    return found
