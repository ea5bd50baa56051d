"""Pre-annotation: tasks in, predictions out. One failing task sinks no other; nothing is computed or stored twice."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pydantic import TypeAdapter

from backend import delivery
from backend.errors import BackendError, BadRequest, LabelConfigError, LabelStudioError
from backend.executor import Executor
from backend.labeling_config import Controls, effective_rate, parse_controls
from backend.ls_client import Access, LabelStudioClient
from backend.ls_format import AnnotationsSaved, Json, Task, parse_regions, to_prediction
from backend.store import Job, Store, now
from backend.worker import VideoJob, analyze_task
from pipeline.config import PipelineConfig
from pipeline.errors import PipelineError
from pipeline.records import Analysis

log = logging.getLogger(__name__)

ANALYSIS = TypeAdapter(Analysis)

# Label Studio picks the tasks that lack a prediction, then asks; what was stored in between it would store again.
_JUST_DELIVERED = timedelta(seconds=5)
# A failed task is tried again when somebody asks for it, but not at every click.
_RETRY_AFTER = timedelta(seconds=60)
_PUSH_ATTEMPTS = 3


@dataclass(frozen=True)
class TaskError:
    """Why a task of a request got no prediction; `kind` is the name of the exception."""

    task: int
    kind: str
    message: str


@dataclass(frozen=True)
class Answer:
    """One entry per task: its prediction, or None where there is none (yet); and what went wrong, by task."""

    predictions: list[Json | None]
    errors: list[TaskError]


@dataclass(frozen=True)
class Model:
    """The model in use: its version, and its folder (None for the shipped base model)."""

    version: str
    folder: Path | None


class Preannotator:
    """The use cases behind the server's routes. Close it to stop its threads."""

    def __init__(
        self,
        store: Store,
        client: LabelStudioClient,
        executor: Executor,
        model: Model,
        config: PipelineConfig,
        access: Access,
        pose_dir: Path,
        predict_wait_s: float,
    ) -> None:
        self._store = store
        self._client = client
        self._executor = executor
        self._model = model
        self._config = config
        self._access = access
        self._pose_dir = pose_dir
        self._predict_wait_s = predict_wait_s
        self._deliverers = ThreadPoolExecutor(2, thread_name_prefix="deliver")
        self._lock = threading.Lock()
        self._in_progress: dict[int, threading.Event] = {}
        self._shown: set[int] = set()

    @property
    def model_version(self) -> str:
        return self._model.version

    def connect(self, project: int, label_config: str) -> str:
        """A project was connected or looked at; returns the model version. Raises LabelConfigError."""
        parse_controls(label_config)
        self._store.remember_project(project, label_config)
        return self.model_version

    def predict(self, tasks: Sequence[Task], label_config: str) -> Answer:
        """Predictions of finished tasks at once; waits a little for others, which go on in the background.

        Raises LabelConfigError; what is wrong with one task is in the answer.
        """
        controls = parse_controls(label_config)
        deadline = time.monotonic() + self._predict_wait_s
        jobs: list[Job | None] = []
        errors: list[TaskError] = []
        for task in tasks:
            try:
                jobs.append(self._enqueue(task, controls))
            except BackendError as error:
                errors.append(TaskError(task.id, type(error).__name__, str(error)))
                jobs.append(None)
        predictions: list[Json | None] = []
        for task, job in zip(tasks, jobs, strict=True):
            if job is None:
                predictions.append(None)
                continue
            settled = self._settled(job, deadline)
            if settled.state == "failed":
                errors.append(TaskError(task.id, settled.error_type, settled.error_message))
            try:
                predictions.append(self._answer(task, settled, controls) if settled.state == "done" else None)
            except LabelStudioError as error:
                errors.append(TaskError(task.id, type(error).__name__, str(error)))
                predictions.append(None)
        return Answer(predictions, errors)

    def tasks_created(self, tasks: Sequence[Task], label_config: str) -> None:
        """Start on new tasks before anybody opens them. Tasks without a video are left alone."""
        try:
            controls = parse_controls(label_config)
        except LabelConfigError as error:
            log.warning("New tasks are not pre-annotated: %s", error)
            return
        for task in tasks:
            try:
                self._enqueue(task, controls)
            except BadRequest as error:
                log.warning("Task %s is not pre-annotated: %s", task.id, error)

    def save_annotations(self, event: AnnotationsSaved) -> int:
        """Store what people labelled; returns how many annotations. Raises LabelConfigError."""
        return save_annotations(self._store, event)

    def resume(self) -> None:
        """After a start: go on with what was unfinished, then with tasks that arrived while the server was away."""
        for job in self._store.unfinished_jobs():
            label_config = self._store.label_config(job.project)
            if not label_config:
                continue
            controls = parse_controls(label_config)
            if job.state == "done":
                self._deliverers.submit(self._deliver, job.id, controls)
            elif job.model_version == self.model_version and job.config == self._config.digest():
                self._start(job, controls)
            else:
                # The task is asked for again below, under the version of today.
                self._store.fail_job(job.id, "Superseded", f"Interrupted; the model is {self.model_version} now.")
        if not self._client.configured:
            return
        for project in self._store.projects():
            try:
                self._catch_up(project.id, parse_controls(project.label_config))
            except (LabelStudioError, LabelConfigError) as error:
                log.warning("Project %s was not checked for new tasks: %s", project.id, error)

    def close(self) -> None:
        self._deliverers.shutdown(wait=False, cancel_futures=True)

    def _catch_up(self, project: int, controls: Controls) -> None:
        for task, annotation_count, versions in self._client.tasks(project):
            if annotation_count == 0 and self.model_version not in versions and task.data.get(controls.media_key):
                self._enqueue(task, controls)

    def _enqueue(self, task: Task, controls: Controls) -> Job:
        media = task.data.get(controls.media_key)
        if not isinstance(media, str) or not media:
            raise BadRequest(f'Task {task.id} has no video address under "{controls.media_key}" in its data.')
        job = self._store.job_for(task, media, self.model_version, self._config.digest())
        stale = job.state == "failed" and now() - job.updated_at > _RETRY_AFTER
        if job.state in ("queued", "running") or stale:
            self._start(job, controls)
        return job

    def _start(self, job: Job, controls: Controls) -> None:
        with self._lock:
            if job.id in self._in_progress:
                return
            self._in_progress[job.id] = threading.Event()
        self._store.start_job(job.id)
        work = VideoJob(
            task=Task(job.task, job.project, job.data),
            media=job.media,
            controls=controls,
            access=self._access,
            model_dir=self._model.folder,
            pose_dir=self._pose_dir,
            config=self._config,
        )
        key = f"analyze-{job.project}-{job.task}-{job.id}-{job.attempts}"
        future = self._executor.submit(analyze_task, work, key=key)
        future.add_done_callback(lambda done: self._finished(job.id, controls, done))

    def _finished(self, job_id: int, controls: Controls, future: Future[Analysis]) -> None:
        """Runs in a thread of the executor, which must not wait for Label Studio."""
        try:
            analysis = future.result()
        except CancelledError:
            log.info("Job %s was cancelled and is taken up again at the next start.", job_id)
        except (PipelineError, BackendError) as error:
            log.warning("Job %s failed: %s", job_id, error)
            self._store.fail_job(job_id, type(error).__name__, str(error))
        except Exception:  # the top of a worker: whatever happened, the server and the other jobs go on
            log.exception("Job %s failed unexpectedly.", job_id)
            self._store.fail_job(job_id, "InternalError", "Unexpected error; the server's log has the details.")
        else:
            self._store.finish_job(job_id, ANALYSIS.dump_json(analysis).decode())
            if self._client.configured:
                try:
                    self._deliverers.submit(self._deliver, job_id, controls)
                    return  # which ends the job's progress
                except RuntimeError:
                    log.info("Job %s finished while stopping; it is delivered at the next start.", job_id)
        self._end_progress(job_id)

    def _deliver(self, job_id: int, controls: Controls) -> None:
        """Push a finished job's prediction, unless an answer to Label Studio already carries it."""
        try:
            job = self._store.job(job_id)
            if job is None or not self._store.claim_delivery(job_id, "pushing", ("", "pushing")):
                return
            analysis = ANALYSIS.validate_json(job.result)
            task = Task(job.task, job.project, job.data)
            for attempt in range(1, _PUSH_ATTEMPTS + 1):
                try:
                    prediction_id = delivery.push(self._client, task, controls, analysis)
                    self._store.set_delivery(job_id, "pushed", prediction_id)
                    self._show_version(job.project)
                    log.info("Task %s: %d repetitions predicted.", job.task, len(analysis.reps))
                    return
                except LabelStudioError as error:
                    log.warning("Task %s, attempt %d to store its prediction: %s", job.task, attempt, error)
                    time.sleep(attempt)
            # Back to "not delivered": asked for again, it is answered; and the next start tries to push it.
            self._store.set_delivery(job_id, "")
        except Exception:  # the top of a thread
            log.exception("Job %s could not be delivered.", job_id)
            self._store.set_delivery(job_id, "")
        finally:
            self._end_progress(job_id)

    def _show_version(self, project: int) -> None:
        """Once per project: its score column and its sampling look at one version, which must be ours of now."""
        if project in self._shown:
            return
        others = self._store.model_versions(project) - {self.model_version}
        self._client.show_model_version(project, self.model_version, others)
        self._shown.add(project)

    def _end_progress(self, job_id: int) -> None:
        with self._lock:
            event = self._in_progress.pop(job_id, None)
        if event is not None:
            event.set()

    def _settled(self, job: Job, deadline: float) -> Job:
        """The job as it is after waiting for it until the deadline."""
        with self._lock:
            event = self._in_progress.get(job.id)
        if event is not None:
            event.wait(max(0.0, deadline - time.monotonic()))
        return self._store.job(job.id) or job

    def _answer(self, task: Task, job: Job, controls: Controls) -> Json | None:
        """The prediction of a finished job, None where Label Studio has it or is just getting it."""
        if not self._client.configured:
            return self._prediction(task, job, controls)
        if not self._store.claim_delivery(job.id, "answered"):
            fresh = self._store.job(job.id) or job
            in_flight = fresh.delivery == "pushing"
            just_now = fresh.delivered_at is not None and now() - fresh.delivered_at < _JUST_DELIVERED
            if in_flight or just_now:
                return None
        try:
            current = delivery.ensure_frame_rate(
                self._client, task, controls, ANALYSIS.validate_json(job.result).video.fps
            )
        except LabelStudioError:
            self._store.set_delivery(job.id, "")
            raise
        return self._prediction(current, job, controls)

    def _prediction(self, task: Task, job: Job, controls: Controls) -> Json:
        analysis = ANALYSIS.validate_json(job.result)
        return to_prediction(analysis, controls, effective_rate(controls, task.data))


def save_annotations(store: Store, event: AnnotationsSaved) -> int:
    """Store what people labelled; returns how many annotations. Raises LabelConfigError."""
    controls = parse_controls(event.label_config)
    for annotation, task in event.annotations:
        rate = effective_rate(controls, task.data)
        regions = parse_regions(annotation.get("result") or [], controls, rate)
        media = str(task.data.get(controls.media_key, ""))
        store.put_annotation(annotation, task, media, regions)
    return len(event.annotations)
