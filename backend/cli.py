"""The command line `deadlift`: puts the commands together, and turns errors into one line each."""

from __future__ import annotations

import sys

import typer
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from backend.commands import (
    demo,
    doctor,
    evaluate_anomaly,
    evaluate_reps,
    export,
    jobs,
    models,
    predict,
    prelabel,
    render,
    sampling,
    serve,
    skelemotion,
    train,
)
from backend.errors import BackendError
from pipeline.errors import PipelineError

app = typer.Typer(
    help="Repetitions and anomaly scores for deadlift videos, as a Label Studio ML backend and on the command line.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("demo")(demo.demo)
app.command("serve")(serve.serve)
app.command("predict")(predict.predict)
app.command("prelabel")(prelabel.prelabel)
app.command("render")(render.render)
app.command("doctor")(doctor.doctor)
app.command("train")(train.train)
app.command("export")(export.export)
app.command("skelemotion")(skelemotion.skelemotion)
app.command("sampling")(sampling.sampling)
app.add_typer(models.app, name="models")
app.add_typer(jobs.app, name="jobs")
evaluate = typer.Typer(help="Figures of quality on labelled videos, beside trivial baselines.", no_args_is_help=True)
evaluate.command("reps")(evaluate_reps.evaluate_reps)
evaluate.command("anomaly")(evaluate_anomaly.evaluate_anomaly)
app.add_typer(evaluate, name="evaluate")


def main() -> None:
    """The entry point: exit code 1 and one line on stderr for every error that we know."""
    try:
        app()
    except (PipelineError, BackendError) as error:
        sys.exit(f"deadlift: {error}")
    except ValidationError as error:
        sys.exit("\n".join(f"deadlift: {_setting(found)}" for found in error.errors()))


def _setting(found: ErrorDetails) -> str:
    name = ".".join(map(str, found["loc"])).upper()
    problem = found["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    expected = problem if problem.startswith("expected") else f"expected {problem}"
    return f"{name}: {expected}. Change it in the environment, or in .env."
