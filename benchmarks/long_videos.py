"""Repetitions in long recordings written as real video files and taken through the whole pipeline.

    python benchmarks/long_videos.py --groundtruth FILE --videos DIR --folder DIR [--recordings 2] [--minutes 5]

What `long_recordings.py` composes as landmarks is composed as pictures here, in a few files: clips of lifts and of
other things, mirrored or not, larger or smaller in the picture, at normal speed or in slow motion; empty rooms, black
and grey pictures; a drawn person who walks in, bends and does not lift; joined by cuts, or by cross-fades of half a
second. The files, H.264 at 24 frames per second, and their landmarks stay in --folder.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from rep_figures import COLUMNS, cells
from rich.console import Console
from rich.table import Table

from pipeline import synthetic
from pipeline.analyze import landmarks_of
from pipeline.config import PoseConfig, SegmentConfig
from pipeline.evaluation.reps import ClipResult, ClipTruth, evaluate_reps, load_groundtruth
from pipeline.media import reading
from pipeline.pose.cache import PoseCache
from pipeline.records import Rep
from pipeline.reps import segment
from pipeline.synthetic.drawing import draw

Picture = NDArray[np.uint8]

_FPS = 24
_SIZE = (854, 480)
_FADE = _FPS // 2
_FADED = 0.3


@dataclass(frozen=True)
class Stretch:
    """A part of a recording: its pictures at _FPS, and its truth in its own time."""

    pictures: list[Picture]
    truth: ClipTruth


def of_clip(path: Path, truth: ClipTruth, rng: np.random.Generator) -> Stretch:
    """The clip at another pace, size and place, mirrored or not."""
    pace = float(rng.choice([1.0, 1.0, 1.0, 0.85, 1.5, 2.0]))
    size, is_mirrored = float(rng.uniform(0.5, 1.0)), rng.random() < 0.5
    corner = rng.random(2)
    times, pictures = [], []
    for time_s, picture in reading.frames(path, _FPS, max(_SIZE)):
        times.append(time_s * pace)
        placed = _placed(picture, size, corner)
        pictures.append(np.ascontiguousarray(placed[:, ::-1]) if is_mirrored else placed)
    shown = np.searchsorted(times, np.arange(0.0, times[-1], 1 / _FPS), side="right") - 1
    reps = tuple(Rep(rep.start_s * pace, rep.top_s * pace, rep.end_s * pace) for rep in truth.reps)
    partial = tuple((begin * pace, min(end * pace, times[-1])) for begin, end in truth.partial)
    stretch = [pictures[max(0, index)] for index in shown]
    return Stretch(stretch, replace(truth, reps=reps, partial=partial))


def of_nobody(rng: np.random.Generator) -> Stretch:
    """Black, or grey with the noise of a camera."""
    count = round(_FPS * float(rng.uniform(3.0, 25.0)))
    level, noise = float(rng.choice([0.0, 60.0, 140.0])), rng.normal(0.0, 6.0, (_SIZE[1], _SIZE[0], 3))
    pictures = [
        np.clip(level + np.roll(noise, 7 * index, axis=1) * (level > 0), 0, 255).astype(np.uint8)
        for index in range(min(count, 12))
    ]
    return Stretch([pictures[index % 12] for index in range(count)], ClipTruth("nobody", (), is_deadlift=False))


def of_idle_person(rng: np.random.Generator) -> Stretch:
    """A drawn person walks in, waits, raises a hand, bends down and up, and does not lift."""
    plan = replace(
        synthetic.random_plan(rng, most_reps=1),
        cuts=(),
        width=_SIZE[0],
        height=_SIZE[1],
        walk_in_s=3.0,
        stand_before_s=float(rng.uniform(1.0, 6.0)),
        hand_raise_s=float(rng.choice([0.0, 2.5])),
        unloaded_bends=int(rng.integers(0, 3)),
        setup_s=1.5,
    )
    until = synthetic.timeline_of(plan).setups[0][0]
    pictures = list(draw(plan, np.arange(0.0, until, 1 / _FPS)))
    return Stretch(pictures, ClipTruth("idle person", (), is_deadlift=False))


def _placed(picture: Picture, size: float, corner: NDArray[np.float64]) -> Picture:
    height, width = picture.shape[:2]
    scale = size * min(_SIZE[0] / width, _SIZE[1] / height)
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    canvas = np.zeros((_SIZE[1], _SIZE[0], 3), np.uint8)
    top, left = (
        int(share * (whole - part)) for share, whole, part in zip(corner, canvas.shape, small.shape, strict=False)
    )
    canvas[top : top + small.shape[0], left : left + small.shape[1]] = small
    return canvas


def stretches(truths: tuple[ClipTruth, ...], videos: Path, rng: np.random.Generator) -> Iterator[Stretch]:
    while True:
        kind = rng.random()
        if kind < 0.7:
            truth = truths[int(rng.integers(len(truths)))]
            yield of_clip(videos / truth.name, truth, rng)
        elif kind < 0.85:
            yield of_nobody(rng)
        else:
            yield of_idle_person(rng)


def write(
    path: Path, parts: Iterator[Stretch], seconds: float, rng: np.random.Generator
) -> tuple[ClipTruth, list[tuple[float, float]]]:
    """Write stretches until they last so long; the truth of the recording, and the spans of those without a lift."""
    shown = 0
    last: Picture | None = None
    reps: list[Rep] = []
    partial: list[tuple[float, float]] = []
    idle: list[tuple[float, float]] = []
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=_FPS)
        stream.width, stream.height, stream.pix_fmt = *_SIZE, "yuv420p"
        stream.options = {"preset": "veryfast", "crf": "22"}
        while shown < seconds * _FPS:
            part = next(parts)
            begin = shown / _FPS
            fade = _FADE if last is not None and rng.random() < _FADED else 0
            for index, picture in enumerate(part.pictures):
                share = (index + 1) / (fade + 1) if last is not None and index < fade else 1.0
                before = picture if last is None else last
                mixed = cv2.addWeighted(before, 1 - share, picture, share, 0.0).astype(np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(mixed, format="rgb24")))
                shown += 1
            last = part.pictures[-1]
            reps += [Rep(r.start_s + begin, r.top_s + begin, r.end_s + begin) for r in part.truth.reps]
            partial += [(a + begin, b + begin) for a, b in part.truth.partial]
            if not part.truth.is_deadlift:
                idle.append((begin, shown / _FPS))
        container.mux(stream.encode())
    return ClipTruth(path.name, tuple(reps), tuple(partial)), idle


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groundtruth", type=Path, required=True)
    parser.add_argument("--videos", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True, help="where the recordings and their landmarks are kept")
    parser.add_argument("--recordings", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    truths = load_groundtruth(arguments.groundtruth)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    config = SegmentConfig()
    table = Table("recording", "minutes", "shots", *COLUMNS, "false in idle")
    results: list[ClipResult] = []
    for number in range(arguments.recordings):
        rng = np.random.default_rng([arguments.seed, number])
        path = arguments.folder / f"recording-{arguments.seed}-{number}.mp4"
        truth, idle = write(path, stretches(truths, arguments.videos, rng), 60.0 * arguments.minutes, rng)
        info, _, pose = landmarks_of(path, PoseCache(arguments.folder), PoseConfig())
        found = segment(pose, config)
        results.append(ClipResult(truth, found.reps, found.confidence))
        false = sum(any(begin <= rep.top_s <= end for begin, end in idle) for rep in found.reps)
        shots = str(int(pose.shot[-1]) + 1)
        table.add_row(path.name, f"{info.duration_s / 60:.1f}", shots, *cells(evaluate_reps([results[-1]])), str(false))
    table.add_row("all", "", "", *cells(evaluate_reps(results)), "")
    Console().print(table)


if __name__ == "__main__":
    main()
