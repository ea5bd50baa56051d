"""`deadlift skelemotion`: one array and one picture of every repetition, for other people's networks and to view."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from backend.archives.sources import files
from backend.commands.chosen_model import OfFolder, OfProject, chosen_detector
from backend.commands.progress import video_bar
from backend.commands.sets import reps_or_why
from backend.errors import BackendError
from backend.settings import Settings, networks_dir
from pipeline.errors import PipelineError

if TYPE_CHECKING:
    from pipeline.anomaly.detector import Detector
    from pipeline.records import Pose, Rep

Kind = Literal["orientation", "magnitude", "tsrji", "original"]


def skelemotion(
    videos: Annotated[list[str], typer.Argument(help="Videos, or folders of them.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder for the arrays (.npy) and pictures (.png).")],
    kind: Annotated[Kind, typer.Option("--type", help="What to write.")] = "orientation",
    scales: Annotated[str, typer.Option(help="Temporal scales in seconds, separated by commas.")] = "0.33",
    heat: Annotated[
        bool, typer.Option("--heat", help="Show in pictures in OUT/heat what the model finds unusual, and where.")
    ] = False,
    poses: Annotated[Path | None, typer.Option(help="Folder where landmarks are kept.")] = None,
    project: OfProject = None,
    model: OfFolder = None,
) -> None:
    """Write NAME_rep_NUMBER_TYPE.npy and .png for every repetition, numbered from 1.

    A video that fails is named, the others go on; exit code 1 if any did.
    """
    from pipeline.analyze import landmarks_of
    from pipeline.pose.cache import PoseCache
    from pipeline.pose.estimator import open_estimator
    from pipeline.reps import find_reps
    from pipeline.reps.nothing import why_none

    distances = _seconds(scales)
    paths = [Path(source.media) for source in files(videos)]
    if not paths:
        raise BackendError(f"{', '.join(videos)}: no videos there.")
    names = _names(paths)
    settings = Settings()
    config = settings.pipeline_config()
    # The original counts frames: its picture needs all of them.
    sampling = replace(config.pose, poses_per_second=0.0) if kind == "original" else config.pose
    cache = PoseCache(poses or settings.pose_dir)
    console, errors = Console(soft_wrap=True, highlight=False), Console(stderr=True, soft_wrap=True, highlight=False)
    detector = chosen_detector(settings, project, model) if heat else None
    failed = written = 0
    with open_estimator(sampling, networks_dir()) as estimator, video_bar(errors, paths) as begin:
        for number, (path, name) in enumerate(zip(paths, names, strict=True)):
            try:
                estimator.reset()
                _, _, pose = landmarks_of(path, cache, sampling, estimator, begin(number, "estimating landmarks"))
            except PipelineError as error:
                failed += 1
                errors.print(f"deadlift: {error}", markup=False)
                continue
            reps = find_reps(pose, config.segment)
            try:
                _write(pose, reps, out, name, kind, distances)
                if detector is not None:
                    _write_heat(detector, pose, reps, out / "heat", name)
            except OSError as error:
                raise BackendError(f"{out} cannot be written ({error.strerror or error}).") from error
            written += len(reps)
            why = "" if reps else why_none(pose, config.segment)
            console.print(f"{path}: {reps_or_why(len(reps), why)}", markup=False)
    if written:
        console.print(f"Written: {out}, an array and a picture of each", markup=False)
    if failed:
        raise typer.Exit(1)


def _names(paths: list[Path]) -> list[str]:
    """What the results of each video are called: its own name, with its folder's where two have the same."""
    stems = Counter(path.stem for path in paths)
    names = [path.stem if stems[path.stem] == 1 else f"{path.parent.name}_{path.stem}" for path in paths]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise BackendError(
            f"Several of the videos are called {twice[0]}. Give them in different calls, with other --out."
        )
    return names


def _seconds(text: str) -> tuple[float, ...]:
    try:
        scales = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise typer.BadParameter(f"Expected seconds separated by commas, got {text}.") from error
    if not all(math.isfinite(scale) and scale > 0 for scale in scales):
        raise typer.BadParameter(f"Expected positive seconds, got {text}.")
    return scales


def _write(pose: Pose, reps: tuple[Rep, ...], out: Path, name: str, kind: Kind, scales: tuple[float, ...]) -> None:
    import numpy as np

    from pipeline.config import EncodeConfig
    from pipeline.files import written_aside
    from pipeline.visuals.pictures import save_picture
    from pipeline.visuals.representations import representation

    out.mkdir(parents=True, exist_ok=True)
    for number, rep in enumerate(reps, start=1):
        array, picture = representation(pose, rep, kind, scales, EncodeConfig())
        with written_aside(out / f"{name}_rep_{number}_{kind}.npy") as aside:
            np.save(aside, array)
        save_picture(picture, out / f"{name}_rep_{number}_{kind}.png")


def _write_heat(detector: Detector, pose: Pose, reps: tuple[Rep, ...], out: Path, name: str) -> None:
    from pipeline.skelemotion import encode
    from pipeline.visuals.pictures import save_heat

    out.mkdir(parents=True, exist_ok=True)
    encoded = [encode(pose, rep, detector.config.encode) for rep in reps]
    scores, heats = detector.score(pose, reps, encoded=encoded), detector.heat_maps(pose, reps)
    for number, (one, score, heat) in enumerate(zip(encoded, scores, heats, strict=True), start=1):
        title = f"{name}, repetition {number} of {len(reps)}"
        save_heat(one.image, heat, score, title, out / f"{name}_rep_{number}_heat.png")
