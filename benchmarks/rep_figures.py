"""Figures of found repetitions as cells of a table, the same in every benchmark of repetitions."""

from __future__ import annotations

from pipeline.evaluation.reps import Scores

COLUMNS = ("true", "found", "F1@.5", "F1@.75", "MAE ms (start / top / end)")


def cells(scores: Scores) -> list[str]:
    """One cell for each of COLUMNS."""
    return [
        str(scores.true_reps),
        str(scores.found_reps),
        f"{scores.f1[0.5]:.3f}",
        f"{scores.f1[0.75]:.3f}",
        " / ".join(f"{value:.0f}" for value in scores.mae_ms()),
    ]
