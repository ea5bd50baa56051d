"""The one place for calls to Label Studio's API, through its SDK."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from pydantic import SecretStr

from backend.errors import LabelStudioError
from backend.ls_format import Json, Task

if TYPE_CHECKING:
    from label_studio_sdk import LabelStudio
    from label_studio_sdk.core.request_options import RequestOptions

# Label Studio would else rewrite s3:// addresses into links of its own, which must never be written back.
_RAW: RequestOptions = {"additional_query_parameters": {"resolve_uri": "false"}}


@dataclass(frozen=True)
class Access:
    """How to reach Label Studio and what may be fetched. Travels to workers; the key stays masked when shown."""

    url: str
    api_key: SecretStr
    media_hosts: tuple[str, ...] = ()
    max_bytes: int = 2048 * 1024 * 1024

    @property
    def configured(self) -> bool:
        return bool(self.url and self.api_key.get_secret_value())


class LabelStudioClient:
    """Calls to one Label Studio. Every failure is a LabelStudioError or MediaError that says what to do."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._sdk: LabelStudio | None = None

    @property
    def configured(self) -> bool:
        """Whether an address and a token were given; without them the backend only answers what it is asked."""
        return self._access.configured

    def task(self, task_id: int) -> Task:
        with _mapped(f"task {task_id}"):
            return _task(self._api.tasks.get(id=str(task_id), request_options=_RAW))

    def tasks(self, project: int) -> Iterator[tuple[Task, int, frozenset[str]]]:
        """Every task of a project, with its number of annotations and the model versions that it has predictions of."""
        with _mapped(f"the tasks of project {project}"):
            for task in self._api.tasks.list(project=project, fields="all", resolve_uri=False):
                versions = [_field(prediction, "model_version") for prediction in task.predictions or []]
                yield _task(task), task.total_annotations or 0, frozenset(str(v) for v in versions if v)

    def prediction_ids(self, task_id: int, model_version: str) -> list[int]:
        """Predictions of that version which the task already has, oldest first."""
        with _mapped(f"the predictions of task {task_id}"):
            stored = self._api.predictions.list(task=task_id)
            return sorted(p.id for p in stored if p.model_version == model_version and p.id is not None)

    def create_prediction(self, task_id: int, prediction: Json) -> int:
        with _mapped(f"a prediction for task {task_id}"):
            created = self._api.predictions.create(
                task=task_id,
                result=prediction["result"],
                score=prediction["score"],
                model_version=prediction["model_version"],
            )
            return int(created.id or 0)

    def has_human_work(self, task_id: int) -> bool:
        """Whether somebody has begun to annotate the task: frames that are drawn must keep their meaning."""
        with _mapped(f"task {task_id}"):
            task = self._api.tasks.get(id=str(task_id), request_options=_RAW)
            return bool(task.total_annotations or task.drafts)

    def set_task_data(self, task_id: int, data: Json) -> None:
        with _mapped(f"the data of task {task_id}"):
            self._api.tasks.update(id=str(task_id), data=data)

    def authorization(self) -> dict[str, str]:
        """The header of the moment: the SDK exchanges a personal token for an access token and renews it."""
        if not self.configured:
            return {}
        with _mapped("the access token"):
            headers = self._api._client_wrapper.get_headers()
        return {"Authorization": headers["Authorization"]}

    def find_project(self, title: str) -> int | None:
        """The id of the project with that title, if there is one."""
        with _mapped("the projects"):
            return next((project.id for project in self._api.projects.list() if project.title == title), None)

    def create_project(self, title: str, label_config: str) -> int:
        with _mapped(f'a project "{title}"'):
            return int(self._api.projects.create(title=title, label_config=label_config).id)

    def show_model_version(self, project: int, version: str, instead_of: set[str]) -> None:
        """Make `version` the one whose scores the project shows and sorts by.

        Left alone where somebody chose another: only the name of a connected backend, which Label Studio puts there by
        itself, and the versions `instead_of` are replaced. Label Studio accepts only versions it has predictions of.
        """
        with _mapped(f"the model version of project {project}"):
            shown = self._api.projects.get(id=project).model_version or ""
            if shown == version:
                return
            titles = {backend.title for backend in self._api.ml.list(project=project)}
            if not shown or shown in titles | instead_of:
                self._api.projects.update(id=project, model_version=version)

    def connect_backend(self, project: int, url: str, title: str) -> None:
        """Connect an ML backend to the project, or move the one of that title to a new address."""
        with _mapped(f"an ML backend for project {project}"):
            for backend in self._api.ml.list(project=project):
                if backend.title == title and backend.id is not None:
                    self._api.ml.update(id=backend.id, url=url, project=str(project))
                    return
            self._api.ml.create(url=url, project=project, title=title, is_interactive=False)

    def upload(self, project: int, path: Path) -> None:
        """Import a file as a task of the project."""
        with _mapped(f"the upload of {path.name}"), path.open("rb") as file:
            response = httpx.post(
                f"{self._access.url}/api/projects/{project}/import",
                headers=self.authorization(),
                files={"file": (path.name, file)},
                timeout=httpx.Timeout(10.0, read=300.0, write=300.0),
            )
            if response.status_code >= 400:
                raise LabelStudioError(f"Label Studio answered {response.status_code} to the upload of {path.name}.")

    def predictions(self, task_id: int) -> list[Json]:
        """The task's predictions as stored: result, score, model_version."""
        with _mapped(f"the predictions of task {task_id}"):
            stored = self._api.predictions.list(task=task_id)
            return [{"result": p.result, "score": p.score, "model_version": p.model_version} for p in stored]

    @property
    def _api(self) -> LabelStudio:
        if not self._access.configured:
            raise LabelStudioError("Label Studio is not configured. Set LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY.")
        if self._sdk is None:
            from label_studio_sdk import LabelStudio  # three seconds to import

            self._sdk = LabelStudio(base_url=self._access.url, api_key=self._access.api_key.get_secret_value())
        return self._sdk


@contextmanager
def _mapped(thing: str) -> Iterator[None]:
    """Turn what the SDK raises into a LabelStudioError without headers or bodies, which may hold tokens."""
    from label_studio_sdk.core import ApiError

    try:
        yield
    except ApiError as error:
        hint = " Check LABEL_STUDIO_API_KEY." if error.status_code in (401, 403) else ""
        raise LabelStudioError(f"Label Studio answered {error.status_code} for {thing}.{hint}") from error
    except httpx.HTTPError as error:
        raise LabelStudioError(f"Label Studio cannot be reached for {thing} ({type(error).__name__}).") from error


def _task(task: Any) -> Task:
    project = task.project if isinstance(task.project, int) else _field(task.project, "id")
    return Task(int(task.id), int(project), dict(task.data or {}))


def _field(item: Any, name: str) -> Any:
    return item.get(name) if isinstance(item, dict) else getattr(item, name, None)
