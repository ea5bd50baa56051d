"""What the pages of models show: versions with verdicts, one with its figures and curves, and two side by side."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from backend.labels.corrections import Correction, report
from backend.labelstudio.file_names import file_name
from backend.models.figures import (
    Curve,
    Figure,
    Verdict,
    confirmed_words,
    curve,
    earlier_figures_of,
    figures_of,
    judged_words,
    learnt_words,
    verdict_in,
)
from backend.models.rates import RateInUse, in_words, measured, rate_in_use
from backend.models.registry import BASE, Json, Version
from backend.storage import summaries
from backend.storage.labels import Annotation, counting
from backend.storage.overview import media_of_tasks, tasks_with
from backend.web.dashboard.arguments import PAGE_SIZE, Window
from backend.web.dashboard.projects import Training, training
from backend.web.links import Links
from backend.web.services import Services
from pipeline.learning.rates import UnseenAtRate

_RUNS_SHOWN = 10


@dataclass(frozen=True)
class ModelLine:
    """A model of a project. name: "v0003". version: as predictions name it, at the project's rate of false alarms.
    normal, anomalous, videos: what people had labelled, None where not stored. learnt_from, judged_with: which normal
    repetitions of how many videos, and which anomalous ones, in words; "" where not stored."""

    name: str
    version: str
    created: str
    is_in_use: bool
    normal: int | None
    anomalous: int | None
    videos: int | None
    learnt_from: str
    judged_with: str
    compared_with: str
    verdict: Verdict


@dataclass(frozen=True)
class ModelsView:
    """The models of a project, the newest first, and its trainings. base: what projects start with. previous: the one
    that a roll-back would use, "" for none. rate: the nominal rate of false alarms of the model in use. total: of all
    pages."""

    project: int
    title: str
    url: str
    base: str
    in_use: str
    previous: str
    rate: RateInUse
    total: int
    page: int
    pages: int
    models: tuple[ModelLine, ...]
    trainings: tuple[Training, ...]


@dataclass(frozen=True)
class ModelView:
    """One model. earlier_figures: by the earlier labels, where new ones contradicted them. losses, held_out_losses: one
    for each epoch, and on videos that were held out; () where there are none. skipped: labelled videos that it could
    not learn from, in words. curve: of what it predicted before people labelled it, of videos that are not among its
    labels; None where they have not labelled both kinds. doubtful_tasks: tasks whose labels people should look at
    again. judged_at: the nominal rate of false alarms of the figures, None where not stored; rate: the one that it
    judges at in this project; rates: what it would do at several ones, and rates_words: how far that can be relied on.
    confirmed: what it flags of what people called anomalous, in words, "" where not stored."""

    project: int
    title: str
    line: ModelLine
    figures: tuple[Figure, ...]
    earlier_figures: tuple[Figure, ...]
    losses: tuple[float, ...]
    held_out_losses: tuple[float, ...]
    skipped: tuple[str, ...]
    doubtful_tasks: tuple[int, ...]
    seed: int | None
    label_digest: str
    curve: Curve | None
    judged_at: float | None
    rate: RateInUse
    rates: tuple[UnseenAtRate, ...]
    rates_words: str
    confirmed: str


@dataclass(frozen=True)
class LearntFrom:
    """How many repetitions of a task a model learnt from."""

    task: int
    url: str
    file: str
    annotator: int | None
    normal: int
    anomalous: int


def models_view(services: Services, links: Links, project: int, page: int) -> ModelsView:
    """The models of a project."""
    registry = services.registry
    history = registry.history(project)
    every = registry.versions(project)[::-1]
    window = Window(page, len(every))
    runs = services.trainer.runs.runs(project, limit=_RUNS_SHOWN)
    return ModelsView(
        project=project,
        title=links.title(project),
        url=links.project(project),
        base=registry.fallback.version,
        in_use=history[-1],
        previous=history[-2] if len(history) > 1 else "",
        rate=rate_in_use(registry, project),
        total=window.total,
        page=window.number,
        pages=window.pages,
        models=tuple(
            _line(services, project, one, history[-1]) for one in every[window.offset : window.offset + PAGE_SIZE]
        ),
        trainings=tuple(training(run) for run in runs),
    )


def model_view(services: Services, links: Links, project: int, name: str) -> ModelView:
    """One model of a project. Raises UnknownVersion."""
    return model_views(services, links, project, (name,))[0]


def model_views(services: Services, links: Links, project: int, names: Sequence[str]) -> list[ModelView]:
    """Several models of a project. Raises UnknownVersion."""
    versions = [_version(services, project, name) for name in names]
    summaries.refresh(services.store.engine)
    labels = services.store.labels.of_project(project)
    of_task = defaultdict[int, list[Annotation]](list)
    for annotation in labels.annotations:
        of_task[annotation.task].append(annotation)
    counted = {counting(annotations).id for annotations in of_task.values()}
    found = report(services.store.engine, labels).corrections
    corrections = [one for one in found if one.annotation in counted]
    return [_view(services, links, project, version, corrections) for version in versions]


def _version(services: Services, project: int, name: str) -> Version:
    """A model by its name; "base" has nothing stored of this project."""
    fallback = services.registry.fallback
    return Version(BASE, fallback, {}) if name == BASE else services.registry.version(project, name)


def _curve(run: Json, name: str) -> tuple[float, ...]:
    """One value for each epoch of a training; models of earlier releases have no losses, or none held out."""
    return tuple(float(point[name]) for point in run.get("losses") or () if name in point)


def _view(
    services: Services, links: Links, project: int, version: Version, corrections: Sequence[Correction]
) -> ModelView:
    run, labels = version.run, version.run.get("labels") or {}
    line = _line(services, project, version, services.registry.current_name(project))
    rate, rates = rate_in_use(services.registry, project, version.model), measured(version.gate)
    return ModelView(
        project=project,
        title=links.title(project),
        line=line,
        figures=figures_of(version.gate),
        earlier_figures=earlier_figures_of(version.gate),
        losses=_curve(run, "loss"),
        held_out_losses=_curve(run, "held_out"),
        skipped=tuple(map(str, labels.get("skipped") or ())),
        doubtful_tasks=tuple(map(int, version.gate.get("doubtful_tasks") or ())),
        seed=run.get("seed"),
        label_digest=str(run.get("label_digest") or ""),
        curve=_curve_of(services, version, [one for one in corrections if one.version == line.version]),
        judged_at=version.gate.get("rate"),
        rate=rate,
        rates=rates,
        rates_words=in_words(rates, rate.rate),
        confirmed=confirmed_words(run),
    )


def _curve_of(services: Services, version: Version, corrections: Sequence[Correction]) -> Curve | None:
    """False alarms against recall of a version's predictions that people began to label with, but for videos that it
    has learnt from or was judged with: somebody may have labelled them once more, beginning with what it says now."""
    scored = [one for one in corrections if one.score is not None and one.label]
    stored = _labels_of(version) if scored else []
    known = {int(one["task"]) for one in stored}
    digests = {str(one["media_digest"]) for one in stored if one.get("media_digest")}
    known |= tasks_with(services.store.engine, digests)
    return curve((one.score or 0.0, one.label == "anomalous") for one in scored if one.task not in known)


def _labels_of(version: Version) -> list[Json]:
    """The labels that a model learnt from and was judged with; [] where they are not stored."""
    folder = version.model.folder if version.name != BASE else None
    try:
        stored: list[Json] = json.loads((folder / "labels.json").read_text()) if folder is not None else []
    except (OSError, ValueError):
        return []
    return stored


def learnt_from(services: Services, links: Links, project: int, name: str) -> list[LearntFrom]:
    """The labels that a model learnt from, by task. Raises UnknownVersion."""
    of_task: dict[int, list[Json]] = {}
    for one in _labels_of(services.registry.version(project, name)):
        of_task.setdefault(int(one["task"]), []).append(one)
    media = media_of_tasks(services.store.engine, of_task)
    return [
        LearntFrom(
            task,
            links.task(project, task),
            file_name(media.get(task, "")) or f"task {task}",
            mine[0].get("annotator"),
            sum(one["label"] == "normal" for one in mine),
            sum(one["label"] == "anomalous" for one in mine),
        )
        for task, mine in sorted(of_task.items())
    ]


def _line(services: Services, project: int, version: Version, in_use: str) -> ModelLine:
    labels: dict[str, Any] = version.run.get("labels") or {}
    return ModelLine(
        name=version.name,
        version=services.registry.as_used(version.model, project).version,
        created=str(version.run.get("created", "")),
        is_in_use=version.name == in_use,
        normal=labels.get("normal"),
        anomalous=labels.get("anomalous"),
        videos=labels.get("videos"),
        learnt_from=learnt_words(version.run),
        judged_with=judged_words(version.run),
        compared_with=str(version.run.get("parent_name") or BASE),
        verdict=verdict_in(services.registry, project, version),
    )
