"""The task of a video in a Label Studio project: found where the project has it, else made, never twice."""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from backend.errors import LabelConfigError, LabelStudioError, UploadRefused
from backend.labelstudio.addresses import LOCAL_FILES, UPLOADS
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.file_names import upload_name, uploaded_name
from backend.labelstudio.format import Json, Task
from backend.labelstudio.labeling_config import Controls
from backend.labelstudio.task_data import with_value
from backend.storage.ledger import is_address
from pipeline.records import VideoInfo

_LOCAL = f"{LOCAL_FILES}?d="


class ProjectTasks:
    """Finds and makes tasks; safe to call from several threads, from one process at a time.

    root: the folder that Label Studio serves local files from; files below it stay where they are, others are
    uploaded. owned: tasks that are known to be the upload of some path, which no other video gets.
    """

    def __init__(
        self, client: LabelStudioClient, project: int, controls: Controls, root: Path | None, owned: Mapping[int, str]
    ) -> None:
        self._client = client
        self._project = project
        self._controls = controls
        self._root = root
        self._owned = dict(owned)
        self._served: set[str] = set()
        self._by_address: dict[str, Task] | None = None
        self._by_name: dict[str, list[Task]] = defaultdict(list)
        self._uploads: dict[int, Task] = {}
        self._by_digest: dict[str, list[int]] = defaultdict(list)
        self._lock = threading.Lock()

    def task_for(self, name: str, video: VideoInfo) -> Task:
        """The task of the video at that path or address; it is made if the project has none.

        An upload is known by its name and size, anything else by its address. Raises LabelStudioError.
        """
        with self._lock:  # one after the other: Label Studio's database takes no two writers either
            self._read_project()
            address = self.address(name)
            found = self._found_at(address) if address is not None else self._found_upload(Path(name))
            if found is not None:
                return found
            try:
                return self._create(address, video) if address is not None else self._upload(name, Path(name))
            except UploadRefused:  # nothing was made
                raise
            except LabelStudioError:
                self._by_address = None  # it may have been made all the same, and is looked for the next time
                raise

    def check(self, name: str) -> None:
        """Raises UploadRefused for a video that would have to be uploaded where the labeling config forbids that.

        Label Studio writes an upload's address under the path as one key, and refuses its own task for what it lacks.
        """
        if re.search(r"[.\[]", self._controls.media) and self.address(name) is None:
            raise UploadRefused(
                f'Label Studio takes no uploads for value="{self._controls.media}". Give {Path(name).name} as a local '
                "file (--local-files-root), or import a task with its address."
            )

    def forget(self) -> None:
        """Read the project again before the next task: it is no longer as it was read."""
        with self._lock:
            self._by_address = None

    def address(self, name: str) -> str | None:
        """Where Label Studio can read a video without a copy of it; None for one that has to be uploaded."""
        if is_address(name):
            return name
        path = served_path(name, self._root)
        return self._client.local_files_address(path) if path is not None else None

    def is_there(self, name: str) -> bool:
        """Whether the project has a task for the video already."""
        with self._lock:
            self._read_project()
            address = self.address(name)
            try:
                return (self._found_at(address) if address is not None else self._found_upload(Path(name))) is not None
            except FileNotFoundError:  # a list may name what is not there
                return False

    def _read_project(self) -> None:
        """Read the project's tasks, once.

        As late as possible: what an earlier run asked for may have come into being after that run was killed.
        """
        if self._by_address is not None:
            return
        by_address: dict[str, Task] = {}
        by_name: dict[str, list[Task]] = defaultdict(list)
        uploads: dict[int, Task] = {}
        for task, _, _ in self._client.tasks(self._project):
            media = self._controls.media_of(task.data)
            if not media:
                continue
            by_address[self._plain(media)] = task
            if (self._client.own_path(media) or "").startswith(UPLOADS):
                by_name[uploaded_name(media)].append(task)
                uploads[task.id] = task
        self._served = set(self._client.local_files(self._project)) if self._root is not None else set()
        self._uploads = uploads
        self._by_name, self._by_address = by_name, by_address  # all of it, or nothing

    def _found_at(self, address: str) -> Task | None:
        assert self._by_address is not None
        return self._by_address.get(self._plain(address))

    def _found_upload(self, path: Path) -> Task | None:
        size = path.stat().st_size
        for task in self._by_name.get(upload_name(path), []):
            media = self._controls.media_of(task.data)
            if self._owned.get(task.id, str(path)) == str(path) and self._client.media_size(media) == size:
                self._owned[task.id] = str(path)
                return task
        return None

    def _create(self, address: str, video: VideoInfo) -> Task:
        plain = self._plain(address)
        if plain.startswith(_LOCAL) and not is_address(address):
            self._serve(plain.removeprefix(_LOCAL))
        task = self._client.create_task(
            self._project, new_data(self._controls, address, self._client.task_rate(video.fps))
        )
        assert self._by_address is not None
        self._by_address[plain] = task
        return task

    def upload_copy(self, name: str, copy: Path) -> Task:
        """A task for the video at that path, which plays a copy of it. Raises LabelStudioError."""
        with self._lock:
            try:
                return self._upload(name, copy)
            except UploadRefused:
                raise
            except LabelStudioError:
                self._by_address = None  # as in `task_for`
                raise

    def uploaded_as(self, uploads: Sequence[str], name: str) -> Task | None:
        """The task of the video at that path that was uploaded under one of these names, which no other video has."""
        with self._lock:
            self._read_project()
            found = (task for upload in uploads for task in self._by_name.get(upload, []))
            return next((task for task in found if self._owned.get(task.id, name) == name), None)

    def note_content(self, digest: str, number: int) -> None:
        """Files with that SHA-256 have that task, as long as it is one of an upload: those stay what they are."""
        with self._lock:
            if digest and number not in self._by_digest[digest]:
                self._by_digest[digest].append(number)

    def of_content(self, digest: str) -> Task | None:
        """The task of an upload of a file with the same bytes, or of a copy of one, where that is known."""
        with self._lock:
            if digest not in self._by_digest:
                return None
            self._read_project()
            return next((self._uploads[number] for number in self._by_digest[digest] if number in self._uploads), None)

    def _upload(self, name: str, file: Path) -> Task:
        self.check(name)
        number = self._client.upload(self._project, file, upload_name(file))
        self._owned[number] = name
        # Where it is kept is read before the prediction is stored.
        self._uploads[number] = Task(number, self._project, {})
        return self._uploads[number]

    def _plain(self, address: str) -> str:
        """An address as one way of writing it: storages put Label Studio's own address before theirs."""
        own = self._client.own_path(address)
        if own is None:
            try:
                parts = urlsplit(address)
            except ValueError:
                return address
            # Of another Label Studio, or of a name of ours that is not known.
            own = f"{parts.path}?{parts.query}" if parts.path == LOCAL_FILES else address
        return _LOCAL + unquote(own.removeprefix(_LOCAL)) if own.startswith(_LOCAL) else own

    def _serve(self, relative: str) -> None:
        """Make sure that a storage covers the file. Label Studio refuses one of the whole root."""
        assert self._root is not None
        folder = (self._root / relative).parent
        if not any(folder.is_relative_to(served) for served in self._served):
            top = str(self._root / Path(relative).parts[0])
            self._client.add_local_files(self._project, top)
            self._served.add(top)


def new_data(controls: Controls, address: str, fps: float) -> Json:
    """The data of a task to be made: the video's address and its frame rate, where the labeling config looks for them.

    Raises LabelConfigError where the config makes the address of several parts.
    """
    data = with_value({}, controls.media, address)
    if data is None:
        raise LabelConfigError(
            f'No task can be made for a video with value="{controls.media}": the address is put together from several '
            "parts of the task data. Import the tasks yourself and give --tasks all."
        )
    with_rate = with_value(data, controls.frame_rate, round(fps, 5))
    return with_rate if with_rate is not None else data


def served_path(name: str, root: Path | None) -> str | None:
    """The path of a file below the root of Label Studio's local files, None for one that it does not serve."""
    path = Path(name)
    # Label Studio serves no file that lies in the root itself.
    if root is None or not path.is_relative_to(root) or path.parent == root:
        return None
    return str(path.relative_to(root))


def local_address(name: str, root: Path | None) -> str | None:
    """The address of such a file below Label Studio's root, None for one that it does not serve."""
    path = served_path(name, root)
    return None if path is None else _LOCAL + quote(path)
