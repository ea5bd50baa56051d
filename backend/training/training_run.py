"""A training run from labels to a judged, published model. Runs in a process of its own, given everything it needs."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from backend.errors import BackendError, Cancelled, TooFewLabels, VideosMissing
from backend.labels.labelled import DrawnRep, LabelledVideo
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.media import MediaFetcher
from backend.labelstudio.records import Access
from backend.models.figures import in_a_line, verdict_of
from backend.models.registry import Json, Model, Registry, Version
from backend.storage.database import now
from backend.storage.jobs import Store
from backend.storage.runs import Runs
from backend.storage.scratch import scratch
from pipeline.analyze import landmarks_of
from pipeline.anomaly.detector import Detector, load_detector
from pipeline.config import PipelineConfig, TrainConfig
from pipeline.counts import counted
from pipeline.datasets.rows import dataset_digest
from pipeline.errors import PipelineError
from pipeline.learning import on_labels, promotion_gate, training
from pipeline.pose.cache import PoseCache
from pipeline.records import LabelledRep, Pose
from pipeline.reps.lockout import with_lockout

log = logging.getLogger(__name__)

LEAST_NORMALS = TrainConfig().least_references
"""Fewer normal repetitions are too few to learn from."""
_NOTE_EVERY_S = 0.25
_MOST_NAMED = 8
_LEAST_FEWER = 2


class OnProgress(Protocol):
    """Gets the phase and the percent of the whole run that are done, and the epoch and loss of a phase that has them.

    May raise an error to end the run.
    """

    def __call__(self, phase: str, percent: float, epoch: int = 0, loss: float = math.nan) -> None: ...


@dataclass(frozen=True)
class TrainWork:
    """Everything a run needs. `parent` is the model that serves, which the new one is compared with, at the nominal
    `rate` of false alarms that the project judges at; None: at that of the base. parent_name: the one that was put in
    use, which is another one where that is damaged."""

    project: int
    videos: tuple[LabelledVideo, ...]
    database_url: str
    models_dir: Path
    fallback: Model
    parent: Model
    parent_name: str
    access: Access
    pose_dir: Path
    config: PipelineConfig
    seed: int = 0
    rate: float | None = None


@dataclass(frozen=True)
class RunOutcome:
    """The model that came of a run: its name, whether it may be used, and why (not)."""

    name: str
    passed: bool
    reason: str


def train_run(run: int, work: TrainWork) -> RunOutcome:
    """Train, judge and publish; whether the model is used is up to the caller. Progress goes into the runs table.

    A run that was interrupted after publishing finds its model and goes on from there. Raises UnknownRun,
    TooFewLabels, Cancelled, ModelError, and PipelineError where the labels cannot be used.
    """
    registry = Registry(work.models_dir, work.fallback)
    with closing(Store(work.database_url)) as store:
        runs = Runs(store)
        asked_at = runs.run(run).created_at
        published = published_by(registry, work.project, run, asked_at)
        if published is not None:
            return published
        return _train(run, asked_at, work, registry, _progress_writer(runs, run))


def published_by(registry: Registry, project: int, run: int, asked_at: datetime) -> RunOutcome | None:
    """What a run came to that was interrupted after publishing; None where it has published nothing."""
    found = next((version for version in registry.versions(project) if version.is_of(run, asked_at)), None)
    return _outcome(found) if found is not None else None


def _train(run: int, asked_at: datetime, work: TrainWork, registry: Registry, on_progress: OnProgress) -> RunOutcome:
    samples, labels, skipped = _samples(work, on_progress)
    _check_enough(samples, skipped)
    digest = label_digest(labels)
    base = _load(work.fallback)
    known = made_before(registry, work, digest)  # of videos that were not known by their content until now
    if known is not None:
        return known
    earlier = stored_samples(work.parent, work.pose_dir, work.config)
    newest = [
        stored_samples(version.model, work.pose_dir, work.config) for version in registry.versions(work.project)[-1:]
    ]
    current = _load(work.parent)
    losses: list[Json] = []

    def on_epoch(progress: training.TrainingProgress) -> None:
        on_progress(progress.phase, 40.0 + 0.3 * progress.percent, progress.epoch, progress.loss)
        if not np.isnan(progress.loss):
            losses.append({"epoch": progress.epoch, "loss": progress.loss, "held_out": progress.held_out})

    candidate = training.fit(samples, base, TrainConfig(detector=base.config), work.seed, on_epoch)
    rate = base.config.false_alarm_rate if work.rate is None else work.rate
    verdict = promotion_gate.judge(
        samples, earlier, current, candidate, lambda share: on_progress("judge", 70.0 + 29.0 * share), rate, *newest
    )
    detector, report = candidate.detector()
    kept = on_labels.confirmed(samples, detector, current, rate, earlier)
    given_up = on_labels.confirmed(verdict.given_up, detector, current, rate)
    described: Json = {
        "run": run,
        "asked": asked_at.isoformat(),
        "created": now().isoformat(timespec="seconds") + "Z",
        "parent": work.parent.version,
        "parent_name": work.parent_name,
        "base": base.version,
        "seed": work.seed,
        "label_digest": digest,
        "config": work.config.digest(),
        "training": training.TRAINING,
        "labels": {
            "normal": sum(sample.label == "normal" for sample in samples),
            "anomalous": sum(sample.label == "anomalous" for sample in samples),
            "videos": len({sample.group for sample in samples}),
            "anomalous_videos": len({sample.group for sample in samples if sample.label == "anomalous"}),
            "skipped": skipped,
        },
        "metrics": {name: None if value != value else value for name, value in asdict(report).items()},
        "losses": losses,
        "confirmed": asdict(kept),
        "gate": _gate(verdict, labels, given_up, (_fewer(kept), _contested(work.videos, labels))) | {"rate": rate},
    }
    on_progress("publish", 99.0)
    return _outcome(registry.publish(work.project, detector, training.card(detector, report), described, labels))


def _fewer(kept: on_labels.Confirmed) -> str:
    """A sentence on confirmed anomalies that would no longer be shown; "" where those are no more than one."""
    if kept.flagged_before - kept.flagged < _LEAST_FEWER:
        return ""
    of = f"{kept.flagged} of the {kept.anomalous} repetitions that people called anomalous"
    return f"As it is, made of these videos as well, it flags only {of} (before: {kept.flagged_before})."


def _contested(videos: Sequence[LabelledVideo], labels: Sequence[Json]) -> str:
    """A sentence on what was learnt although somebody else gave it the other label; "" for nothing."""
    learnt = {one["task"] for one in labels}
    of_task = {one.task: one.contested for one in videos if one.contested and one.task in learnt}
    if not of_task:
        return ""
    count, tasks = sum(of_task.values()), sorted(of_task, key=lambda task: (-of_task[task], task))[:_MOST_NAMED]
    were = "repetition was" if count == 1 else "repetitions were"
    more = f" and {len(of_task) - len(tasks)} more" if len(of_task) > len(tasks) else ""
    return (
        f"{count} {were} labelled otherwise by somebody else ({_tasks(sorted(tasks))}{more}): "
        "the ground truth, or else the newest annotation, counted."
    )


def _tasks(numbers: Sequence[int]) -> str:
    """Such as "tasks 1, 2"."""
    return f"task{'s' * (len(numbers) != 1)} {', '.join(map(str, numbers))}"


def _gate(
    verdict: promotion_gate.Verdict, labels: Sequence[Json], given_up: on_labels.Confirmed, more: Iterable[str]
) -> Json:
    """The verdict, with the tasks whose labels people should check first, and what other rates would come to.

    given_up: what becomes of the repetitions that earlier labels call anomalous and these do not. more: further
    sentences, "" for none.
    """
    task_of = {one["media_digest"]: one["task"] for one in labels}
    tasks = sorted(task_of[video] for video in verdict.doubtful[:_MOST_NAMED] if video in task_of)
    look = f" Look again at what is called normal in {_tasks(tasks)}."
    if given_up.anomalous:
        flags = f"flags {given_up.flagged} of the {given_up.anomalous} (before: {given_up.flagged_before})"
        look = f" Made of these labels, it {flags}.{look}"
    said = {"reason": verdict.reason, "remark": verdict.remark}
    said = {name: text + look if text and tasks else text for name, text in said.items()}
    name = "remark" if verdict.passed else "reason"
    said[name] = " ".join(filter(None, (said[name], *more)))
    return {
        "passed": verdict.passed,
        **said,
        "figures": verdict.figures,
        "doubtful_tasks": tasks,
        "rates": [asdict(one) for one in verdict.rates],
    }


def label_digest(labels: Sequence[Mapping[str, Any]]) -> str:
    """Sixteen hex digits of the exact labels, in whatever order they come; where they come from is no part of it."""
    return dataset_digest(
        (str(one["media_digest"]), float(one["start_s"]), float(one["end_s"]), str(one["label"])) for one in labels
    )


def _samples(work: TrainWork, on_progress: OnProgress) -> tuple[list[LabelledRep], list[Json], list[str]]:
    """The labels with their poses, by task; and which videos could not be had, in words."""
    found: list[tuple[int, LabelledRep, Json]] = []
    skipped: list[str] = []
    seen: set[str] = set()
    for number, one in enumerate(work.videos):
        begun, share = 40.0 * number / len(work.videos), 40.0 / len(work.videos)
        on_progress("poses", begun)
        try:
            digest, pose = _pose(work, one, lambda part: on_progress("poses", begun + share * part))  # noqa: B023  # used at once
        except Cancelled:
            raise
        except (BackendError, PipelineError) as error:
            log.warning("Task %s is not learnt from: %s", one.task, error)
            skipped.append(f"task {one.task}: {error}")
            continue
        if digest in seen:
            skipped.append(f"task {one.task}: its video is labelled in another task as well")
            continue
        seen.add(digest)
        for rep in one.reps:
            sample = LabelledRep(pose, with_lockout(pose, *rep.span_s, work.config.segment), rep.label, digest)
            source = {"task": one.task, "annotation": one.annotation, "annotator": one.annotator}
            found.append((one.task, sample, {"media_digest": digest, **source, **asdict(rep)}))
    # Not by who labelled last: which videos are held out together goes by their order, and figures differ by it.
    found.sort(key=lambda one: one[0])
    return [sample for _, sample, _ in found], [label for _, _, label in found], skipped


def _pose(work: TrainWork, one: LabelledVideo, on_share: Callable[[float], None]) -> tuple[str, Pose]:
    """A video's digest and landmarks: kept ones, else found in the video. on_share gets the share that is done."""
    cache = PoseCache(work.pose_dir)
    kept = cache.get(one.media_digest, work.config.pose, only_current=True) if one.media_digest else None
    if kept is not None:
        return one.media_digest, kept
    with scratch() as folder:
        path = MediaFetcher(work.access, LabelStudioClient(work.access)).fetch(one.media, one.task, folder)
        _, digest, pose = landmarks_of(path, cache, work.config.pose, on_progress=on_share)
    return digest, pose


