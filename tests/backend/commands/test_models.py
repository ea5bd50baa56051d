"""`deadlift models`: what it shows of a project's models, and that a running server follows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from drawn_lifts import video
from fakes import CONFIG
from label_studio_api import FakeLabelStudio
from typer.testing import CliRunner

from backend.cli import app
from backend.commands.models import curve
from backend.errors import BackendError
from backend.labelstudio.format import Json
from backend.models.figures import VERDICTS
from backend.models.registry import Model, Registry
from backend.predictions.preannotator import Preannotator
from pipeline.anomaly.detector import load_detector
from pipeline.config import PipelineConfig
from pipeline.learning.rates import UnseenAtRate
from pipeline.pose.cache import PoseCache

Invoke = Callable[..., str]

RUN: Json = {
    "created": "2026-01-02T03:04:05Z",
    "parent": "base-0",
    "parent_name": "base",
    "seed": 0,
    "label_digest": "one",
    "labels": {"normal": 12, "anomalous": 4, "videos": 4, "skipped": ["task 9: no video"]},
    "metrics": {"settings": 1, "false_alarms": 0.083},
    "losses": [],
    "gate": {
        "passed": True,
        "reason": "Not worse on unseen videos.",
        "figures": {"candidate_auroc": 0.91, "current_auroc": 0.5, "candidate_misses": 0.25, "current_misses": 1.0},
    },
}


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """A project 1 with a model that passed and one that was refused."""
    registry = Registry(tmp_path / "models", Model("base-0", None))
    refused = {"passed": False, "reason": "Not promoted: false alarms rise from 5% to 40%.", "figures": {}}
    registry.publish(1, load_detector(), "# card", RUN, [])
    registry.publish(1, load_detector(), "# card", RUN | {"label_digest": "other", "gate": refused}, [])
    return registry


@pytest.fixture
def invoke(tmp_path: Path) -> Invoke:
    """Runs `deadlift models ...` on that data folder; returns what it prints."""

    def run(*arguments: str, project: int = 1) -> str:
        command = ["models", *arguments, "--project", str(project)]
        found = CliRunner().invoke(app, command, env={"DATA_DIR": str(tmp_path), "COLUMNS": "80"})
        if found.exception is not None and not isinstance(found.exception, SystemExit):
            raise found.exception
        return found.output

    return run


def test_a_project_without_models_says_how_to_make_one(invoke: Invoke) -> None:
    assert "deadlift train --project 7" in invoke("list", project=7)


def test_the_model_in_use_is_marked(registry: Registry, invoke: Invoke) -> None:
    registry.promote(1, "v0001")
    lines = [line.split() for line in invoke("list").splitlines()]
    assert ["*", "v0001", "2026-01-02", "03:04", "12", "4", "4", "too", "few"] in [line[:9] for line in lines]


@pytest.mark.parametrize("said", VERDICTS.values())
def test_a_list_fits_into_eighty_columns_and_breaks_no_word_of_a_verdict(
    registry: Registry, invoke: Invoke, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setattr("backend.commands.models._verdict", lambda *_: said)
    shown = invoke("list")
    assert all(len(line) <= 80 for line in shown.splitlines())
    assert set(said.split()) <= set(shown.split())


def test_show_says_why_a_model_was_refused_and_how_to_use_it_all_the_same(registry: Registry, invoke: Invoke) -> None:
    shown = invoke("show", "v0002")
    assert "False alarms rise from 5% to 40%" in shown
    assert "deadlift models promote v0002 --project 1" in shown


def test_a_model_that_was_put_in_use_all_the_same_was_chosen_by_a_person(registry: Registry, invoke: Invoke) -> None:
    registry.promote(1, "v0002")
    assert any(line.split()[:2] == ["*", "v0002"] and "chosen" in line for line in invoke("list").splitlines())
    shown = invoke("show", "v0002")
    assert "A person put it in use. Against it: false alarms rise from 5% to 40%." in shown
    assert not any(untrue in shown for untrue in ("Not promoted", "models promote"))
    assert "chosen by a person" in " ".join(invoke("compare", "v0001", "v0002").split())
    registry.promote(1, "v0001")
    assert any("v0002" in line and "chosen" in line for line in invoke("list").splitlines()), "it was in use"
    registry.rollback(1)
    registry.rollback(1)
    assert "Not promoted" in invoke("show", "v0002"), "that was taken back"


def test_show_has_what_was_measured_and_left_out(registry: Registry, invoke: Invoke) -> None:
    shown = invoke("show", "1")
    assert ["AUROC", "0.91", "0.50"] in [line.split() for line in shown.splitlines()]
    assert "AUROC: how often a faulty repetition gets a higher score than a good one" in shown
    assert "8.3%" not in shown, "that is near the nominal rate for every model, by how the threshold is found"
    assert "Each video judged by models made without it" in " ".join(shown.split())
    assert "Left out: task 9: no video" in shown
    assert "No loss curve" in shown


def test_show_says_where_a_model_is_not_shown_to_tell_repetitions_apart(registry: Registry, invoke: Invoke) -> None:
    counted = {"normals": 40.0, "anomalies": 12.0, "current_auroc": 0.5}
    for auroc in (0.54, 0.9):
        gate = RUN["gate"] | {"figures": counted | {"candidate_auroc": auroc}}
        registry.publish(1, load_detector(), "", RUN | {"gate": gate}, [])
    said = "It is not shown to tell anomalous from normal repetitions better than chance would (AUROC 0.54, 0.3"
    assert said in invoke("show", "v0003")
    assert "chance would" not in invoke("show", "v0004")


def test_what_was_learnt_from_is_of_the_videos_that_had_it(registry: Registry, invoke: Invoke) -> None:
    run = RUN | {"labels": RUN["labels"] | {"anomalous_videos": 2}, "metrics": {"normals": 11, "videos": 3}}
    registry.publish(1, load_detector(), "", run, [])
    shown = invoke("show", "v0003")
    assert "Learnt from 11 normal repetitions of 3 videos, without 1 that could not be judged, judged with 4" in shown
    assert "judged with 4 anomalous repetitions of 2 videos." in shown
    assert "11 normal repetitions of 3 videos" in " ".join(invoke("compare", "v0001", "v0003").split())


def test_show_draws_the_loss(invoke: Invoke, registry: Registry) -> None:
    losses = [{"epoch": n, "loss": 1.0 / n, "held_out": 2.0 / n} for n in range(1, 11)]
    registry.publish(1, load_detector(), "", RUN | {"losses": losses}, [])
    shown = invoke("show", "v0003")
    assert "Loss over 10 epochs: 1 █▄" in shown
    assert "On held-out videos over 10 epochs: 2 █▄" in shown


def test_a_model_of_an_earlier_release_has_one_curve(invoke: Invoke, registry: Registry) -> None:
    losses = [{"epoch": n, "loss": 1.0 / n} for n in range(1, 11)]
    registry.publish(1, load_detector(), "", RUN | {"losses": losses}, [])
    assert "held-out" not in invoke("show", "v0003")


def test_a_curve_goes_from_the_highest_to_the_lowest_bar() -> None:
    assert curve([3.0, 2.0, 1.0, 0.0]) == "█▆▃▁"
    assert curve([1.0, 1.0]) == "▁▁"
    assert len(curve(range(1000))) <= 60


def test_show_of_base_is_its_card(invoke: Invoke) -> None:
    assert "# base-" in invoke("show", "base")


def test_compare_says_when_the_labels_differ(registry: Registry, invoke: Invoke) -> None:
    shown = invoke("compare", "v0001", "v0002")
    assert ["Verdict", "too", "few", "to", "tell", "not", "promoted"] in [line.split() for line in shown.splitlines()]
    assert "These are of different labels, and may differ by that." in shown


def test_compare_names_the_nominal_rates(registry: Registry, invoke: Invoke) -> None:
    for rate in (0.05, 0.2):
        run = RUN | {"gate": RUN["gate"] | {"rate": rate}}
        registry.publish(1, load_detector(), "", run, [])
    shown = invoke("compare", "v0003", "v0004")
    assert "These are of different nominal rates of false alarms, and may differ by that." in shown
    assert ["Nominal", "rate", "5%", "20%"] in [line.split() for line in shown.splitlines()]


def test_compare_has_both_on_the_same_repetitions_where_one_was_judged_beside_the_other(
    registry: Registry, invoke: Invoke
) -> None:
    registry.publish(1, load_detector(), "", RUN | {"parent_name": "v0001", "label_digest": "third"}, [])
    for order, auroc in ((("v0001", "v0003"), ["0.50", "0.91"]), (("v0003", "v0001"), ["0.91", "0.50"])):
        first = invoke("compare", *order).partition("These are each")[0]
        assert "On the same repetitions, when v0003 was judged:" in first
        assert ["AUROC", *auroc] in [line.split() for line in first.splitlines()]
    assert "On the same repetitions" not in invoke("compare", "v0001", "v0002")


def test_compare_names_the_tasks_whose_labels_look_odd(registry: Registry, invoke: Invoke) -> None:
    gate = RUN["gate"] | {"doubtful_tasks": [4, 7], "figures": {"suspects": 3.0}}
    registry.publish(1, load_detector(), "", RUN | {"gate": gate}, [])
    assert "3, tasks 4, 7" in invoke("compare", "v0001", "v0003")


def test_compare_names_no_task_where_nothing_looks_odd(registry: Registry, invoke: Invoke) -> None:
    """The verdict may name tasks for another reason: labels that contradict earlier ones."""
    gate = RUN["gate"] | {"doubtful_tasks": [4], "figures": {"suspects": 0.0}}
    registry.publish(1, load_detector(), "", RUN | {"gate": gate}, [])
    assert "task 4" not in invoke("compare", "v0001", "v0003")


def test_who_puts_a_refused_model_in_use_is_told_why_it_was_refused(registry: Registry, invoke: Invoke) -> None:
    said = "What was said of it: Not promoted: False alarms rise from 5% to 40%."
    assert said not in invoke("promote", "v0001")
    shown = invoke("promote", "v0002")
    assert said in shown
    assert "`deadlift models rollback --project 1` goes back." in shown
    invoke("promote", "v0001")
    assert said in invoke("rollback")


def test_rollback_says_what_was_said_of_the_model(registry: Registry, invoke: Invoke) -> None:
    remark = "5 repetitions that earlier labels call anomalous are called normal."
    registry.publish(1, load_detector(), "", RUN | {"gate": RUN["gate"] | {"remark": remark}}, [])
    for name in ("v0003", "v0001"):
        registry.promote(1, name)
    assert f"What was said of it: {remark}" in invoke("rollback")


@pytest.mark.parametrize("is_base_first", [True, False])
def test_base_is_judged_by_the_labels_of_the_other(
    registry: Registry, invoke: Invoke, tmp_path: Path, is_base_first: bool
) -> None:
    pose, reps = video(1, 4, 1)
    PoseCache(tmp_path / "poses").put("digest-1", PipelineConfig().pose, pose)
    labels: list[Json] = [
        {"media_digest": "digest-1", "start_s": rep.start_s, "end_s": rep.end_s, "label": "normal"} for rep in reps
    ]
    registry.publish(1, load_detector(), "", RUN, labels)
    names = ("base", "v0003") if is_base_first else ("v0003", "base")
    shown = invoke("compare", *names)
    rows = [line.split() for line in shown.splitlines()]
    assert "A model's page counts scores that it gave before people labelled" in shown
    assert ["At", "a", "nominal", "rate", "of", "5%", *names] in rows
    assert next(row for row in rows if row[:2] == ["Normal", "repetitions"])[2:] == ["4"]
    assert ["Missed", "anomalies", "25%"] in rows  # of v0003: base was given no anomaly to miss
    assert any(row[:2] == ["False", "alarms"] for row in rows)


def test_base_is_not_judged_where_no_landmarks_are_kept(registry: Registry, invoke: Invoke) -> None:
    with pytest.raises(BackendError, match="no landmarks of their videos are kept"):
        invoke("compare", "base", "v0001")
    with pytest.raises(BackendError, match="are one model"):
        invoke("compare", "base", "base")


def test_show_says_what_becomes_of_confirmed_anomalies(registry: Registry, invoke: Invoke) -> None:
    kept = {"anomalous": 14, "flagged": 9, "flagged_before": 12}
    registry.publish(1, load_detector(), "", RUN | {"confirmed": kept}, [])
    said = "made of these videos as well: of 14 repetitions that people called anomalous it flags 9 (before: 12)."
    assert said in invoke("show", "v0003")
    assert "people called anomalous" not in invoke("show", "v0001")


def test_a_running_server_follows_promotion_and_rollback(
    registry: Registry, invoke: Invoke, service: Preannotator
) -> None:
    before = service.connect(1, CONFIG)
    assert "is in use for project 1" in invoke("promote", "v0002")
    assert service.connect(1, CONFIG) == registry.version(1, "v0002").model.version
    invoke("rollback")
    assert service.connect(1, CONFIG) == before


def test_show_has_what_rates_of_false_alarms_come_to(registry: Registry, invoke: Invoke) -> None:
    rates = [asdict(UnseenAtRate(0.05, 0.03, 0.5, 40, 4, 12)), asdict(UnseenAtRate(0.1, 0.2, None, 40, 4, 0))]
    registry.publish(1, load_detector(), "", RUN | {"gate": {"passed": True, "rate": 0.1, "rates": rates}}, [])
    registry.choose_rate(1, 0.1)
    shown = invoke("show", "v0003")
    rows = [line.split() for line in shown.splitlines()]
    assert ["5%", "3%", "50%"] in rows
    assert ["*", "10%", "20%", "unknown"] in rows
    assert ["Nominal", "rate", "False", "alarms,", "mean", "over", "videos", "Anomalies", "found"] in rows
    assert "10 %, chosen for this project" in shown
    assert all(len(line) <= 80 for line in shown.splitlines() if "%" in line and ":" not in line)


def test_show_says_of_what_each_share_of_false_alarms_is(registry: Registry, invoke: Invoke) -> None:
    figures = {"normals": 40.0, "candidate_false_alarms": 0.1, "current_false_alarms": 0.05}
    rates = [asdict(UnseenAtRate(0.05, 0.03, 0.5, 40, 4, 12))]
    gate = {"passed": True, "rate": 0.05, "rates": rates, "figures": figures}
    registry.publish(1, load_detector(), "", RUN | {"gate": gate}, [])
    registry.publish(1, load_detector(), "", RUN | {"gate": gate | {"figures": {}}}, [])
    shown = " ".join(invoke("show", "v0003").split())
    places = [
        shown.index(said)
        for said in (
            "Each video judged by models made without it, at a nominal rate of false alarms of 5 %:",
            "False alarms 10% 5%",
            "False alarms are counted in two ways",
            "Each video judged by models made without it: 40 normal repetitions of 4 videos",
            "False alarms, mean over videos",
        )
    ]
    assert places == sorted(places)
    assert "in two ways" not in invoke("show", "v0004")


def test_a_model_of_an_earlier_release_is_shown_without_rates(registry: Registry, invoke: Invoke) -> None:
    shown = invoke("show", "1")
    assert "5 %, what the model was made for" in shown
    assert "Not measured" in shown


def test_a_project_that_label_studio_does_not_have_is_named(
    invoke: Invoke, label_studio: FakeLabelStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABEL_STUDIO_URL", label_studio.url)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", label_studio.refresh_token)
    for command in (["list"], ["rollback"], ["promote", "base"], ["show", "1"]):
        with pytest.raises(BackendError, match="does not have project 99"):
            invoke(*command, project=99)
