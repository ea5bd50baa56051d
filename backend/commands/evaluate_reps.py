"""`deadlift evaluate reps`: the cut of repetitions against a ground truth, beside trivial baselines."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pipeline.evaluation.reps import ClipResult, ClipTruth, Scores


def evaluate_reps(
    groundtruth: Annotated[Path, typer.Option(help="JSON list of clips with their repetitions.")],
    videos: Annotated[Path, typer.Option(help="Folder of the video files that it names.")],
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here as well.")] = None,
    poses_per_second: Annotated[float, typer.Option(help="Sampling of the poses; 0 takes every frame.")] = 10.0,
    cache: Annotated[
        Path | None, typer.Option(help="Folder where landmarks are kept; the server's own otherwise.")
    ] = None,
) -> None:
    """How repetitions are cut: F1 and mAP by temporal overlap, boundary and count errors, per clip and pooled."""
    import json

    from rich.console import Console
    from rich.progress import track

    from backend.commands.landmarks import video_pose
    from pipeline.config import SegmentConfig
    from pipeline.evaluation.reps import ClipResult, evaluate_reps, hysteresis_reps, load_groundtruth
    from pipeline.reps import segment

    config = SegmentConfig()
    console = Console()
    results: dict[str, list[ClipResult]] = {_OURS: [], "hysteresis on shoulders": [], "hysteresis on wrists": []}
    for truth in track(load_groundtruth(groundtruth), "finding joints", console=Console(stderr=True), transient=True):
        pose = video_pose(videos / truth.name, cache, poses_per_second)
        found = segment(pose, config)
        results[_OURS].append(ClipResult(truth, found.reps, found.confidence))
        for name, joint in (("hysteresis on shoulders", "shoulder"), ("hysteresis on wrists", "wrist")):
            results[name].append(ClipResult(truth, hysteresis_reps(pose, joint), 1.0))
    console.print(_clip_table(results[_OURS]))
    pooled = {name: evaluate_reps(rows) for name, rows in results.items()}
    console.print(_pooled_table(pooled))
    if json_file is not None:
        clips = {
            row.truth.name: _figures(evaluate_reps([row])) | {"confidence": row.confidence} for row in results[_OURS]
        }
        figures = {"pooled": {name: _figures(scores) for name, scores in pooled.items()}, "clips": clips}
        json_file.write_text(json.dumps(figures, indent=1))


_OURS = "find_reps"


def _clip_table(rows: list[ClipResult]) -> Any:
    from rich import box
    from rich.table import Table

    from pipeline.evaluation.reps import counted, evaluate_reps

    # Within 80 columns, and names of clips are told apart by their ends.
    table = Table(title="Repetitions per clip", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("clip", overflow="fold", min_width=20)
    for column in ("true", "found", "F1\n@.5", "F1\n@.75", "start\nms", "top\nms", "end\nms", "confi-\ndence"):
        table.add_column(column, justify="right")
    for row in rows:
        scores = evaluate_reps([row])
        table.add_row(
            _clip_name(row.truth),
            str(len(row.truth.reps)),
            str(len(counted(row))),
            f"{scores.f1[0.5]:.2f}",
            f"{scores.f1[0.75]:.2f}",
            *(_ms(value) for value in scores.mae_ms()),
            f"{row.confidence:.2f}",
        )
    return table


def _pooled_table(pooled: dict[str, Scores]) -> Any:
    from rich import box
    from rich.table import Table

    table = Table("all clips", *pooled, title="Pooled", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    rows = {name: _rows(scores) for name, scores in pooled.items()}
    for label in rows[_OURS]:
        table.add_row(label, *(column[label] for column in rows.values()))
    return table


def _rows(scores: Scores) -> dict[str, str]:
    start, top, end = scores.mae_ms()
    return {
        **{f"F1 at tIoU {level}": f"{value:.3f}" for level, value in scores.f1.items()},
        "mAP at tIoU .5:.05:.95": f"{scores.map:.3f}",
        "start / top / end MAE (ms)": f"{_ms(start)} / {_ms(top)} / {_ms(end)}",
        "clips counted exactly": f"{scores.exact_counts} of {scores.clips}",
        "count MAE / off by one": f"{scores.count_mae:.2f} / {scores.off_by_one:.2f}",
        "repetitions found / true": f"{scores.found_reps} / {scores.true_reps}",
        "false repetitions on negatives": str(scores.false_on_negatives),
    }


def _figures(scores: Scores) -> dict[str, Any]:
    start, top, end = (None if math.isnan(value) else value for value in scores.mae_ms())
    return {
        "f1": {str(level): value for level, value in scores.f1.items()},
        "map": scores.map,
        "mae_ms": {"start": start, "top": top, "end": end},
        "clips": scores.clips,
        "exact_counts": scores.exact_counts,
        "count_mae": scores.count_mae,
        "off_by_one": scores.off_by_one,
        "false_on_negatives": scores.false_on_negatives,
        "true_reps": scores.true_reps,
        "found_reps": scores.found_reps,
    }


def _clip_name(truth: ClipTruth) -> str:
    return truth.name + ("" if truth.is_deadlift else " (negative)") + (" (uncertain)" if truth.uncertain else "")


def _ms(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.0f}"
