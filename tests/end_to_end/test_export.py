"""An export of a real Label Studio project, imported into an empty one and exported again: the same dataset.

One run is made and what it showed is written down; each test then states one fact about it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from labelled_project import without_ids_and_times
from real_label_studio import PASSWORD, USER, label_studio_script

from backend.local_labelstudio.demo import Demo, running, wait_for_predictions
from backend.local_labelstudio.server import LabelStudioServer
from backend.settings import Settings
from pipeline.datasets.manifest import rows_of
from pipeline.datasets.rows import ExportedRep
from pipeline.synthetic import demo_plan
from pipeline.synthetic.drawing import render

pytestmark = pytest.mark.e2e

MOVED = 9
"""Frames that a person moves the end of a repetition by."""


@dataclass
class Observed:
    """What the commands said and left, and the regions of both projects as Label Studio's API shows them."""

    said: list[str] = field(default_factory=list)
    first: list[ExportedRep] = field(default_factory=list)
    again: list[ExportedRep] = field(default_factory=list)
    drawn: list[Any] = field(default_factory=list)
    imported: list[Any] = field(default_factory=list)
    files: set[str] = field(default_factory=set)


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Observed:
    folder = tmp_path_factory.mktemp("export")
    clip = folder / "a lift.mp4"
    render(demo_plan(), clip)
    server = LabelStudioServer(label_studio_script(), folder / "label-studio", 0, username=USER, password=PASSWORD)
    settings = Settings(_env_file=None, data_dir=folder / "backend", backend_port=0)
    seen = Observed()
    with running(server, settings, [clip]) as demo:
        ((task, (prediction,)),) = wait_for_predictions(demo, lambda done, total: None)
        token = server.personal_token()
        seen.drawn = _corrected(prediction["result"])
        (number,) = demo.client.task_state(task).prediction_ids(demo.model_version)
        annotation = {"result": seen.drawn, "parent_prediction": number, "lead_time": 30.0}
        _post(demo, f"tasks/{task.id}/annotations/", json=annotation)
        deadlift = _command(settings, demo, token)
        out = folder / "out"
        export = ("export", "--project", str(demo.project), "--out", str(out), "--clips")
        seen.said = [deadlift(*export), deadlift(*export), deadlift("export", "--verify", str(out))]
        version = out / "v0001"
        seen.files = {path.relative_to(version).as_posix() for path in version.rglob("*") if path.is_file()}
        seen.first = list(rows_of(version))
        empty = demo.client.create_project("From an export", (version / "labeling_config.xml").read_text())
        with (version / "label_studio.json").open("rb") as file:  # what the Import button does with a file
            _post(demo, f"projects/{empty}/import", files={"file": ("label_studio.json", file)})
        ((_, (annotation,)),) = demo.client.annotations(empty)
        seen.imported = annotation["result"]
        seen.said.append(deadlift("export", "--project", str(empty), "--out", str(folder / "again"), "--clips"))
        seen.again = list(rows_of(folder / "again" / "v0001"))
        seen.said.append(deadlift("train", "--from", str(out), "--out", str(folder / "model")))
    return seen


def test_it_is_exported_with_all_its_parts(observed: Observed) -> None:
    name = observed.first[0].rep
    assert {
        "manifest.jsonl", "reps.csv", "DATASHEET.md", "SHA256SUMS", f"landmarks/{name}.npz",
        f"skeleton/{name}.skeleton", f"skelemotion/normal/{name}_1_CaetanoOrientation.png", f"clips/{name}.mp4",
        "elan/a_lift.eaf", "coco_keypoints.json",
    } <= observed.files  # fmt: skip


def test_equal_content_is_no_new_version(observed: Observed) -> None:
    assert "nothing new" in observed.said[1]


def test_it_is_whole(observed: Observed) -> None:
    assert "whole, digest" in observed.said[2]


def test_what_people_did_is_told(observed: Observed) -> None:
    kinds = [(row.origin, row.label) for row in observed.first]
    assert kinds[:2] == [("changed", "normal"), ("changed", "anomalous")]
    assert set(kinds[2:]) == {("untouched", "normal"), ("untouched", "anomalous")} & set(kinds[2:])


def test_imported_regions_are_the_same_to_the_frame(observed: Observed) -> None:
    assert _regions(observed.imported) == _regions(observed.drawn)


def test_numbers_faults_and_notes_are_imported_too(observed: Observed) -> None:
    def others(results: list[Any]) -> list[Any]:
        return [(one["id"], one["type"], one["value"]) for one in results if one["type"] != "timelinelabels"]

    assert others(observed.imported) == others(observed.drawn)


def test_exported_again_it_is_identical_but_for_ids_and_times(observed: Observed) -> None:
    assert observed.first
    assert [without_ids_and_times(row) for row in observed.again] == [
        without_ids_and_times(row) for row in observed.first
    ]


def test_training_on_it_has_the_digest_of_the_export(observed: Observed) -> None:
    digest = observed.said[2].rpartition(" ")[2].strip()
    assert f"digest {digest}" in observed.said[4]


def _corrected(result: list[Any]) -> list[Any]:
    """The prediction as a person leaves it: the first repetition's end moved, the second one's label changed."""
    results: list[Any] = json.loads(json.dumps(result))
    labels = [one for one in results if one["type"] == "timelinelabels"]
    for one in results:
        one["origin"] = "prediction"
        if one["id"] == labels[0]["id"]:
            one["value"]["ranges"][0]["end"] -= MOVED
    labels[1]["value"]["timelinelabels"] = [
        "Normal rep" if "Anomalous" in labels[1]["value"]["timelinelabels"][0] else "Anomalous rep"
    ]
    labels[1]["origin"] = "prediction-changed"
    return results


def _regions(results: list[Any]) -> list[Any]:
    return [(one["id"], one["value"]) for one in results if one["type"] == "timelinelabels"]


def _command(settings: Settings, demo: Demo, token: str) -> Callable[..., str]:
    """`deadlift` with the settings of the running backend; gives what it prints."""
    variables = {
        **os.environ,
        "DATA_DIR": str(settings.data_dir),
        "LABEL_STUDIO_URL": demo.url,
        "LABEL_STUDIO_API_KEY": token,
    }

    def run(*arguments: str) -> str:
        program = "from backend.cli import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments], env=variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def _post(demo: Demo, address: str, **content: Any) -> None:
    response = httpx.post(f"{demo.url}/api/{address}", headers=demo.client.authorization(), timeout=120, **content)
    assert response.status_code == 201, response.text
