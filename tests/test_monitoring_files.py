"""The dashboard and the alert rules can be read, and ask for figures that the server has, with labels it gives."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from fakes import CONFIG, FakeExecutor, analysis, until
from flask.testing import FlaskClient
from places import ROOT
from prometheus_client.parser import text_string_to_metric_families

from backend.errors import MediaNotFound
from backend.storage.jobs import Store
from backend.storage.runs import Runs

DOCKER = ROOT / "docker"
WORDS = {
    "and", "or", "by", "without", "sum", "max", "rate", "increase", "histogram_quantile", "label_values", "le", "up",
    "vector",
}  # fmt: skip
OF_PROMETHEUS = {"job", "instance"}


def loaded(name: str) -> Any:
    text = (DOCKER / name).read_text()
    return json.loads(text) if name.endswith(".json") else yaml.safe_load(text)


def expressions() -> list[str]:
    dashboard = loaded("grafana-dashboard.json")
    found = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    found += [variable["query"] for variable in dashboard["templating"]["list"] if variable["type"] == "query"]
    return found + [rule["expr"] for group in loaded("alerts.yaml")["groups"] for rule in group["rules"]]


@pytest.fixture
def exposed(lone_http: FlaskClient, executor: FakeExecutor, store: Store) -> dict[str, set[str]]:
    """The names of the server's samples, with their labels, when a little of everything has happened."""
    tasks = [{"id": number, "project": 1, "data": {"video": f"/data/upload/1/{number}.mp4"}} for number in (1, 2)]
    lone_http.post("/predict", json={"tasks": tasks, "project": "1.1", "label_config": CONFIG})
    executor.finish(1, analysis())
    executor.fail(2, MediaNotFound("gone"))
    until(lambda: not store.unfinished_jobs())
    Runs(store).request(1, "asked for")
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(lone_http.get("/metrics").text):
        found.setdefault(family.name, set())
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    # Nobody labelled or trained anything here.
    return found | {"deadlift_labelled_repetitions": {"project", "label"}, "deadlift_models": {"project", "verdict"}}


def test_every_figure_that_is_asked_for_is_there(exposed: dict[str, set[str]]) -> None:
    assert len(expressions()) > 15
    for expression in expressions():
        bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\"[^\"]*\"|by \([^)]*\)", "", expression)
        names = set(re.findall(r"[a-z_]{2,}", bare)) - WORDS - {"project"}
        assert names or "up{" in expression
        assert names <= exposed.keys(), expression


def test_every_label_that_is_asked_for_is_given(exposed: dict[str, set[str]]) -> None:
    for expression in expressions():
        names = [name for name in exposed if re.search(rf"\b{name}\b", expression)]
        given = {label for name in names for label in exposed[name]} | OF_PROMETHEUS
        asked = set(re.findall(r"(\w+)(?:=~|!=|!~|=)\"", expression))
        asked |= {label for group in re.findall(r"by \(([^)]*)\)", expression) for label in re.split(r"[, ]+", group)}
        assert asked <= given, expression


def test_every_alert_says_what_it_is_about() -> None:
    rules = [rule for group in loaded("alerts.yaml")["groups"] for rule in group["rules"]]
    explained = (ROOT / "docs" / "monitoring.md").read_text()
    for rule in rules:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["annotations"]["summary"]
        assert f"`{rule['alert']}`" in explained


def test_prometheus_reads_our_rules_at_our_address() -> None:
    configuration = loaded("prometheus.yaml")
    assert all((DOCKER / name).is_file() for name in configuration["rule_files"])
    (scraped,) = configuration["scrape_configs"]
    assert scraped["job_name"] == "deadlift"
    assert scraped["metrics_path"] == "/metrics"


def test_panels_have_a_place_and_a_number_of_their_own() -> None:
    panels = loaded("grafana-dashboard.json")["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}) == len(panels)


def test_every_figure_of_ours_is_explained(exposed: dict[str, set[str]]) -> None:
    explained = (ROOT / "docs" / "monitoring.md").read_text()
    ours = {re.sub(r"_(total|bucket|sum|count|created)$", "", name) for name in exposed if name.startswith("deadlift")}
    assert {name for name in ours if name not in explained} == set()