def _check_enough(samples: Sequence[LabelledRep], skipped: Sequence[str]) -> None:
    normals = sum(sample.label == "normal" for sample in samples)
    if normals >= LEAST_NORMALS:
        return
    has = counted(normals, "normal repetition")
    message = f"Too few labels: {has}, {LEAST_NORMALS} are needed. Label more and train again."
    if skipped:
        raise VideosMissing(f"{message} {counted(len(skipped), 'video')} could not be used ({skipped[0]}).")
    raise TooFewLabels(message)


def digest_of(videos: Sequence[LabelledVideo]) -> str:
    """The digest of labels before anybody looks at the videos: "" where one of these is not known by its content."""
    reps: dict[str, tuple[DrawnRep, ...]] = {}
    for one in videos:
        reps.setdefault(one.media_digest, one.reps)  # as in a run, the first of equal files counts
    if "" in reps:
        return ""
    return label_digest([{"media_digest": digest, **asdict(rep)} for digest, mine in reps.items() for rep in mine])


def made_before(registry: Registry, work: TrainWork, digest: str) -> RunOutcome | None:
    """The model that exactly these labels made before, with the same settings: the one that serves, or one that was
    compared with it. Another run would make and say the same. One that is damaged is not meant."""
    rate = registry.own_rate(work.fallback) if work.rate is None else work.rate
    wanted = {
        "label_digest": digest,
        "base": work.fallback.version,
        "config": work.config.digest(),
        "training": training.TRAINING,
    }
    for version in reversed(registry.versions(work.project)):
        run = version.run
        is_same = all(run.get(name) == value for name, value in wanted.items())
        if not is_same or version.gate.get("rate") != rate:
            continue
        is_in_use = version.model.folder == work.parent.folder
        is_compared = is_in_use or run.get("parent") == work.parent.version
        if is_compared and not registry.damage_of(work.project, version.name):
            since = f"Nothing has changed since {version.name}: it was made of exactly these labels"
            use = "is in use" if is_in_use else "is not in use"
            return RunOutcome(version.name, is_in_use, f"{since}, with the same settings, and {use}.")
    return None


