"""The tables of `deadlift evaluate reps` on a terminal of 80 columns."""

from __future__ import annotations

from rich.console import Console

from backend.commands.evaluate_reps import _clip_table
from pipeline.evaluation.reps import ClipResult, ClipTruth
from pipeline.records import Rep


def test_clips_keep_their_names_within_80_columns() -> None:
    reps = (Rep(1.0, 1.5, 2.0), Rep(3.0, 3.5, 4.0))
    names = ("bichraix_bad007.mp4", "bichraix_bad014.mp4")
    console = Console(width=80)
    with console.capture() as shown:
        console.print(_clip_table([ClipResult(ClipTruth(name, reps), reps, 0.5) for name in names]))
    assert all(name in shown.get() for name in names)
    assert max(map(len, shown.get().splitlines())) <= 80
