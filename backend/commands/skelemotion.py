"""`deadlift skelemotion`: one array and one picture of every repetition, for other people's networks and for eyes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

Kind = Literal["orientation", "magnitude", "tsrji", "seed"]
_SUFFIXES = (".mp4", ".mov", ".mkv", ".avi", ".webm", ".m4v")


def skelemotion(
    videos: Annotated[list[Path], typer.Argument(help="Videos, or folders of them.")],
    out: Annotated[Path, typer.Option(help="Folder for the arrays (.npy) and pictures (.png).")],
    kind: Annotated[Kind, typer.Option("--type", help="What to write.")] = "orientation",
    scales: Annotated[str, typer.Option(help="Temporal scales in seconds, separated by commas.")] = "0.33",
    poses: Annotated[Path | None, typer.Option(help="Folder where landmarks are kept.")] = None,
) -> None:
    """Write VIDEO_rep_NUMBER_TYPE.npy and .png for every repetition; a video that fails is named, the others go on."""
    import sys

    from pipeline.errors import PipelineError

    out.mkdir(parents=True, exist_ok=True)
    failed = 0
    for video in _files(videos):
        try:
            count = _write(video, out, kind, _seconds(scales), poses)
        except PipelineError as error:
            failed += 1
            print(f"deadlift: {error}", file=sys.stderr)
            continue
        print(f"{video}: {count} repetitions")
    if failed:
        raise typer.Exit(1)


def _files(paths: list[Path]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        found = sorted(file for file in path.iterdir() if file.suffix.lower() in _SUFFIXES) if path.is_dir() else [path]
        files += found
    return files


def _seconds(text: str) -> tuple[float, ...]:
    try:
        scales = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise typer.BadParameter(f"Expected seconds separated by commas, got {text}.") from error
    if min(scales) <= 0:
        raise typer.BadParameter(f"Expected positive seconds, got {text}.")
    return scales


def _write(video: Path, out: Path, kind: Kind, scales: tuple[float, ...], poses: Path | None) -> int:
    import cv2
    import numpy as np

    from backend.commands.train import cached_pose
    from pipeline.config import EncodeConfig, SegmentConfig
    from pipeline.segment import find_reps
    from pipeline.skelemotion_pictures import representation

    # The original counts frames: its picture needs all of them.
    pose = cached_pose(video, poses, 0.0 if kind == "seed" else None)
    reps = find_reps(pose, SegmentConfig())
    for number, rep in enumerate(reps):
        array, picture = representation(pose, rep, kind, scales, EncodeConfig())
        target = out / f"{video.stem}_rep_{number}_{kind}"
        np.save(target.with_suffix(".npy"), array)
        cv2.imwrite(str(target.with_suffix(".png")), picture[..., ::-1])
    return len(reps)
