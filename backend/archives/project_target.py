"""Predictions of an archive run in a Label Studio project, with the copies that browsers play."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy.exc import DBAPIError
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from backend.archives.copies import Locks, copy_beside
from backend.archives.foreseen_files import ForeseenFiles
from backend.archives.project_tasks import ProjectTasks
from backend.archives.target import Delivered, Foreseen
from backend.context import Context
from backend.errors import (
    BackendError,
    LabelStudioError,
    LabelStudioRefused,
    NotInLabelStudio,
    StorageFault,
    UploadRefused,
)
from backend.labelstudio.client import UPLOADED, LabelStudioClient
from backend.labelstudio.file_names import copy_upload_name, copy_upload_names, is_copy_upload
from backend.labelstudio.format import Task
from backend.labelstudio.labeling_config import Controls
from backend.labelstudio.media import MediaFetcher
from backend.labelstudio.records import Access
from backend.labelstudio.task_data import ORIGINAL
from backend.predictions import delivery
from backend.predictions.jobs import known_media
from backend.predictions.playable import play_copy, upload_copy
from backend.sampling.clusters import Clusters
from backend.storage.analysis_json import dump_analysis, load_analysis
from backend.storage.jobs import Job
from backend.storage.ledger import Entry, Ledger, Source, is_address, is_task, target_name
from backend.storage.overview import contents
from backend.storage.scratch import scratch
from backend.storage.summaries import note_copy, refresh
from pipeline.errors import VideoError
from pipeline.media.playability import unplayable
from pipeline.media.playable_copy import make_playable
from pipeline.records import Analysis

log = logging.getLogger(__name__)


class ProjectTarget:
    """A Label Studio project. What is delivered is also noted as the job of its task, so that a server knows it."""

    def __init__(
        self,
        context: Context,
        ledger: Ledger,
        project: int,
        controls: Controls,
        root: Path | None,
        pause_s: float = 1.0,
    ) -> None:
        self._context = context
        self._ledger = ledger
        self._project = project
        self._controls = controls
        self._tasks = ProjectTasks(context.client, project, controls, root, ledger.owners(target_name(project)))
        self._root = root
        known_files = ledger.known_files(target_name(project))
        # A file that somebody uploaded in Label Studio, or that another run did, is known by what a server saw of it.
        refresh(context.store.engine)
        ours = {known.digest for known in known_files}
        others = [(digest, task) for digest, task in contents(context.store.engine, project) if digest not in ours]
        for digest, task in [(known.digest, known.task) for known in known_files] + others:
            self._tasks.note_content(digest, task)
        self._foreseen = ForeseenFiles(self._tasks, known_files, are_others_known=bool(others))
        self._in_hand = Locks()
        self._copied: set[str] = set()
        self._warned: set[str] = set()
        self._shown = False
        self._clusters = Clusters(context.store)
        self._retrying = Retrying(
            retry=retry_if_exception(_may_pass),
            stop=stop_after_attempt(3),
            wait=wait_exponential(pause_s),
            reraise=True,
        )

    @property
    def copies(self) -> int:
        return len(self._copied)

    def checked(self, source: Source) -> Source:
        if source.task is None:
            self._tasks.check(source.name)
            self._warn_of_upload(source.name)
        return source

    def _warn_of_upload(self, name: str) -> None:
        """Before hours of work: somebody who names a root expects no uploads, and some files are not taken."""
        if self._tasks.address(name) is not None:
            return
        if self._root is not None:
            self._warn(
                name,
                f"is uploaded, unless it has a task. Label Studio serves files in folders below {self._root}, not "
                "those in that folder itself, nor others.",
            )
        if not (self._context.make_playable or name.lower().endswith(UPLOADED)):
            self._warn(
                name,
                "fails at its end, unless it has a task. Label Studio takes uploads that end in "
                f"{' or '.join(UPLOADED)}; --playable uploads an H.264 copy of others.",
            )

    def _warn(self, name: str, why: str) -> None:
        """Once for each reason: there may be thousands of such files. Not of one that gets the task of an equal file,
        which takes reading it."""
        if why not in self._warned and not self._foreseen.equal_of(Path(name)):
            self._warned.add(why)
            log.warning("%s: %s This holds for others like it.", name, why)

    def new_task(self, source: Source) -> Foreseen:
        if source.task is not None:
            return Foreseen("")
        is_there, file = self._tasks.is_there(source.name), Path(source.name)
        if self._tasks.address(source.name) is not None:
            return Foreseen("there" if is_there else "linked")
        if not is_there and (equal := self._foreseen.equal_of(file)):
            return Foreseen("there") if equal.is_itself else Foreseen("same", str(equal))
        is_taken = source.name.lower().endswith(UPLOADED)
        if not (is_there or is_taken or self._context.make_playable):
            return Foreseen("refused")
        self._foreseen.add(file)
        return Foreseen("there" if is_there else "uploaded" if is_taken else "copied")

    def deliver(self, entry: Entry, analysis: Analysis) -> Delivered:
        """Raises LabelStudioError. A task that was deleted is forgotten: the next attempt makes another."""
        try:
            with self._in_hand.of(
                analysis.media_digest or entry.source
            ):  # equal files have one task, and one prediction
                return self._retrying(self._deliver, entry, analysis)
        except NotInLabelStudio:
            if not is_task(entry.source):
                self._ledger.forget_task(entry)
                self._tasks.forget()
            raise

    def _deliver(self, entry: Entry, analysis: Analysis) -> Delivered:
        client, store, version = self._context.client, self._context.store, analysis.model_version
        number = entry.task or self._ledger.task_of(entry)
        if number is None:
            number = self._task_for(entry, analysis).id
        if number != entry.task:
            self._ledger.has_task(entry.id, number)
        if Path(entry.source).is_absolute():
            self._tasks.note_content(analysis.media_digest, number)
        state = client.task_state(Task(number, self._project, {}))
        task, media = state.task, self._controls.media_of(state.task.data)
        if self._is_replaced(entry, number, media, analysis):
            delivery.withdraw(client, state, store.model_versions(self._project) | {version}, self._controls)
            store.forget_video(number, media)  # as it was before, for other models as well
            task = client.task_state(task).task  # without the frame rate of before
        cluster = self._clusters.shown(self._project, analysis)
        if analysis.video.unplayable:
            analysis = self._with_copy(task, entry, analysis)
        known = store.known_job(task, media, version, entry.config)
        analysis = _as_stored(known, state.prediction_ids(version), analysis)
        prediction = self._pushed(task, entry, analysis, cluster)
        # Not before: where nothing was stored, a job would wait for a server that analyzes the video again.
        job = store.job_for(task, media, version, entry.config)
        analysis = _as_stored(job, [prediction], analysis)
        store.finish_job(job.id, dump_analysis(analysis))
        if analysis.video.has_playable_copy:
            note_copy(store.engine, self._project, number)
        store.mark_pushed(job.id, prediction)
        if not self._shown and self._in_use() == version:  # Label Studio takes only what it has predictions of
            self._shown = True
            client.show_model_version(self._project, version, store.model_versions(self._project) - {version})
        return Delivered(number, prediction)

    def _pushed(self, task: Task, entry: Entry, analysis: Analysis, cluster: int | None) -> int:
        """Store the prediction, unless it is there, and give way to a model that is put in use meanwhile; returns the
        prediction's number. Raises LabelStudioError."""
        store, version = self._context.store, analysis.model_version
        # A server may have promoted a newer model since this run began: its predictions stay. As late as can be asked:
        # a copy takes long, and that server delivers meanwhile.
        is_current = self._in_use() == version
        ours = store.model_versions(self._project) if self._context.remove_superseded and is_current else set()
        key = self._project, task.id, self._controls.media_of(task.data), version
        outdated = store.outdated_predictions([key], entry.config)[key]
        may_go = self._context.remove_superseded
        new = delivery.Delivery(task, analysis, ours - {version}, cluster, outdated, may_go)
        try:
            prediction = delivery.push(self._context.client, new, self._controls)
        except NotInLabelStudio:  # nor has anybody a prediction there
            raise
        except LabelStudioError:  # it may have broken off when those of others were gone already
            if is_current:
                self._give_way(task, entry, version)
            raise
        if is_current:
            self._give_way(task, entry, version)
        return prediction

    def _give_way(self, task: Task, entry: Entry, version: str) -> None:
        """Have a model that was put in use meanwhile deliver again: its prediction may have gone as superseded.

        Raises nothing of that: what came of our own prediction is not to be hidden by it.
        """
        store = self._context.store
        try:
            in_use = self._in_use()
            if in_use != version:
                job = store.job_for(task, self._controls.media_of(task.data), in_use, entry.config)
                store.deliver_again([job.id])
        except (BackendError, DBAPIError, OSError) as error:
            log.warning("Task %s: what the model in use says of it is not delivered again. %s", task.id, error)

    def _in_use(self) -> str:
        """The version of the project's model at this moment: a server may put another one in use."""
        return self._context.registry.current(self._project).version

    def _task_for(self, entry: Entry, analysis: Analysis) -> Task:
        """The video's task, found or made: by the upload of a copy where Label Studio takes none of the video.

        A file that would be uploaded has that of an equal one, whatever that is called.
        """
        names = copy_upload_names(Path(entry.source), analysis.media_digest)
        copied = self._tasks.uploaded_as(names, entry.source)
        is_upload = self._tasks.address(entry.source) is None
        if copied is None and is_upload:
            copied = self._tasks.of_content(analysis.media_digest)
        if copied is not None:
            return copied
        is_taken = not is_upload or entry.source.lower().endswith(UPLOADED)
        if is_taken or not self._context.make_playable or self._tasks.is_there(entry.source):
            return self._tasks.task_for(entry.source, analysis.video)
        self._tasks.check(entry.source)
        with scratch() as folder:
            copy = folder / copy_upload_name(Path(entry.source), analysis.media_digest)
            try:
                make_playable(Path(entry.source), copy)
            except OSError as error:
                raise StorageFault.of(error) from error
            task = self._tasks.upload_copy(entry.source, copy)
        self._copied.add(entry.source)
        return task

    def _with_copy(self, task: Task, entry: Entry, analysis: Analysis) -> Analysis:
        """The analysis of a video that browsers do not play, which says whether its task plays a copy.

        The task tells, not what an earlier run noted: it may have been made anew, or by a run that was killed.
        """
        media = self._controls.media_of(task.data)
        has_copy = ORIGINAL in task.data or is_copy_upload(media, analysis.media_digest)
        has_copy = has_copy or (self._context.make_playable and self._play_copy(task, entry))
        if has_copy != analysis.video.has_playable_copy:
            analysis = replace(analysis, video=replace(analysis.video, has_playable_copy=has_copy))
            self._ledger.analyzed(entry.id, dump_analysis(analysis))
        return analysis

    def _play_copy(self, task: Task, entry: Entry) -> bool:
        """Let a task play a copy: beside a file that Label Studio reads where it lies, else uploaded.

        Returns whether it plays one.
        """
        client = self._context.client
        if is_task(entry.source) or is_address(entry.source):
            access = access_for(self._context, entry)
            try:
                with scratch() as folder:
                    video = MediaFetcher(access, LabelStudioClient(access)).fetch(entry.media, task.id, folder)
                    if not unplayable(video):  # what was analyzed is the original of this
                        return True
                    return self._noted(entry, upload_copy(client, task, self._controls, video, folder))
            except (BackendError, VideoError, OSError) as error:
                log.warning("Task %s: no copy was made that browsers play. %s", task.id, error)
                return False
        video = Path(entry.source)
        if self._tasks.address(entry.source) is None:
            with scratch() as folder:
                return self._noted(entry, upload_copy(client, task, self._controls, video, folder))
        copy = copy_beside(video)
        if copy is None:
            return False
        return self._noted(entry, play_copy(client, task, self._controls, self._tasks.address(str(copy.path)) or ""))

    def _noted(self, entry: Entry, has_copy: bool) -> bool:
        """The same; a video that got a copy is counted, once however often its delivery is tried."""
        if has_copy:
            self._copied.add(entry.source)
        return has_copy

    def _is_replaced(self, entry: Entry, task: int, media: str, analysis: Analysis) -> bool:
        """Whether another video was known under the address of a file that Label Studio reads where it lies."""
        if is_task(entry.source) or is_address(entry.source) or self._tasks.address(entry.source) is None:
            return False
        known = known_media(self._context.store, [(task, media)]).get((task, media))
        return known is not None and known.media_digest != analysis.media_digest


def _as_stored(job: Job | None, predictions: Sequence[int], analysis: Analysis) -> Analysis:
    """The analysis that one of these predictions is of, where a server stored it, else the new one.

    A server may have been faster, with the copy that the task plays: what Label Studio shows is what we keep.
    """
    if job is None or job.state != "done" or job.prediction_id not in predictions:
        return analysis
    try:
        stored = load_analysis(job.result)
    except BackendError:  # of another release
        return analysis
    # The one that was analyzed now may be the copy that the task plays: browsers play it as it is.
    has_copy = analysis.video.has_playable_copy or bool(stored.video.unplayable and not analysis.video.unplayable)
    return replace(stored, video=replace(stored.video, has_playable_copy=has_copy))


def access_for(context: Context, entry: Entry) -> Access:
    """What a video is fetched with: nobody but Label Studio is shown its token."""
    access = context.current_access()
    is_others = is_address(entry.source) and access.own_path(entry.source) is None
    return replace(access, url="", api_key=SecretStr("")) if is_others else access


def _may_pass(error: BaseException) -> bool:
    lasting = NotInLabelStudio | UploadRefused | LabelStudioRefused
    return isinstance(error, LabelStudioError) and not isinstance(error, lasting)
