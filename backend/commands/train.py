"""`deadlift train`: a detector from labelled videos, drawn lifters or pictures, or a Label Studio project's model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from backend.commands.progress import progress_bar
from pipeline.config import Method
from pipeline.counts import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from backend.models.registry import Registry
    from backend.storage.runs import Run
    from backend.training.trainer import Trainer
    from pipeline.learning.training import TrainingProgress
    from pipeline.records import LabelledRep

MethodOrOriginal = Literal[Method, "original"]
"""The methods of `pipeline.anomaly.methods`, or the project that this one grew out of."""
Split = Literal["train", "val", "test"]


def train(
    out: Annotated[Path | None, typer.Option(help="Folder to write the model to.")] = None,
    project: Annotated[
        int | None, typer.Option(help="Train this Label Studio project's next model, from what people labelled in it.")
    ] = None,
    videos: Annotated[Path | None, typer.Option(help="Folder of the labelled videos.")] = None,
    groundtruth: Annotated[Path | None, typer.Option(help="JSON list of videos with reps and labels.")] = None,
    synthetic: Annotated[
        int, typer.Option(help="Learn a base model from this many drawn videos; labelled ones then only calibrate it.")
    ] = 0,
    from_: Annotated[
        Path | None, typer.Option("--from", help="Learn from a dataset that `deadlift export` wrote.")
    ] = None,
    split: Annotated[Split | None, typer.Option(help="Only this split of the dataset; all of it otherwise.")] = None,
    method: Annotated[
        MethodOrOriginal,
        typer.Option(
            help="`statistics` compares statistics of SkeleMotion images, `autoencoder` what a small autoencoder cannot"
            " explain in them, `both` both; `original` trains the original's autoencoder on --pictures."
        ),
    ] = "both",
    pictures: Annotated[
        Path | None, typer.Option(help="Folder of SkeleMotion PNGs of normal reps, for `original`.")
    ] = None,
    epochs: Annotated[int, typer.Option(help="Epochs of the original's recipe.")] = 500,
    poses: Annotated[
        Path | None, typer.Option(help="Folder where landmarks are kept; the server's own otherwise.")
    ] = None,
    name: Annotated[str, typer.Option(help="First part of the model's version.")] = "model",
    seed: Annotated[int, typer.Option(help="Equal input and seed give an equal model.")] = 0,
) -> None:
    """Train an anomaly detector and print what it was trained on."""
    from rich.console import Console

    from pipeline.errors import DatasetError

    if project is not None:
        if method != "both":
            raise DatasetError(
                "A project's model compares as the base model does: train a base with --synthetic and --method, and "
                "name its folder in MODEL_DIR."
            )
        _train_project(project)
        return
    if out is None:
        raise DatasetError("Nowhere to write the model to: give --out, or --project for a Label Studio project.")
    with progress_bar() as bar:
        task = bar.add_task("train", total=100.0)
        if method == "original":
            if pictures is None:
                raise DatasetError(
                    "Nothing to learn from: --method original needs --pictures, a folder of SkeleMotion PNGs."
                )
            count = _train_original(
                pictures, out, epochs, seed, lambda share: bar.update(task, completed=100.0 * share)
            )
            line = f"original: {count} pictures, {epochs} epochs, written to {out}"
        else:
            samples = (
                _exported(from_, split) if from_ is not None else _samples(videos, groundtruth, synthetic, poses, seed)
            )
            line = _train_detector(
                samples, out, method, synthetic > 0, name, seed, lambda now: bar.update(task, completed=now.percent)
            )
    Console().print(line, soft_wrap=True)


def _train_project(project: int) -> None:
    """Have the running server train, or do it here where there is none; shows progress until it is over."""
    from backend.settings import Settings
    from backend.storage.private import private

    with private(Settings().data_dir):
        _train_here_or_there(project)


def _train_here_or_there(project: int) -> None:
    from rich.console import Console

    from backend import logs
    from backend.commands.another_server import warn_of_another_server
    from backend.commands.known_project import pull_labels
    from backend.context import context_of
    from backend.datasets.rows import controls_of
    from backend.errors import BackendError
    from backend.settings import Settings
    from backend.storage.jobs import Store
    from backend.web.app import create_trainer

    settings = Settings()
    logs.set_up(log_format=settings.log_format)
    warn_of_another_server(settings)
    store = Store(settings.database_url)
    context = context_of(settings, store)
    pull_labels(settings, store, project, "learnt from")  # the run asks as well, but goes on with those of now
    controls_of(store, project)  # where nobody can be asked, a project that was never seen has no labels
    # A server notices what is promoted by itself.
    trainer = create_trainer(settings, context, lambda _: None, starts=True)
    try:
        run = _followed(trainer, trainer.request(project, "the command line"), settings.data_dir)
    finally:
        trainer.close()
        store.close()
    if run.state != "done":
        raise BackendError(f"Run {run.id} {run.state}. {run.message}")
    Console().print(run.message, soft_wrap=True)
    if run.version != context.registry.current_name(project) and _is_of_earlier_run(context.registry, run):
        asked = f"{run.version} --project {project}"
        has_passed = context.registry.version(project, run.version).gate.get("passed")
        why = "It passed, but another is in use." if has_passed else f"`deadlift models show {asked}` says why."
        Console().print(
            f"{why} `deadlift models promote {asked}` puts it in use.",
            soft_wrap=True,
        )


def _is_of_earlier_run(registry: Registry, run: Run) -> bool:
    """Whether a run has found the model that it would have made."""
    return bool(run.version) and not registry.version(run.project, run.version).is_of(run.id, run.created_at)


def _followed(trainer: Trainer, run: Run, data_dir: Path) -> Run:
    """The run as it is when it is over, its progress shown until then; where somebody stops that, what becomes of it
    is said."""
    import time

    from backend.storage.folder_locks import is_served

    try:
        with progress_bar() as bar:
            task = bar.add_task("waiting", total=100.0)
            while run.state in ("queued", "running"):
                bar.update(task, completed=run.percent, description=run.phase or "waiting")
                time.sleep(0.2)
                run = trainer.runs.run(run.id)
    except KeyboardInterrupt:
        where = "in the server" if is_served(data_dir) else "once a server or another training starts in this folder"
        typer.echo(
            f"Training {run.id} goes on {where}. `deadlift jobs` shows how far it is, `deadlift jobs cancel {run.id}` "
            "ends it.",
            err=True,
        )
        raise
    return run


def _samples(
    videos: Path | None, groundtruth: Path | None, synthetic: int, poses: Path | None, seed: int
) -> list[LabelledRep]:
    from backend.commands.landmarks import video_pose
    from pipeline.errors import DatasetError
    from pipeline.learning.samples import labelled_samples
    from pipeline.synthetic.samples import synthetic_samples

    samples = synthetic_samples(synthetic, seed)
    if videos is not None and groundtruth is not None:
        samples += labelled_samples(
            groundtruth, videos, lambda path: video_pose(path, poses), "calibration" if synthetic else "reference"
        )
    if not samples:
        raise DatasetError("Nothing to learn from: give --from, --videos with --groundtruth, or --synthetic.")
    return samples


def _exported(path: Path, split: Split | None) -> list[LabelledRep]:
    """The repetitions of an exported dataset, after a check that it is whole; says which labels they are."""
    from rich.console import Console

    from pipeline.datasets.reader import training_set
    from pipeline.datasets.verify import problems_of
    from pipeline.datasets.versions import version_at
    from pipeline.errors import DatasetError

    folder = version_at(path)
    problem = next(problems_of(folder), None)
    if problem is not None:
        raise DatasetError(f"{folder}: {problem}. `deadlift export --verify {folder}` says everything.")
    found = training_set(folder, split)
    if not found.samples:
        raise DatasetError(f"{folder}: nothing to learn from. Predict its videos and export again, for the landmarks.")
    left_out = f" ({found.left_out} more have no landmarks and are left out)" if found.left_out else ""
    line = f"{folder}: {counted(len(found.samples), 'repetition')}{left_out}, digest {found.digest}"
    Console().print(line, soft_wrap=True)
    return found.samples


def _train_detector(
    samples: list[LabelledRep],
    out: Path,
    method: Method,
    is_base: bool,
    name: str,
    seed: int,
    on_progress: Callable[[TrainingProgress], None],
) -> str:
    from pipeline.anomaly.detector import load_detector
    from pipeline.config import DetectorConfig, TrainConfig
    from pipeline.learning import training

    config = TrainConfig(detector=DetectorConfig(method=method))
    base = None if is_base else load_detector()
    detector, report = training.train(samples, config, seed, on_progress, base, name)
    detector.save(out, training.card(detector, report))
    learnt = f"{counted(report.normals, 'normal rep')} of {counted(report.videos, 'video')}"
    return f"{detector.version}: {learnt}, written to {out}"


def _train_original(pictures: Path, out: Path, epochs: int, seed: int, on_progress: Callable[[float], None]) -> int:
    from pipeline.original.model import network_input, train_original
    from pipeline.original.pictures import load_pictures

    files = load_pictures(pictures).files
    model = train_original(network_input(files, "nearest"), epochs, seed, lambda epoch, _: on_progress(epoch / epochs))
    model.save(out)
    return len(files)
