"""An export from beginning to end: labels, filters, files, datasheet, sums, and a numbered version of it all."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Self

from backend.datasets.label_studio_json import TasksToImport
from backend.datasets.rows import LabelChoice, LabelledTask, choose, controls_of, labelled_tasks
from backend.errors import BackendError, NothingToExport
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.labeling_config import Controls
from backend.labelstudio.media import MediaFetcher
from backend.labelstudio.records import Access
from backend.storage.database import now
from backend.storage.jobs import Store
from backend.storage.scratch import scratch
from pipeline.config import PipelineConfig
from pipeline.counts import counted
from pipeline.datasets.coco import PICTURES
from pipeline.datasets.datasheet import Facts, write_datasheet
from pipeline.datasets.filters import Filters, Funnel
from pipeline.datasets.formats import OpenFormats, rep_within
from pipeline.datasets.pose_pictures import write_pictures
from pipeline.datasets.readme import write_readme
from pipeline.datasets.rows import SPLITS, ExportedRep, dataset_digest, to_json
from pipeline.datasets.summary import Summary
from pipeline.datasets.versions import MANIFEST, Stored, new_version
from pipeline.errors import PipelineError
from pipeline.media.clips import cut
from pipeline.pose.cache import PoseCache
from pipeline.records import Pose, Rep

FORMAT = 1
"""Of the folder; raised when readers have to distinguish two."""
_SHOWN_MISSING = 20

_MANIFEST_PART = {MANIFEST: "one line of JSON per repetition: everything that is known of it"}
_README_PART = {"README.md": "how tools open it"}
_IMPORT_PARTS = {
    "label_studio.json": "tasks with annotations, for Label Studio's Import button",
    "labeling_config.xml": "the project's labeling config, for the project to import them into",
}
_MISSING_PART = {"missing.csv": "what could not be had, and why"}


@dataclass(frozen=True)
class ExportRequest:
    """What to export and where to. lifter_key: the task data that names the lifter.

    labels_only: only formats that say so (`DatasetFormat.with_labels_only`), and nothing from landmarks.
    clips: fetch the videos and cut them. frames: fetch them and write the picture of every pose.
    """

    project: int
    out: Path
    filters: Filters = field(default_factory=Filters)
    lifter_key: str = "lifter"
    labels_only: bool = False
    clips: bool = False
    frames: bool = False


@dataclass(frozen=True)
class Exported:
    """What came of an export. missing: (video or repetition, why), the first of missing_count. unused: how many regions
    have which label that is not used."""

    stored: Stored
    reps: int
    videos: int
    digest: str
    funnel: tuple[str, ...]
    missing: tuple[tuple[str, str], ...]
    missing_count: int
    repeated: int
    clips: int
    frames: int
    unused: dict[str, int] = field(default_factory=dict)


OnProgress = Callable[[int, int], None]
"""Called with the number of videos that are done, and of how many."""


def export(
    request: ExportRequest,
    store: Store,
    config: PipelineConfig,
    pose_dir: Path,
    access: Access,
    on_progress: OnProgress,
) -> Exported:
    """Write a project's labels as the next version of a dataset, or find that nothing is new.

    What cannot be had for a video (landmarks, a clip) is listed, and the others go on. Raises NothingToExport,
    LabelConfigError, DatasetError; BackendError where the disk does not take it.
    """
    controls = controls_of(store, request.project)
    choice = choose(store, request.project, request.filters)
    if not choice.videos:
        raise NothingToExport(
            f"Project {request.project} has no labels here. Submit annotations in Label Studio with the backend "
            "connected, or set LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY to have them fetched."
        )
    with _writing(request.out), new_version(request.out) as draft:
        with _Draft(draft.folder, request, controls, config, pose_dir, access) as written:
            for number, task in enumerate(labelled_tasks(store, request.project, choice, controls, request.lifter_key)):
                on_progress(number, len(choice.videos))
                written.add(task)
        on_progress(len(choice.videos), len(choice.videos))
        summary, funnel, missing = written.summary, written.funnel, written.missing
        if not summary.reps:
            why = [*funnel.lines(), *unused_lines(written.unused)]
            raise NothingToExport(
                f"Nothing is left of the {counted(funnel.seen, 'repetition')} of project {request.project}: "
                f"{'; '.join(why) or 'its annotations are empty'}."
            )
        config_xml = store.label_config(request.project)
        (draft.folder / "labeling_config.xml").write_text(config_xml, encoding="utf-8")
        digest = dataset_digest(written.labels)
        written.describe(choice, digest)
        stored = draft.store()
    return Exported(
        stored=stored,
        reps=summary.reps,
        videos=summary.video_count,
        digest=digest,
        funnel=tuple(funnel.lines()),
        missing=tuple(missing.first),
        missing_count=missing.count,
        repeated=len(choice.repeated),
        clips=written.clips,
        frames=written.frames,
        unused=dict(written.unused),
    )


def unused_lines(unused: Mapping[str, int]) -> list[str]:
    """What is said of regions with labels that are not used, by label."""
    return [
        f"{counted(count, 'region')} labelled {label} {'is' if count == 1 else 'are'} not used: "
        "only the labels for normal and anomalous repetitions are"
        for label, count in sorted(unused.items())
    ]


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BackendError(f"{out}: cannot be written ({error.strerror or error}). Choose another --out.") from error


class _Draft:
    """A dataset that is being written: its open files, and what was counted on the way."""

    def __init__(
        self,
        folder: Path,
        request: ExportRequest,
        controls: Controls,
        config: PipelineConfig,
        pose_dir: Path,
        access: Access,
    ) -> None:
        self.summary = Summary()
        self.funnel = Funnel(request.filters)
        self.labels: list[tuple[str, float, float, str]] = []
        self.clips = 0
        self.frames = 0
        self.unused = Counter[str]()
        self._folder = folder
        self._request = request
        self._config = config
        self._controls = controls
        self._cache = PoseCache(pose_dir)
        self._fetcher = MediaFetcher(access, LabelStudioClient(access))
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._manifest = self._open(MANIFEST)
        self.missing = MissingList(self._open("missing.csv"))
        self._tasks = self._stack.enter_context(TasksToImport(self._open("label_studio.json"), self._controls))
        self._formats = self._stack.enter_context(OpenFormats(self._folder, self._request.labels_only))
        if self._request.clips:
            (self._folder / "clips").mkdir()
        if self._writes_frames:
            for split in SPLITS:
                (self._folder / PICTURES / split).mkdir()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def add(self, task: LabelledTask) -> None:
        """The repetitions of a task that pass the filters, with their files."""
        self.unused.update(one.label for one in task.unused)
        rows = [row for row in task.rows if self.funnel.passes(row)]
        if not rows:
            return
        pose = None if self._request.labels_only else self._pose(task, rows[0].video)
        reps: list[Rep | None] = [None] * len(rows)
        if pose is not None:
            reps = [rep_within(pose, row, self._config.segment) for row in rows]
            rows = [self._with_files(row, pose, rep) for row, rep in zip(rows, reps, strict=True)]
        if self._request.clips or self._writes_frames:
            rows = self._with_pictures(rows, pose, task)
        for row, rep in zip(rows, reps, strict=True):
            self._manifest.write(to_json(row) + "\n")
            self._formats.add(row, pose if rep is not None else None, rep)
            self.labels.append((row.digest, row.start_s, row.end_s, row.label))
        self.summary.add_video(tuple(rows))
        if task.rate is not None:
            self._tasks.add(task, rows)
        else:
            self.missing.add(
                f"task {task.task} ({rows[0].video})",
                "not in label_studio.json: its frame rate is not known; set LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY",
            )

    def describe(self, choice: LabelChoice, digest: str) -> None:
        """The datasheet and the facts that a program reads."""
        created = now().isoformat(timespec="seconds") + "Z"
        hertz, engine = self._config.pose.poses_per_second, self._config.pose.engine
        sampled = f"{hertz:g} poses per second, fewer while nobody moves" if hertz else "A pose of every frame"
        facts = Facts(
            title=f"Deadlift repetitions of Label Studio project {self._request.project}",
            created=created,
            digest=digest,
            filters=self.funnel.lines(),
            parts=self._parts(),
            missing_count=self.missing.count,
            missing=self.missing.first,
            repeated=len(choice.repeated),
            sampling="None: exported with --labels-only." if self._request.labels_only else f"{sampled}, by {engine}.",
            unused=unused_lines(self.unused),
        )
        write_datasheet(self._folder, self.summary, facts)
        write_readme(self._folder, facts.title, {split: self.summary.of_split(split) for split in SPLITS}, facts.parts)
        described = {
            "format": FORMAT,
            "project": self._request.project,
            "created": created,
            "dataset_digest": digest,
            "repetitions": self.summary.reps,
            "videos": self.summary.video_count,
            "filters": self.funnel.lines(),
            "missing": self.missing.count,
            "poses_per_second": hertz,
            "pose_engine": engine,
        }
        (self._folder / "dataset.json").write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")

    def _parts(self) -> dict[str, str]:
        """What the datasheet says of each file and folder."""
        clips = {"clips/": "one H.264 video per repetition, without sound"} if self._request.clips else {}
        of_labels, of_landmarks = self._formats.holds(True), self._formats.holds(False)
        return _README_PART | _MANIFEST_PART | of_labels | _IMPORT_PARTS | of_landmarks | clips | _MISSING_PART

    @property
    def _writes_frames(self) -> bool:
        return self._request.frames and not self._request.labels_only

    def _pose(self, task: LabelledTask, video: str) -> Pose | None:
        """The landmarks of a task's video; noted as missing where there are none."""
        pose = self._cache.get(task.digest, self._config.pose) if task.digest else None
        if pose is None:
            why = "the video was not looked at yet: predict it, then export again"
            if task.digest:
                found_anew = f"`deadlift prelabel --tasks all --project {self._request.project}`"
                why = f"no landmarks by {self._config.pose.engine} are kept of it: {found_anew} finds them"
            self.missing.add(f"task {task.task} ({video})", why)
        return pose

    def _with_files(self, row: ExportedRep, pose: Pose, rep: Rep | None) -> ExportedRep:
        if rep is None:
            self.missing.add(row.rep, "no pose lies within it: nothing from landmarks")
            return row
        row, reasons = self._formats.with_files(row, pose, rep)
        for why in reasons:
            self.missing.add(row.rep, why)
        return row

    def _with_pictures(self, rows: list[ExportedRep], pose: Pose | None, task: LabelledTask) -> list[ExportedRep]:
        """The rows with their clips; and the pictures of their poses are written."""
        done: list[ExportedRep] = []
        what = " and ".join(
            name for name, is_wanted in (("clips", self._request.clips), ("frames", self._writes_frames)) if is_wanted
        )
        with scratch() as folder:
            try:
                path = self._fetcher.fetch(task.media, task.task, folder)
                for row in rows:
                    files = dict(row.files)
                    if self._request.clips:
                        files["clip"] = f"clips/{row.rep}.mp4"
                        cut(path, self._folder / files["clip"], row.start_s, row.end_s)
                        self.clips += 1
                    done.append(replace(row, files=files))
                    if self._writes_frames and pose is not None:
                        self.frames += write_pictures(self._folder / PICTURES / row.split, path, row, pose)
            except (BackendError, PipelineError) as error:
                self.missing.add(f"task {task.task} ({rows[0].video})", f"no {what}: {error}")
        return done + rows[len(done) :]

    def _open(self, name: str) -> IO[str]:
        return self._stack.enter_context((self._folder / name).open("w", encoding="utf-8", newline=""))


class MissingList:
    """`missing.csv`: what could not be had and why. first: the first entries of `count`."""

    def __init__(self, file: IO[str]) -> None:
        self.first: list[tuple[str, str]] = []
        self.count = 0
        self._table = csv.writer(file)
        self._table.writerow(("what", "why"))

    def add(self, what: str, why: str) -> None:
        self.count += 1
        self._table.writerow((what, why))
        if len(self.first) < _SHOWN_MISSING:
            self.first.append((what, why))
