"""`deadlift evaluate`: the commands that print figures of quality."""

from __future__ import annotations

import typer

from backend.commands.evaluate_anomaly import evaluate_anomaly
from backend.commands.evaluate_reps import evaluate_reps

app = typer.Typer(help="Figures of quality on labelled videos, beside trivial baselines.", no_args_is_help=True)
app.command("reps")(evaluate_reps)
app.command("anomaly")(evaluate_anomaly)
