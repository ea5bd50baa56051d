"""A project with drawn lifters' videos that were predicted and then labelled by people, as the database holds it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from drawn_lifts import video
from fakes import CONFIG, analysis
from pydantic import SecretStr

from backend.datasets.export import Exported, ExportRequest, export
from backend.labels.events import save_annotations
from backend.labelstudio.format import AnnotationsSaved, Json, Task
from backend.labelstudio.records import Access
from backend.storage.analysis_json import dump_analysis
from backend.storage.jobs import Store
from pipeline.config import PipelineConfig
from pipeline.datasets.filters import Filters
from pipeline.datasets.frames import to_frames
from pipeline.datasets.manifest import rows_of
from pipeline.datasets.rows import ExportedRep
from pipeline.pose.cache import PoseCache
from pipeline.records import Analysis, Rep, RepScore, VideoInfo

RATE = 25.0
VERSION = "base-1"
NOWHERE = Access("", SecretStr(""))
_IDS_AND_TIMES = ("task", "annotation", "annotator", "labeled_at")


def without_ids_and_times(row: ExportedRep) -> Json:
    """What stays equal when a dataset goes into another project and is exported from there."""
    return {key: value for key, value in vars(row).items() if key not in _IDS_AND_TIMES}


class LabelledProject:
    """Project 1 of a store, with its landmarks and exports below a folder."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self.poses = folder / "poses"
        self.out = folder / "out"
        self.analyses: dict[int, Analysis] = {}
        store.remember_project(1, CONFIG)

    def add_video(self, task: int, reps: int = 3, is_predicted: bool = True, has_poses: bool = True) -> None:
        """A task whose video was predicted, with landmarks of it."""
        pose, found = video(task, reps)
        digest = f"{task:064x}"
        scores = tuple(RepScore(round(0.1 * (reps - n), 1), 0.5, 1.0) for n in range(len(found)))
        info = VideoInfo("video.mp4", float(pose.time[-1]) + 1, RATE, pose.width, pose.height)
        self.analyses[task] = replace(
            analysis(version=VERSION), video=info, reps=found, scores=scores, media_digest=digest
        )
        if has_poses:
            PoseCache(self.poses).put(digest, PipelineConfig().pose, pose)
        if is_predicted:
            job = self.store.job_for(self.task(task), self.media(task), VERSION, "c")
            self.store.finish_job(job.id, dump_analysis(self.analyses[task]))
            self.store.mark_pushed(job.id, 1000 + task)

    def media(self, task: int) -> str:
        return f"/data/upload/1/0123abcd-squad {task}.mp4"

    def task(self, task: int, **data: Any) -> Task:
        return Task(task, 1, {"video": self.media(task), "fps": RATE, **data})

    def label(self, task: int, *results: Json, number: int = 0, data: Json | None = None, **changes: Any) -> None:
        """What somebody left of the prediction: all of it as it was, unless results are given."""
        annotation = {
            "id": number or task,
            "result": list(results) or self.proposed(task),
            "completed_by": 7,
            "parent_prediction": 1000 + task,
            "updated_at": f"2026-01-{task:02d}T00:00:00Z",
        }
        event = AnnotationsSaved(((annotation | changes, self.task(task, **(data or {}))),), CONFIG)
        save_annotations(self.store, event)

    def proposed(self, task: int) -> list[Json]:
        return [self.region(rep, f"rep{n}") for n, rep in enumerate(self.analyses[task].reps)]

    def region(
        self, rep: Rep, name: str, label: str = "Normal rep", origin: str = "prediction", later: int = 0
    ) -> Json:
        """A region of an annotation, `later` frames after the repetition."""
        start, end = to_frames(rep.start_s, rep.end_s, RATE, 1000.0)
        return {
            "id": name,
            "type": "timelinelabels",
            "from_name": "reps",
            "to_name": "video",
            "origin": origin,
            "value": {"ranges": [{"start": start + later, "end": end + later}], "timelinelabels": [label]},
        }

    def export(self, filters: Filters | None = None, project: int = 1, out: Path | None = None, **how: Any) -> Exported:
        request = ExportRequest(project, out or self.out, filters or Filters(), **how)
        return export(request, self.store, PipelineConfig(), self.poses, NOWHERE, lambda done, total: None)

    def import_again(self, tasks: list[Json], project: int = 2) -> None:
        """What Label Studio makes of imported tasks, and tells of them: new ids, no prediction, a new time."""
        self.store.remember_project(project, CONFIG)
        for number, one in enumerate(tasks, start=500):
            (annotation,) = one["annotations"]
            told = annotation | {"id": number, "completed_by": 1, "updated_at": "2026-06-01T00:00:00Z"}
            event = AnnotationsSaved(((told, Task(number, project, one["data"])),), CONFIG)
            save_annotations(self.store, event)


def rows(lab: LabelledProject, filters: Filters | None = None, **how: Any) -> list[ExportedRep]:
    """What an export of the project has."""
    return list(rows_of(lab.export(filters, **how).stored.folder))
