"""What the page of projects shows: per project what runs, waits and failed, the model in use, and what a training waits
for; and what keeps all of it from working: set-ups that were refused, a damaged model, a Label Studio that is away."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from backend.errors import LabelConfigError
from backend.labelstudio.file_names import file_name
from backend.labelstudio.labeling_config import parse_controls
from backend.models.figures import VERDICTS, verdict_in
from backend.models.registry import BASE, Registry
from backend.predictions.retries import PASSING
from backend.storage import overview, setups, summaries
from backend.storage.database import iso
from backend.storage.failed_files import failed_files
from backend.storage.jobs import Store
from backend.storage.runs import Run
from backend.storage.video_filter import InUse, VideoFilter
from backend.web.dashboard import words
from backend.web.links import Links
from backend.web.services import Services

_NOT_OFFERED = {
    "no-repetitions": VideoFilter(issue="no-repetitions"),
    "unreadable": VideoFilter(issue="unreadable"),
    "codec": VideoFilter(issue="codec"),
    "copies": VideoFilter(copy_of_labelled=True),
}
"""Analyzed videos of this kind are not offered to be labelled next."""


@dataclass(frozen=True)
class Training:
    """A training run. percent: 0..100 of it that is done. seconds_left: a guess, None where there is none. phase,
    state: in words; state_name: as programs know it."""

    id: int
    project: int
    state_name: str
    state: str
    reason: str
    phase: str
    percent: float
    epoch: int
    loss: float | None
    seconds_left: int | None
    version: str
    message: str
    updated_at: str

    @property
    def is_open(self) -> bool:
        return self.state_name in ("queued", "running")

    @property
    def may_be_ended(self) -> bool:
        """Whether it goes on or waits, and nobody has ended it yet."""
        return self.is_open and self.state != words.ENDING


@dataclass(frozen=True)
class Labels:
    """How many repetitions people labelled, and how many newly labelled normal ones there are of those that start a
    training (retrain_after; 0: none does)."""

    normal: int
    anomalous: int
    newly_normal: int
    retrain_after: int


@dataclass(frozen=True)
class NextVideo:
    """The video with repetitions that nobody has labelled and the model is least sure of. url: of the task in Label
    Studio."""

    task: int
    file: str
    url: str
    confidence: float


@dataclass(frozen=True)
class ProjectView:
    """One project. to_label: the video that is worth labelling next, None where every analyzed one with repetitions
    that browsers play is labelled, or a copy of a labelled one. without_reps, unreadable, not_played, copies:
    analyzed videos that nobody has labelled, in which no repetition was found, whose stored result cannot be read,
    that browsers do not play, or that are copies of labelled ones: these are not offered, however uncertain.
    states: videos by state; failed_files: files of archives that failed, which are no task of it. retriable: those
    that failed for a passing reason. model: the version in use. model_name: "v0003" or "base", as it was put in
    use. chosen: by whom, in words, where it took a person to put that one in use, else "". damage: why that one is
    not used, "" where it is. trainings: see `overview.current_runs`. unused_labels: labels of the labeling config
    that are not used, in words, "" for none."""

    id: int
    title: str
    url: str
    states: dict[str, int]
    failed_files: int
    retriable: int
    labels: Labels
    model: str
    model_name: str
    chosen: str
    damage: str
    trainings: tuple[Training, ...]
    to_label: NextVideo | None
    without_reps: int
    unreadable: int
    not_played: int
    copies: int
    unused_labels: str


@dataclass(frozen=True)
class RefusedSetup:
    """A project that could not be connected, and why."""

    project: int
    title: str
    url: str
    reason: str
    at: str


@dataclass(frozen=True)
class Silence:
    """Why Label Studio answers nobody, with the remedy, and since when."""

    reason: str
    since: str


@dataclass(frozen=True)
class ProjectsView:
    """All projects that this server was connected to. base: the version of the model that projects start with.
    silence: None where Label Studio answered when it was last asked, or was not asked yet."""

    base: str
    projects: tuple[ProjectView, ...]
    refused: tuple[RefusedSetup, ...]
    silence: Silence | None


def projects_view(services: Services, links: Links) -> ProjectsView:
    """Everything that the page of projects shows."""
    store = services.store
    summaries.refresh(store.engine)
    in_use = services.context.versions_in_use()
    states = overview.states(store.engine, in_use)
    retriable = overview.states(store.engine, in_use, error_types=PASSING)
    of_archives = Counter(one.project for one in failed_files(store.engine)[1])
    labels, runs = overview.label_counts(store.engine), overview.current_runs(store.engine)
    views = []
    for project in in_use:
        (normal, newly), (anomalous, _) = (
            labels.get(project, {}).get(label, (0, 0)) for label in ("normal", "anomalous")
        )
        to_label = next_video(services, links, project, in_use)
        left = overview.count_each(store.engine, in_use, _unlabelled(project), _NOT_OFFERED)
        model_name, damage = services.registry.current_name(project), services.registry.damage(project)
        views.append(
            ProjectView(
                id=project,
                title=links.title(project),
                url=links.project(project),
                states=states.get(project, {}),
                failed_files=of_archives[project],
                retriable=retriable.get(project, {}).get("failed", 0),
                labels=Labels(normal, anomalous, newly, services.retrain_after),
                model=in_use[project],
                model_name=model_name,
                chosen=_chosen(services.registry, project, model_name) if not damage else "",
                damage=damage,
                trainings=tuple(training(run) for run in runs.get(project, ())),
                to_label=to_label,
                without_reps=left["no-repetitions"],
                unreadable=left["unreadable"],
                not_played=left["codec"],
                copies=left["copies"],
                unused_labels=_unused_labels(store, project),
            )
        )
    base, refused = services.registry.fallback.version, refused_setups(services, links)
    return ProjectsView(base, tuple(views), refused, silence(services))


def _chosen(registry: Registry, project: int, name: str) -> str:
    """Such as "chosen by a person", of a model that was put in use against its verdict; else ""."""
    if name == BASE:
        return ""
    verdict = verdict_in(registry, project, registry.version(project, name))
    return VERDICTS[verdict.kind] if verdict.kind == "chosen" else ""


def silence(services: Services) -> Silence | None:
    """What the last request to Label Studio says; asks it nothing."""
    fault = services.context.client.fault
    return Silence(fault.message, iso(fault.since)) if fault is not None else None


def next_video(services: Services, links: Links, project: int, in_use: InUse) -> NextVideo | None:
    """What somebody who labels opens next: a video with repetitions, which they can see."""
    wanted = replace(_unlabelled(project), copy_of_labelled=False)  # a training learns from one of equal files
    for row in overview.videos(services.store.engine, in_use, wanted, "to-label", limit=1):
        if row.confidence is not None and not row.unplayable and row.reps:
            return NextVideo(row.task, file_name(row.media), links.task(project, row.task), row.confidence)
    return None


def _unlabelled(project: int) -> VideoFilter:
    """The analyzed videos of a project that nobody has labelled."""
    return VideoFilter(project, state="done", labelled="no")


def _unused_labels(store: Store, project: int) -> str:
    try:
        return parse_controls(store.label_config(project)).unused_words
    except LabelConfigError:
        return ""


def refused_setups(services: Services, links: Links) -> tuple[RefusedSetup, ...]:
    """Set-ups that were refused, the latest first."""
    return tuple(
        RefusedSetup(
            one.project, links.title(one.project), links.project(one.project), one.message, iso(one.refused_at)
        )
        for one in setups.refused_setups(services.store.engine)
    )


def training(run: Run) -> Training:
    """A run as pages show it."""
    told = run.as_json()
    return Training(
        id=run.id,
        project=run.project,
        state_name=run.state,
        state=words.ENDING
        if run.is_cancelled and run.state == "running"
        else words.RUN_STATES.get(run.state, run.state),
        reason=run.reason,
        phase=words.PHASES.get(run.phase, run.phase),
        percent=told["percent"],
        epoch=run.epoch,
        loss=run.loss,
        seconds_left=told["seconds_left"],
        version=run.version,
        message=run.message,
        updated_at=told["updated_at"],
    )