def stored_samples(model: Model, pose_dir: Path, config: PipelineConfig) -> list[LabelledRep]:
    """What a model has learnt from and was judged with, without videos whose landmarks are no longer kept."""
    if model.folder is None:
        return []
    try:
        labels = json.loads((model.folder / "labels.json").read_text())
    except FileNotFoundError:
        return []
    cache = PoseCache(pose_dir)
    poses = {digest: cache.get(digest, config.pose) for digest in {one["media_digest"] for one in labels}}
    return [
        LabelledRep(pose, with_lockout(pose, *_span_s(one), config.segment), one["label"], group)
        for one in labels
        if (pose := poses[group := one["media_digest"]]) is not None
    ]


def _span_s(label: Json) -> tuple[float, float]:
    """The seconds that a stored label was judged by; earlier releases judged by what Label Studio had."""
    start_s, end_s = label.get("span_s") or (label["start_s"], label["end_s"])
    return start_s, end_s


def _load(model: Model) -> Detector:
    return load_detector() if model.folder is None else Detector.load(model.folder)


def _outcome(version: Version) -> RunOutcome:
    return RunOutcome(version.name, bool(version.gate.get("passed")), _said(version))


def _said(version: Version) -> str:
    """The verdict on a model as pages and commands have it too."""
    return in_a_line(verdict_of(version.gate, labels=version.run.get("labels") or {}))


def _progress_writer(runs: Runs, run: int) -> OnProgress:
    """Writes into the runs table, but not at every step."""
    last = [0.0]

    def on_progress(phase: str, percent: float, epoch: int = 0, loss: float = math.nan) -> None:
        moment = time.monotonic()
        if moment - last[0] >= _NOTE_EVERY_S:
            last[0] = moment
            runs.note(run, phase, percent, epoch, loss)

    return on_progress
