"""An export from beginning to end: labels, filters, files, datasheet, sums, and a numbered version of it all."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from backend.datasets.label_studio_json import task_to_import
from backend.datasets.rows import Choice, LabelledTask, choose, controls_of, labelled_tasks
from backend.errors import BackendError, NothingToExport
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.labeling_config import Controls
from backend.labelstudio.media import MediaFetcher
from backend.labelstudio.records import Access
from backend.storage.database import now
from backend.storage.jobs import Store
from backend.storage.scratch import scratch
from pipeline.config import PipelineConfig
from pipeline.datasets.coco import CocoWriter, coco_writer
from pipeline.datasets.datasheet import Facts, write_datasheet
from pipeline.datasets.elan import write_eaf
from pipeline.datasets.filters import Filters, Funnel
from pipeline.datasets.parts import PARTS, make_folders, write_parts
from pipeline.datasets.rows import CSV_COLUMNS, ExportedRep, dataset_digest, to_csv, to_json
from pipeline.datasets.summary import Summary
from pipeline.datasets.versions import MANIFEST, Stored, new_version
from pipeline.errors import PipelineError
from pipeline.media.clips import cut
from pipeline.pose.cache import PoseCache

FORMAT = 1
"""Of the folder; raised when readers have to tell two apart."""
_SHOWN_MISSING = 20

_LABEL_PARTS = {
    MANIFEST: "one line of JSON per repetition: everything that is known of it",
    "reps.csv": "the same as a table",
    "label_studio.json": "tasks with annotations, for Label Studio's Import button",
    "labeling_config.xml": "the project's labeling config, for the project to import them into",
}


@dataclass(frozen=True)
class ExportRequest:
    """What to export and where to. lifter_key: the task data that names the lifter.

    labels_only: no files from landmarks, and no ELAN. clips: fetch the videos and cut them.
    """

    project: int
    out: Path
    filters: Filters = field(default_factory=Filters)
    lifter_key: str = "lifter"
    labels_only: bool = False
    clips: bool = False


@dataclass(frozen=True)
class Exported:
    """What came of an export. missing: (video or repetition, why), the first of missing_count."""

    stored: Stored
    reps: int
    videos: int
    digest: str
    funnel: tuple[str, ...]
    missing: tuple[tuple[str, str], ...]
    missing_count: int
    repeated: int
    clips: int


Told = Callable[[int, int], None]
"""Videos done, and of how many."""


def export(
    request: ExportRequest, store: Store, config: PipelineConfig, pose_dir: Path, access: Access, told: Told
) -> Exported:
    """Write a project's labels as the next version of a dataset, or find that nothing is new.

    What cannot be had for a video (landmarks, a clip) is listed, and the others go on. Raises NothingToExport,
    LabelConfigError, DatasetError; BackendError where the disk does not take it.
    """
    controls = controls_of(store, request.project)
    choice = choose(store, request.project)
    if not choice.videos:
        raise NothingToExport(
            f"Project {request.project} has no labels here. Submit annotations in Label Studio with the backend "
            "connected, or set LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY to have them fetched."
        )
    with _writing(request.out), new_version(request.out) as draft:
        writer = _Writer(draft.folder, request, controls, config, pose_dir, access)
        with writer:
            for number, task in enumerate(labelled_tasks(store, request.project, choice, controls, request.lifter_key)):
                told(number, len(choice.videos))
                writer.add(task)
        told(len(choice.videos), len(choice.videos))
        if not writer.summary.reps:
            raise NothingToExport(
                f"Nothing is left of the {writer.funnel.seen} repetitions of project {request.project}: "
                f"{'; '.join(writer.funnel.lines()) or 'its annotations are empty'}."
            )
        config_xml = store.label_config(request.project)
        (draft.folder / "labeling_config.xml").write_text(config_xml, encoding="utf-8")
        digest = dataset_digest(writer.labels)
        writer.describe(choice, digest)
        stored = draft.store()
    return Exported(
        stored,
        writer.summary.reps,
        writer.summary.video_count,
        digest,
        tuple(writer.funnel.lines()),
        tuple(writer.missing),
        writer.missing_count,
        len(choice.repeated),
        writer.clips,
    )


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BackendError(f"{out}: cannot be written ({error.strerror or error}). Choose another --out.") from error


class _Writer:
    """The open files of a draft, and what was counted on the way."""

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
        self.missing: list[tuple[str, str]] = []
        self.missing_count = 0
        self.clips = 0
        self._folder = folder
        self._request = request
        self._controls = controls
        self._config = config
        self._cache = PoseCache(pose_dir)
        self._fetcher = MediaFetcher(access, LabelStudioClient(access))
        self._stack = ExitStack()
        self._tasks = 0

    def __enter__(self) -> _Writer:
        self._manifest = self._open(MANIFEST)
        self._table = csv.writer(self._open("reps.csv"))
        self._table.writerow(CSV_COLUMNS)
        self._absent = csv.writer(self._open("missing.csv"))
        self._absent.writerow(("what", "why"))
        self._label_studio = self._open("label_studio.json")
        self._label_studio.write("[")
        self._coco: CocoWriter | None = None
        if not self._request.labels_only:
            make_folders(self._folder)
            (self._folder / "elan").mkdir()
            self._coco = self._stack.enter_context(coco_writer(self._folder / "coco_keypoints.json"))
        if self._request.clips:
            (self._folder / "clips").mkdir()
        return self

    def __exit__(self, *_: object) -> None:
        self._label_studio.write("\n]\n")
        self._stack.close()

    def add(self, task: LabelledTask) -> None:
        """The repetitions of a task that pass the filters, with their files."""
        rows = [row for row in task.rows if self.funnel.passes(row)]
        if not rows:
            return
        if not self._request.labels_only:
            rows = self._with_parts(rows, task)
        if self._request.clips:
            rows = self._with_clips(rows, task)
        for row in rows:
            self._manifest.write(to_json(row) + "\n")
            self._table.writerow(to_csv(row))
            self.labels.append((row.digest, row.start_s, row.end_s, row.label))
        self.summary.add_video(tuple(rows))
        self._add_task(rows, task)

    def describe(self, choice: Choice, digest: str) -> None:
        """The datasheet and the facts that a program reads."""
        created = now().isoformat(timespec="seconds") + "Z"
        hertz = self._config.pose.poses_per_second
        facts = Facts(
            title=f"Deadlift repetitions of Label Studio project {self._request.project}",
            created=created,
            digest=digest,
            filters=self.funnel.lines(),
            parts=self._parts(),
            missing_count=self.missing_count,
            missing=self.missing,
            repeated=len(choice.repeated),
            sampling=f"{f'{hertz:g} poses per second' if hertz else 'A pose of every frame'}, by time."
            if not self._request.labels_only
            else "None: exported with --labels-only.",
        )
        write_datasheet(self._folder, self.summary, facts)
        described = {
            "format": FORMAT,
            "project": self._request.project,
            "created": created,
            "dataset_digest": digest,
            "repetitions": self.summary.reps,
            "videos": self.summary.video_count,
            "filters": self.funnel.lines(),
            "missing": self.missing_count,
            "poses_per_second": hertz,
        }
        (self._folder / "dataset.json").write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")

    def _parts(self) -> dict[str, str]:
        parts = dict(_LABEL_PARTS)
        if not self._request.labels_only:
            parts |= PARTS | {
                "elan/": "one ELAN document (.eaf) per video; it looks for a video of its own name beside it",
                "coco_keypoints.json": "every pose within a repetition as COCO keypoints",
            }
        if self._request.clips:
            parts["clips/"] = "one H.264 video per repetition, without sound"
        return parts | {"missing.csv": "what could not be had, and why"}

    def _with_parts(self, rows: list[ExportedRep], task: LabelledTask) -> list[ExportedRep]:
        write_eaf(self._folder / "elan" / f"{rows[0].name}.eaf", rows)
        pose = self._cache.get(task.digest, self._config.pose) if task.digest else None
        if pose is None:
            why = "no landmarks are kept of it" if task.digest else "the video was not looked at yet"
            self._miss(f"task {task.task} ({rows[0].video})", f"{why}: predict it, then export again")
            return rows
        rows, missing = write_parts(self._folder, rows, pose, self._config.segment)
        for what, why in missing:
            self._miss(what, why)
        for row in rows:
            if self._coco is not None:
                self._coco.add(row, pose)
        return rows

    def _with_clips(self, rows: list[ExportedRep], task: LabelledTask) -> list[ExportedRep]:
        done: list[ExportedRep] = []
        with scratch() as folder:
            try:
                path = self._fetcher.fetch(task.media, task.task, folder)
                for row in rows:
                    name = f"clips/{row.rep}.mp4"
                    cut(path, self._folder / name, row.start_s, row.end_s)
                    self.clips += 1
                    done.append(replace(row, files={**row.files, "clip": name}))
            except (BackendError, PipelineError) as error:
                self._miss(f"task {task.task} ({rows[0].video})", f"no clips: {error}")
        return done + rows[len(done) :]

    def _add_task(self, rows: Sequence[ExportedRep], task: LabelledTask) -> None:
        if task.rate is None:
            self._miss(
                f"task {task.task} ({rows[0].video})",
                "not in label_studio.json: its frame rate is not known; set LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY",
            )
            return
        imported = task_to_import(task.data, rows, task.result, task.provenance, self._controls, task.lead_time)
        self._label_studio.write(",\n" if self._tasks else "\n")
        self._label_studio.write(json.dumps(imported, ensure_ascii=False))
        self._tasks += 1

    def _miss(self, what: str, why: str) -> None:
        self.missing_count += 1
        self._absent.writerow((what, why))
        if len(self.missing) < _SHOWN_MISSING:
            self.missing.append((what, why))

    def _open(self, name: str) -> IO[str]:
        return self._stack.enter_context((self._folder / name).open("w", encoding="utf-8", newline=""))
