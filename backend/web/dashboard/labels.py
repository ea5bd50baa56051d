"""What the pages of labels show: what people did with predictions, how far they agree, and labels to look at again."""

from __future__ import annotations

from dataclasses import dataclass

from backend.context import Context
from backend.labels.corrections import Agreement, AnnotatorWork, Correction, Disagreement, Kind, report
from backend.labels.faults import FaultAgreement, fault_agreements
from backend.labels.odd_labels import OddLabel, odd_labels
from backend.labelstudio.file_names import file_name
from backend.models.registry import BASE, Registry
from backend.storage import summaries
from backend.storage.jobs import Store
from backend.web.dashboard.arguments import PAGE_SIZE, Window
from backend.web.links import Links


@dataclass(frozen=True)
class WorkLine:
    """What one person did with the predictions of one model ("" for repetitions that were drawn without any).

    accepted_share: 0..1 of the predicted repetitions that were left as they were. shift_s: mean of how far moved
    boundaries were moved. seconds_per_video: what Label Studio counted; None where it counted nothing.
    """

    annotator: int | None
    version: str
    videos: int
    accepted: int
    moved: int
    relabelled: int
    added: int
    removed: int
    accepted_share: float | None
    shift_s: float | None
    seconds_per_video: float | None


@dataclass(frozen=True)
class AgreementLine:
    """Two people's labels of one task: repetitions that both have, or one alone; equal labels of those that both have;
    mean and largest difference of their boundaries in seconds; the repetitions that differ, in order of time."""

    task: int
    url: str
    file: str
    first: int | None
    second: int | None
    both: int
    only_first: int
    only_second: int
    same_label: int
    boundary_s: float | None
    most_s: float | None
    differences: tuple[Disagreement, ...]


@dataclass(frozen=True)
class OddLine:
    """A label that somebody should look at again, and why. number: of the repetition in its annotation, from 1."""

    task: int
    url: str
    file: str
    annotator: int | None
    number: int
    start_s: float
    end_s: float
    label: str
    why: str


@dataclass(frozen=True)
class LabelsView:
    """How a project was labelled. agree_reps, agree_labels: share 0..1 of repetitions that both of two people have, and
    of those the ones with equal labels; None where nothing was labelled twice. odd_total: all there are. faults: see
    `backend.labels.faults`. doubtful_tasks: those that the verdict on the model in use names, `model` is its name."""

    project: int
    title: str
    url: str
    annotations: int
    work: tuple[WorkLine, ...]
    agree_reps: float | None
    agree_labels: float | None
    twice: int
    agreements: tuple[AgreementLine, ...]
    odd_total: int
    odd: tuple[OddLine, ...]
    faults: tuple[FaultAgreement, ...]
    model: str
    doubtful_tasks: tuple[int, ...]


@dataclass(frozen=True)
class CorrectionLine:
    """A repetition of an annotation beside the predicted one; see `backend.labels.corrections.Correction`."""

    task: int
    url: str
    file: str
    annotator: int | None
    version: str
    kind: Kind
    start_s: float
    end_s: float
    label: str
    predicted: str
    score: float | None
    start_shift_s: float
    end_shift_s: float


@dataclass(frozen=True)
class CorrectionsView:
    """A page of the repetitions that people labelled."""

    project: int
    title: str
    total: int
    page: int
    pages: int
    repetitions: tuple[CorrectionLine, ...]


def labels_view(context: Context, links: Links, project: int) -> LabelsView:
    """How a project was labelled."""
    store, in_use = context.store, context.registry.current(project).version
    name = context.registry.current_name(project)
    summaries.refresh(store.engine)
    labels, deleted = store.labels.of_project(project), store.labels.deleted_tasks()
    found, odd = report(store.engine, labels), odd_labels(store.engine, labels, in_use)
    both, either = _agreed(found.agreements)
    shared = sum(one.both for one in found.agreements)
    agreements = sorted(found.agreements, key=_least_agreed)
    return LabelsView(
        project=project,
        title=links.title(project),
        url=links.project(project),
        annotations=sum(one.annotations for one in found.work),
        work=tuple(map(_work_line, found.work)),
        agree_reps=_share(both, either),
        agree_labels=_share(sum(one.same_label for one in found.agreements), shared),
        twice=len(found.agreements),
        agreements=tuple(_agreement_line(one, links) for one in agreements[:PAGE_SIZE]),
        odd_total=len(odd),
        odd=tuple(_odd_line(one, links) for one in odd[:PAGE_SIZE]),
        faults=tuple(fault_agreements(store, labels)),
        model=name,
        doubtful_tasks=tuple(one for one in _doubtful_tasks(context.registry, project, name) if one not in deleted),
    )


def _doubtful_tasks(registry: Registry, project: int, name: str) -> tuple[int, ...]:
    return () if name == BASE else tuple(registry.version(project, name).gate.get("doubtful_tasks") or ())


def corrections_view(
    store: Store,
    links: Links,
    project: int,
    page: int,
    kind: str | None = None,
    annotator: int | None = None,
    version: str | None = None,
) -> CorrectionsView:
    """Repetitions of a project's annotations: of one kind, one person, one model, or of all (None)."""
    summaries.refresh(store.engine)
    found = [
        one
        for one in report(store.engine, store.labels.of_project(project)).corrections
        if (kind is None or one.kind == kind)
        and (annotator is None or one.annotator == annotator)
        and (version is None or one.version == version)
    ]
    window = Window(page, len(found))
    shown = found[window.offset : window.offset + PAGE_SIZE]
    lines = tuple(_correction_line(one, links) for one in shown)
    return CorrectionsView(project, links.title(project), window.total, window.number, window.pages, lines)


def _least_agreed(one: Agreement) -> float:
    """The share of all repetitions that both drew and labelled equally; 1 where neither drew any."""
    either = one.both + one.only_first + one.only_second
    return one.same_label / either if either else 1.0


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _agreed(agreements: tuple[Agreement, ...]) -> tuple[int, int]:
    """Repetitions that both of two people have, and that either has."""
    both = sum(one.both for one in agreements)
    return both, both + sum(one.only_first + one.only_second for one in agreements)


def _work_line(one: AnnotatorWork) -> WorkLine:
    return WorkLine(
        annotator=one.annotator,
        version=one.version,
        videos=one.annotations,
        **one.counts,
        accepted_share=one.accepted_share,
        shift_s=one.shift_s,
        seconds_per_video=one.lead_s / one.timed if one.timed else None,
    )


def _agreement_line(one: Agreement, links: Links) -> AgreementLine:
    return AgreementLine(
        one.task,
        links.task(one.project, one.task),
        file_name(one.media),
        *one.annotators,
        one.both,
        one.only_first,
        one.only_second,
        one.same_label,
        one.boundary_s,
        one.most_s,
        one.differences,
    )


def _odd_line(one: OddLabel, links: Links) -> OddLine:
    url, file = links.task(one.project, one.task), file_name(one.media)
    return OddLine(one.task, url, file, one.annotator, one.number, one.start_s, one.end_s, one.label, one.why)


def _correction_line(one: Correction, links: Links) -> CorrectionLine:
    return CorrectionLine(
        one.task,
        links.task(one.project, one.task),
        file_name(one.media),
        one.annotator,
        one.version,
        one.kind,
        one.start_s,
        one.end_s,
        one.label,
        one.predicted,
        one.score,
        one.start_shift_s,
        one.end_shift_s,
    )
