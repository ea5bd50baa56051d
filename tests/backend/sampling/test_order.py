"""`deadlift sampling`: the order in which people get tasks, as Label Studio keeps it and as it then behaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from commands import deadlift
from fakes import CONFIG, VERSION, analysis
from label_studio_api import FakeLabelStudio
from pydantic import SecretStr

from backend.context import Context
from backend.errors import LabelStudioError
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.format import Task
from backend.labelstudio.records import Access
from backend.local_labelstudio.server import LabelStudioServer, install
from backend.models.registry import Model, Registry
from backend.sampling import order as sampling
from backend.storage.analysis_json import dump_analysis
from backend.storage.jobs import Store
from pipeline.config import PipelineConfig

PATIENCE_S = 30.0


@pytest.fixture
def context(store: Store, client: LabelStudioClient, access: Access, tmp_path: Path) -> Context:
    return context_for(store, client, access, tmp_path)


def context_for(store: Store, client: LabelStudioClient, access: Access, folder: Path) -> Context:
    return Context(store, client, Registry(folder / "models", Model(VERSION, None)), PipelineConfig(), access, folder)


def video(number: int) -> str:
    return f"/data/upload/1/{number}.mp4"


def analyzed(store: Store, project: int, task: int, address: str, look: float | None) -> None:
    """look: None where nobody is seen in the video."""
    job = store.job_for(Task(task, project, {"video": address}), address, VERSION, "c")
    known: dict[str, Any] = {"nothing": "nobody is seen", "scores": ()} if look is None else {"appearance": (look,)}
    store.finish_job(job.id, dump_analysis(analysis(media_digest=address, **known)))


def predicted(label_studio: FakeLabelStudio, store: Store, look: float | None, version: str = VERSION) -> int:
    """A task with a prediction, and what the backend knows of its video; returns the prediction's id."""
    task = label_studio.add_task()
    label_studio.tasks[task]["data"]["video"] = video(task)
    analyzed(store, 1, task, video(task), look)
    return label_studio.add_prediction(task, version, [])


def choose(context: Context, order: sampling.Order) -> sampling.Chosen:
    return sampling.choose(context, 1, order, lambda done, total: None)


def test_uncertainty_makes_the_project_follow_our_scores(
    context: Context, store: Store, label_studio: FakeLabelStudio
) -> None:
    predicted(label_studio, store, 0.0)
    label_studio.project_version = "Deadlift"
    choose(context, "uncertainty")
    assert (label_studio.sampling, label_studio.project_version) == ("Uncertainty sampling", VERSION)


def test_diverse_gives_predictions_the_cluster_of_their_video(
    context: Context, store: Store, label_studio: FakeLabelStudio
) -> None:
    made = [predicted(label_studio, store, look) for look in (0.0, 1.0, 0.0)]
    assert choose(context, "diverse").clusters == 2
    assert [label_studio.predictions[number]["cluster"] for number in made] == [1, 2, 1]


@pytest.mark.parametrize(("order", "cluster"), [("uncertainty", None), ("diverse", 2)])
def test_what_shows_nobody_has_the_highest_score_in_the_largest_cluster(
    context: Context, store: Store, label_studio: FakeLabelStudio, order: sampling.Order, cluster: int | None
) -> None:
    nobody = predicted(label_studio, store, None)
    others = [predicted(label_studio, store, look) for look in (0.0, 1.0, 1.0)]
    before = [label_studio.predictions[number].get("score") for number in others]
    choose(context, order)
    assert (label_studio.predictions[nobody]["score"], label_studio.predictions[nobody]["cluster"]) == (1.0, cluster)
    assert [label_studio.predictions[number].get("score") for number in others] == before


def test_uncertainty_takes_the_clusters_away(context: Context, store: Store, label_studio: FakeLabelStudio) -> None:
    made = predicted(label_studio, store, 0.0)
    choose(context, "diverse")
    choose(context, "uncertainty")
    assert label_studio.predictions[made]["cluster"] is None


def test_what_is_right_already_is_not_written_again(
    context: Context, store: Store, label_studio: FakeLabelStudio
) -> None:
    predicted(label_studio, store, 0.0)
    choose(context, "diverse")
    choose(context, "diverse")
    assert label_studio.calls["PATCH /api/predictions/N/"] == 1


def test_predictions_of_others_are_left_alone(context: Context, store: Store, label_studio: FakeLabelStudio) -> None:
    predicted(label_studio, store, 0.0)
    others = label_studio.add_prediction(1, "somebody-else", [])
    choose(context, "diverse")
    assert "cluster" not in label_studio.predictions[others]


def test_off_is_the_order_of_the_import(context: Context, store: Store, label_studio: FakeLabelStudio) -> None:
    predicted(label_studio, store, 0.0)
    choose(context, "diverse")
    choose(context, "off")
    assert label_studio.sampling == "Sequential sampling"


def test_without_predictions_of_the_model_in_use_nothing_is_changed(
    context: Context, store: Store, label_studio: FakeLabelStudio
) -> None:
    predicted(label_studio, store, 0.0, "base-0")
    with pytest.raises(LabelStudioError, match=f"no prediction of {VERSION} yet.*at random.*deadlift prelabel"):
        choose(context, "uncertainty")
    assert label_studio.sampling == "Sequential sampling"


def test_without_a_token_the_remedy_is_named(tmp_path: Path) -> None:
    found = deadlift("sampling", "diverse", "--project", 1, DATA_DIR=str(tmp_path), LABEL_STUDIO_URL="")
    assert found.returncode == 1
    assert found.stderr.startswith("deadlift: Label Studio is not configured. Set LABEL_STUDIO_URL")


@pytest.mark.e2e
def test_label_studio_gives_tasks_in_the_order_that_was_chosen(store: Store, tmp_path: Path) -> None:
    """Six videos of three kinds and one without anybody, and what the next task is after each one labelled."""
    appearances, scores = (0.0, 0.0, 0.0, 1.0, 1.0, 2.0, None), (0.10, 0.20, 0.30, 0.15, 0.90, 0.80, 0.0)
    with LabelStudioServer(
        install(), tmp_path / "label-studio", 0, username="next@example.com", password="a-long-password"
    ) as label_studio:
        access = Access(label_studio.url, SecretStr(label_studio.personal_token()))
        client = LabelStudioClient(access)
        context = context_for(store, client, access, tmp_path)

        def given(order: sampling.Order) -> list[int]:
            project = client.create_project(f"In the order {order}", CONFIG)
            tasks = []
            for number, (appearance, score) in enumerate(zip(appearances, scores, strict=True)):
                address = f"https://example.com/{number}.mp4"
                task = client.create_task(project, {"video": address, "fps": 30}).id
                client.create_prediction(task, {"result": [], "score": score, "model_version": VERSION})
                analyzed(store, project, task, address, appearance)
                tasks.append(task)
            sampling.choose(context, project, order, lambda done, total: None)
            found = []
            for _ in tasks:
                headers = client.authorization()
                answer = httpx.get(
                    f"{label_studio.url}/api/projects/{project}/next", headers=headers, timeout=PATIENCE_S
                )
                found.append(tasks.index(answer.json()["id"]))
                httpx.post(
                    f"{label_studio.url}/api/tasks/{tasks[found[-1]]}/annotations",
                    json={"result": []},
                    headers=headers,
                    timeout=PATIENCE_S,
                ).raise_for_status()
            return found

        assert given("uncertainty") == [0, 3, 1, 2, 5, 4, 6]
        assert given("diverse") == [0, 3, 5, 1, 4, 2, 6]
        assert given("off") == [0, 1, 2, 3, 4, 5, 6]
