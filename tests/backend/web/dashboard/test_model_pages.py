"""The pages of models: figures, rates and curves of one, and two beside each other."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from dashboard_data import DRAWN, FEW, RATE, add_model, fill_videos, label, media, page, words_of
from flask.testing import FlaskClient

from backend.labelstudio.records import Task
from backend.storage.analysis_json import load_analysis
from backend.storage.jobs import Store
from backend.web.services import services_of

COPY = 98
"""A task with the file of the drawn one."""


@pytest.mark.parametrize("address", ["/models/1/v0001", "/projects/1/rate"])
def test_what_rates_of_false_alarms_come_to_is_shown_with_the_one_in_use(full: FlaskClient, address: str) -> None:
    shown = words_of(full.get(address).text)
    assert "5 % in use 3% of 10 in 3 videos unknown of 0 10 % 20% of 10 in 3 videos unknown of 0" in shown
    assert "Too few to tell rates apart" in shown


def test_a_model_of_an_earlier_release_says_that_rates_were_not_measured(full: FlaskClient) -> None:
    assert "Not measured on videos of this project" in full.get("/models/1/v0002").text


@pytest.mark.parametrize("address", ["/models/1/v0002", "/models/1/compare?first=v0001&second=v0002"])
def test_a_model_that_was_judged_by_the_earlier_labels_too_shows_those_figures(full: FlaskClient, address: str) -> None:
    shown = words_of(page(full, address))
    assert re.search(r"Missed anomalies by the earlier labels 100% [^a-z]*to 100% 23%", shown)
    assert "judged with 2 anomalous repetitions" in shown
    assert "Each video judged by models made without it" in shown
    assert ": of 2 repetitions that people called anomalous it flags 1 (before: 2)." in shown


def test_what_a_model_flags_as_it_is_has_its_nominal_rate(full: FlaskClient) -> None:
    said = "made of these videos as well, at a nominal rate of false alarms of 5 %: of 2 repetitions that people called"
    assert said in words_of(page(full, "/models/1/v0001"))


def test_models_to_compare_have_their_letters_where_the_head_of_the_table_is_not_seen(full: FlaskClient) -> None:
    shown = page(full, "/models")
    assert re.search(r'<label>A <input type="radio" name="first" value="v0002"', shown)
    assert re.search(r'<label>B <input type="radio" name="second" value="v0001"', shown)


def test_few_repetitions_are_too_few_to_tell(full: FlaskClient) -> None:
    shown = words_of(page(full, "/models"))
    found = "Finds 0 of 2 faulty repetitions of unseen videos (before: 0) and flags 1 of 10 good ones (before: 1)"
    assert f"too few to tell {found}: too few" in shown
    assert "passed" not in shown


def test_a_model_that_was_not_promoted_says_why(full: FlaskClient) -> None:
    assert "not promoted False alarms rise from 5% to 20%." in words_of(page(full, "/models"))


@pytest.mark.parametrize("address", ["/models", "/models/1/v0001", "/models/1/compare?first=v0001&second=base"])
def test_a_model_in_use_that_did_not_pass_was_chosen_by_a_person(
    http: FlaskClient, store: Store, tmp_path: Path, address: str
) -> None:
    fill_videos(store, tmp_path)
    registry = services_of(http.application).registry
    add_model(registry, 1, 200, 60, passed=False, reason="Not promoted: false alarms rise from 5% to 20%.")
    registry.promote(1, "v0001")
    shown = words_of(page(http, address))
    assert "chosen by a person A person put it in use. Against it: false alarms rise from 5% to 20%." in shown
    assert "not promoted" not in shown.lower()
    assert http.get("/api/models/1/v0001").json["line"]["verdict"]["kind"] == "chosen"


def test_figures_have_their_number_and_interval(full: FlaskClient) -> None:
    shown = words_of(page(full, "/models/1/v0001"))
    assert "False alarms 10% 2% to 40% 10% 2% to 40% 10 normal repetitions" in shown


@pytest.mark.parametrize("address", ["/models/1/v0001", "/models/1/compare?first=v0001&second=v0002"])
def test_the_two_ways_of_counting_false_alarms_are_told(full: FlaskClient, address: str) -> None:
    figures, _, rates = words_of(page(full, address)).partition("False alarms are counted in two ways")
    assert ("10 normal repetitions" in figures, "Nominal rate False alarms" in rates) == (True, True)
    assert "in two ways" not in page(full, "/models/1/v0002"), "it has no table of rates"


def test_a_loss_curve_is_drawn(full: FlaskClient) -> None:
    assert "Loss over 2 epochs, from 0.5 to 0.25; on held-out videos 0.5 at the end" in page(full, "/models/1/v0001")


def test_a_curve_leaves_out_the_videos_among_the_labels_of_the_model(
    http: FlaskClient, store: Store, tmp_path: Path
) -> None:
    fill_videos(store, tmp_path)
    registry = services_of(http.application).registry
    version = registry.version(1, add_model(registry, 1, 10, 2)).model.version
    for number, (name, task) in enumerate((("drawn", DRAWN), ("few", FEW), ("copy", COPY)), start=1):
        known = next(job for job in store.jobs() if job.task == (FEW if task == FEW else DRAWN) and job.result)
        again = store.job_for(Task(task, 1, {"video": media(name), "fps": RATE}), media(name), version, "c")
        store.finish_job(again.id, known.result)
        store.mark_pushed(again.id, 2000 + task)
        one, two = load_analysis(known.result).reps[:2]
        regions = [("rep1", one.start_s, one.end_s, "normal"), ("rep2", two.start_s, two.end_s, "anomalous")]
        label(store, number, task, regions, parent_prediction=2000 + task)
    folder = registry.root / "1" / "v0001"
    (folder / "labels.json").write_text("[]")
    shown = words_of(page(http, "/models/1/v0001"))
    assert "3 repetitions that they called normal, 3 that they called anomalous" in shown
    # Neither that task counts any more, nor the other one with the same file.
    (folder / "labels.json").write_text(json.dumps([{"task": DRAWN, "media_digest": "ab" * 32, "label": "normal"}]))
    shown = words_of(page(http, "/models/1/v0001"))
    assert "1 repetition that they called normal, 1 that they called anomalous" in shown


@pytest.mark.parametrize("names", ["first=v0001&second=base", "first=base&second=v0001"])
def test_base_stands_beside_a_model_with_what_it_was_judged_by(full: FlaskClient, names: str) -> None:
    shown = words_of(page(full, f"/models/1/compare?{names}"))
    assert "base has learnt from no labels of this project." in shown
    assert "By the labels of v0001, when that was judged" in shown
    assert re.search(r"Figure base n False alarms 10% 2% to 40% 10 normal repetitions", shown)
    assert not any(untrue in shown for untrue in ("different labels", "No figures are stored"))


def test_a_model_that_was_not_judged_beside_base_says_what_does_so(
    http: FlaskClient, store: Store, tmp_path: Path
) -> None:
    fill_videos(store, tmp_path)
    folder = services_of(http.application).registry.root / "1" / "v0001"
    add_model(services_of(http.application).registry, 1, 10, 2)
    run = json.loads((folder / "run.json").read_text()) | {"parent_name": "v0000"}
    (folder / "run.json").write_text(json.dumps(run))
    shown = words_of(page(http, "/models/1/compare?first=v0001&second=base"))
    assert "deadlift models compare base v0001 --project 1 judges it by the labels of v0001." in shown


def test_two_models_with_other_labels_are_not_called_comparable(full: FlaskClient) -> None:
    assert "judged by different labels" in page(full, "/models/1/compare?first=v0001&second=v0002")


def test_models_of_a_project_that_is_not_there_are_no_page(full: FlaskClient) -> None:
    for address in ("/models", "/labels", "/labels/repetitions"):
        assert full.get(f"{address}?project=9", headers={"Accept": "text/html"}).status_code == 404
