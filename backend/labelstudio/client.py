"""What is asked of Label Studio's API: the one place for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from backend.errors import LabelStudioError, LabelStudioRefused, NotInLabelStudio, UploadRefused
from backend.labelstudio.addresses import LOCAL_FILES, path_prefix
from backend.labelstudio.format import Json, Task
from backend.labelstudio.labeling_config import task_rate
from backend.labelstudio.records import (
    WEBHOOK_HEADER,
    ConnectedBackend,
    ProjectInfo,
    StoredPrediction,
    TaskState,
    Webhook,
    predictions_of,
    state_of,
    task_of,
)
from backend.labelstudio.requests import LabelStudioRequests

UPLOADED = (".mp4", ".webm")
"""How names of videos end that Label Studio 1.23 takes as uploads; settings.SUPPORTED_EXTENSIONS there."""
_LONGEST_REASON = 200


class LabelStudioClient(LabelStudioRequests):
    """Calls to one Label Studio. Every failure is a LabelStudioError or MediaError that says what to do."""

    def task_states(self, project: int, task_ids: Sequence[int]) -> dict[int, TaskState]:
        """Tasks of a project as they are now, by id; one that no longer exists is left out.

        One request per hundred tasks. Never asks for a single task: that makes Label Studio ask the ML backend for a
        prediction, and the backend would be waiting for itself.
        """
        with self._asking(f"tasks of project {project}"):
            return {state.task.id: state for state in map(state_of, self._chosen(project, task_ids))}

    def task_state(self, task: Task) -> TaskState:
        """Raises NotInLabelStudio where the task was deleted."""
        state = self.task_states(task.project, [task.id]).get(task.id)
        if state is None:
            raise NotInLabelStudio(f"Label Studio has no task {task.id}. Was it deleted?")
        return state

    def tasks(self, project: int, view: int | None = None) -> Iterator[tuple[Task, int, frozenset[str]]]:
        """Every task of a project, with its number of annotations and the model versions that it has predictions of.

        view: only the tasks that this tab of the project shows.
        """
        chosen: dict[str, int] = {"project": project} if view is None else {"project": project, "view": view}
        with self._asking(f"the tasks of project {project}" if view is None else f"view {view} of project {project}"):
            for task in self._pages(**chosen):
                versions = [prediction.get("model_version") for prediction in task.get("predictions") or []]
                yield task_of(task), task.get("total_annotations") or 0, frozenset(str(v) for v in versions if v)

    def create_prediction(self, task_id: int, prediction: Json) -> int:
        with self._asking(f"a prediction for task {task_id}"):
            wanted = {"task": task_id, "result": prediction["result"], "score": prediction["score"]}
            wanted |= {"model_version": prediction["model_version"], "cluster": prediction.get("cluster")}
            return int(self._json("POST", "api/predictions/", json=wanted).get("id") or 0)

    def create_annotation(self, task_id: int, result: list[Json]) -> int:
        """Store an annotation, submitted by the token's user; returns its id."""
        with self._asking(f"an annotation for task {task_id}"):
            return int(self._json("POST", f"api/tasks/{task_id}/annotations/", json={"result": result}).get("id") or 0)

    def clusters(self, project: int) -> Iterator[tuple[Task, list[StoredPrediction]]]:
        """Every task of a project with its predictions, oldest first."""
        with self._asking(f"the tasks of project {project}"):
            for task in self._pages(project=project):
                yield task_of(task), predictions_of(task)

    def set_sampling(self, project: int, sampling: str, model_version: str | None = None) -> None:
        """Set the order in which a project's tasks come, and the version whose scores it follows.

        Label Studio takes only versions that it has predictions of.
        """
        chosen = {"sampling": sampling} | ({} if model_version is None else {"model_version": model_version})
        with self._asking(f"project {project}"):
            self._api.projects.update(id=project, **chosen)

    def set_order(self, prediction_id: int, score: float | None, cluster: int | None) -> None:
        """Set by what Label Studio takes the task of a prediction; one that is gone is fine."""
        with suppress(NotInLabelStudio), self._asking(f"prediction {prediction_id}"):
            self._json("PATCH", f"api/predictions/{prediction_id}/", json={"score": score, "cluster": cluster})

    def delete_prediction(self, prediction_id: int) -> None:
        """Remove a prediction; one that is gone already is fine."""
        with suppress(NotInLabelStudio), self._asking(f"prediction {prediction_id}"):
            self._api.predictions.delete(id=prediction_id)

    def annotations(self, project: int) -> Iterator[tuple[Task, list[Json]]]:
        """Every annotated task of a project, with its annotations as events carry them, skipped ones included."""
        with self._asking(f"the annotations of project {project}"):
            for task in self._pages(project=project):
                if task.get("annotations"):
                    yield task_of(task), [dict(annotation) for annotation in task["annotations"]]

    def annotated_tasks(self, project: int, task_ids: Sequence[int]) -> dict[int, tuple[Task, list[Json]]]:
        """Tasks of a project by id, each with all its annotations as events carry them; without those that are gone."""
        with self._asking(f"tasks of project {project}"):
            found = [(task_of(task), task.get("annotations") or []) for task in self._chosen(project, task_ids)]
        return {task.id: (task, [dict(one) for one in annotations]) for task, annotations in found}

    def set_task_data(self, task_id: int, data: Json) -> None:
        with self._asking(f"the data of task {task_id}"):
            self._api.tasks.update(id=str(task_id), data=data)

    def task_rate(self, fps: float) -> float:
        """The frames per second that a new task of a video with so many is given."""
        return task_rate(fps, self._access.labeling_rate)

    def find_project(self, title: str) -> int | None:
        """The id of the project with that title, if there is one."""
        with self._asking("the projects"):
            return next((project.id for project in self._api.projects.list() if project.title == title), None)

    def create_project(self, title: str, label_config: str) -> int:
        with self._asking(f'a project "{title}"'):
            return int(self._api.projects.create(title=title, label_config=label_config).id)

    def show_model_version(self, project: int, version: str, instead_of: set[str]) -> None:
        """Make `version` the one whose scores the project shows and sorts by.

        Left alone where somebody chose another: only the name of a connected backend, which Label Studio puts there by
        itself, and the versions `instead_of` are replaced. Label Studio accepts only versions it has predictions of.
        """
        with self._asking(f"the model version of project {project}"):
            shown = self._api.projects.get(id=project).model_version or ""
            if shown == version:
                return
            titles = {backend.title for backend in self._api.ml.list(project=project)}
            if not shown or shown in titles | instead_of:
                self._api.projects.update(id=project, model_version=version)

    def connect_backend(self, project: int, url: str, title: str, user: str = "", password: str = "") -> None:
        """Connect an ML backend to the project, or move the one of that title to a new address.

        user, password: what Label Studio is to send to it, "" for nothing. Raises LabelStudioRefused where Label Studio
        does not find it there.
        """
        from label_studio_sdk.core import ApiError

        auth: Any = {"auth_method": "BASIC_AUTH", "basic_auth_user": user, "basic_auth_pass": password} if user else {}
        with self._asking(f"an ML backend for project {project}"):
            there = [one.id for one in self._api.ml.list(project=project) if one.title == title and one.id is not None]
            try:
                if there:
                    self._api.ml.update(id=there[0], url=url, project=str(project), **auth)
                else:
                    self._api.ml.create(url=url, project=project, title=title, is_interactive=False, **auth)
            except ApiError as error:
                if error.status_code != 400:
                    raise
                raise LabelStudioRefused(
                    f"Label Studio did not reach a backend at {url} for project {project} (400). Does `deadlift serve` "
                    "run, with the BASIC_AUTH_USER and BASIC_AUTH_PASS that this command has? The address is the one "
                    "that Label Studio reaches it at: in a container, localhost is the container."
                ) from error

    def upload(self, project: int, path: Path, name: str = "") -> int:
        """Import a file as a task of the project, under its own name or another one; returns the task's id."""
        return self._import(project, path, name, {"return_task_ids": "true"}, "task_ids")

    def upload_file(self, project: int, path: Path, name: str = "") -> str:
        """Upload a file that becomes no task; returns its address below Label Studio's root."""
        number = self._import(project, path, name, {"commit_to_project": "false"}, "file_upload_ids")
        with self._asking(f"the upload of {path.name}"):
            return f"/data/{self._json('GET', f'api/import/file-upload/{number}')['file']}"

    def _import(self, project: int, path: Path, name: str, params: dict[str, str], key: str) -> int:
        """The number that the answer has under the key."""
        with self._asking(f"the upload of {path.name}"), path.open("rb") as file:
            response = self._http.post(
                f"{self._access.url}/api/projects/{project}/import",
                params=params,
                headers=self.authorization(),
                files={"file": (name or path.name, file)},
                timeout=httpx.Timeout(10.0, read=300.0, write=300.0),
            )
            if response.status_code >= 400:
                kind = UploadRefused if response.status_code in (400, 403, 413, 415) else LabelStudioError
                raise kind(
                    f"Label Studio answered {response.status_code} to the upload of {path.name}"
                    f"{_own_words(response)}. It takes files that end in {' or '.join(UPLOADED)}, up to 250 MB: "
                    "`deadlift prelabel --playable` uploads an H.264 copy of others; give larger ones as local files."
                )
            numbers = response.json().get(key)
            if not numbers:
                raise LabelStudioError(f"Label Studio did not say what became of {path.name}. Try again.")
            return int(numbers[0])

    def create_task(self, project: int, data: Json) -> Task:
        with self._asking(f"a task in project {project}"):
            return Task(int(self._api.tasks.create(project=project, data=data).id), project, data)

    def local_files(self, project: int) -> list[str]:
        """The folders, as Label Studio sees them, that the project has Local Files storages of."""
        with self._asking(f"the storages of project {project}"):
            return [storage.path or "" for storage in self._api.import_storage.local.list(project=project)]

    def add_local_files(self, project: int, folder: str) -> None:
        """Connect a folder as Local Files storage; nothing is imported by that."""
        try:
            with self._asking(f"a storage of {folder}"):
                self._api.import_storage.local.create(
                    project=project, path=folder, title="deadlift", use_blob_urls=True
                )
        except LabelStudioError as error:
            raise LabelStudioError(
                f"{error} To serve {folder} from where it lies, Label Studio needs LOCAL_FILES_SERVING_ENABLED=true and"
                " the LOCAL_FILES_DOCUMENT_ROOT that you named here."
            ) from error

    def own_path(self, address: str) -> str | None:
        """The path of an address below Label Studio's root, None for an address of somebody else."""
        return self._access.own_path(address)

    def local_files_address(self, path: str) -> str:
        """Where browsers find a file of Label Studio's local files. path: relative to their root, `/` between parts."""
        prefix = path_prefix(self._access.url, self._access.public_urls)
        return f"{prefix}{LOCAL_FILES}?d={quote(path)}"

    def media_size(self, address: str) -> int | None:
        """The bytes of a video that Label Studio itself serves, None where it does not say."""
        with self._asking(address):
            url = f"{self._access.url}{self.own_path(address)}"
            # Label Studio sends no length with a whole file, but the whole's length with a part of it.
            headers = {**self.authorization(), "Range": "bytes=0-0"}
            with self._http.stream("GET", url, headers=headers, timeout=10.0) as response:
                size = response.headers.get("content-range", "").rpartition("/")[2]
                return int(size) if response.status_code == 206 and size.isdecimal() else None

    def predictions(self, task_id: int) -> list[Json]:
        """The task's predictions as stored: result, score, model_version."""
        with self._asking(f"the predictions of task {task_id}"):
            stored = self._api.predictions.list(task=task_id)
            return [{"result": p.result, "score": p.score, "model_version": p.model_version} for p in stored]

    def server_version(self) -> str:
        """Label Studio's release, which it gives without a token."""
        with self._asking("its version"):
            response = self._http.get(f"{self._access.url}/api/version")
            if response.status_code >= 400:
                raise LabelStudioError(f"{self._access.url} answered {response.status_code}. Is it a Label Studio?")
            body = response.json()
        if not isinstance(body, dict) or "release" not in body:
            raise LabelStudioError(f"{self._access.url} is not a Label Studio. Check LABEL_STUDIO_URL.")
        return str(body["release"])

    def clock_s(self) -> float | None:
        """The seconds since 1970 by Label Studio's clock, None where it does not say."""
        with self._asking("its clock"):
            text = self._http.get(f"{self._access.url}/api/version").headers.get("date", "")
        try:
            return parsedate_to_datetime(text).timestamp()
        except ValueError:
            return None

    def account(self) -> str:
        """The e-mail address of the token's user."""
        with self._asking("the token's user"):
            return str(self._api.users.whoami().email)

    def people(self) -> dict[int, str]:
        """The users of Label Studio by their numbers: names, or e-mail addresses where somebody has none."""
        return {number: names[0] for number, names in self.names_of_people().items()}

    def names_of_people(self) -> dict[int, tuple[str, ...]]:
        """All that each user goes by, at least one: the name first, then e-mail address and user name."""
        with self._asking("the users"):
            answer = self._answer("GET", "/api/users/")
        found = answer.get("results", []) if isinstance(answer, dict) else answer
        named = (
            {one.get("id"): _names(one) for one in found if isinstance(one, dict)} if isinstance(found, list) else {}
        )
        return {number: names for number, names in named.items() if isinstance(number, int) and names}

    def projects(self) -> Iterator[ProjectInfo]:
        """Every project that the token's user sees."""
        with self._asking("the projects"):
            for project in self._api.projects.list():
                yield ProjectInfo(
                    int(project.id), project.title or "", project.label_config or "", project.model_version or ""
                )

    def label_config(self, project: int) -> str:
        """Raises NotInLabelStudio for an unknown project."""
        with self._asking(f"project {project}"):
            return self._api.projects.get(id=project).label_config or ""

    def connected_backends(self, project: int) -> list[ConnectedBackend]:
        with self._asking(f"the ML backends of project {project}"):
            return [
                ConnectedBackend(found.url or "", found.title or "", found.state or "", found.error_message or "")
                for found in self._api.ml.list(project=project)
            ]

    def webhooks(self, project: int) -> list[Webhook]:
        """The webhooks of a project; with those of its organization, where Label Studio lists them."""
        with self._asking(f"the webhooks of project {project}"):
            return [
                Webhook(
                    hook.url,
                    hook.is_active is not False,
                    hook.send_payload is not False,
                    hook.send_for_all_actions is not False,
                    tuple(str(action) for action in hook.actions or ()),
                    str((hook.headers or {}).get(WEBHOOK_HEADER, "")),
                )
                for hook in self._api.webhooks.list(project=project)
            ]

    def set_webhook_header(self, project: int, version: str, name: str, value: str) -> int | None:
        """Have the webhooks of a project's ML backend that serves `version` send a header.

        Returns how many did not so far, None where there are none. Others' webhooks are left alone: it is a secret.
        """
        with self._asking(f"the webhooks of project {project}"):
            ours = {
                f"{(backend.url or '').rstrip('/')}/webhook"
                for backend in self._api.ml.list(project=project)
                if backend.model_version == version
            }
            hooks = [hook for hook in self._api.webhooks.list(project=str(project)) if hook.url in ours]
            without = [hook for hook in hooks if dict(hook.headers or {}).get(name) != value]
            for hook in without:
                if hook.id is not None:
                    self._api.webhooks.update(id=hook.id, url=hook.url, headers={**(hook.headers or {}), name: value})
        return len(without) if hooks else None


def _own_words(response: httpx.Response) -> str:
    """Label Studio's reason for a refusal, in brackets; "" where it gives none."""
    with suppress(ValueError, AttributeError):
        told: Json = response.json()
        errors = told.get("validation_errors")
        listed = errors.get("non_field_errors") if isinstance(errors, dict) else errors
        reason = "; ".join(map(str, listed)) if isinstance(listed, list) else str(told.get("detail") or "")
        return f" ({reason[:_LONGEST_REASON]})" if reason.isprintable() and reason else ""
    return ""


def _names(user: Json) -> tuple[str, ...]:
    whole = " ".join(str(user.get(key) or "").strip() for key in ("first_name", "last_name")).strip()
    others = (str(user.get(key) or "").strip() for key in ("email", "username"))
    return tuple(dict.fromkeys(filter(None, (whole, *others))))
