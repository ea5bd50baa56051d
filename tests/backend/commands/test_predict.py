"""`deadlift predict`: videos in, a table or JSON out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import analysis
from media_server import MediaServer, reply
from rich.console import Console
from typer.testing import CliRunner, Result
from video_files import write_video

from backend.cli import app
from backend.commands.predict import as_csv, as_json, rep_table
from backend.context import registry_of
from backend.errors import BackendError
from backend.settings import Settings
from pipeline import synthetic
from pipeline.anomaly.detector import load_detector
from pipeline.records import RepScore, VideoInfo
from pipeline.synthetic.drawing import render


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A video without people."""
    return write_video(tmp_path / "empty [red] room.mp4", count=6)


@pytest.fixture(autouse=True)
def own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["predict", *map(str, arguments)])


def text(table: object) -> str:
    console = Console(width=200, record=True, quiet=False)
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def test_a_table_tells_the_number_of_repetitions(clip: Path) -> None:
    result = run(clip)
    assert result.exit_code == 0
    assert "empty [red] room.mp4: 0 reps" in result.stdout


def test_json_on_standard_output_is_nothing_but_json(clip: Path) -> None:
    (found,) = json.loads(run(clip, "--json", "-").stdout)
    assert (found["width"], found["height"], found["reps"]) == (64, 48, [])


def test_json_is_written_into_a_file(clip: Path, tmp_path: Path) -> None:
    assert "Written: " in run(clip, "--json", tmp_path / "out.json").stderr
    assert len(json.loads((tmp_path / "out.json").read_text())) == 1


def test_one_broken_video_does_not_sink_the_others(clip: Path, tmp_path: Path) -> None:
    result = run(tmp_path / "gone.mp4", clip, "--json", "-")
    assert result.exit_code == 1
    assert len(json.loads(result.stdout)) == 1
    assert "gone.mp4: no such video file" in result.stderr


def test_a_folder_that_is_not_there_is_told_before_the_work(clip: Path, tmp_path: Path) -> None:
    result = run(clip, "--json", tmp_path / "no" / "out.json")
    assert isinstance(result.exception, BackendError)
    assert not (tmp_path / "data").exists()


def test_a_file_that_cannot_be_written_is_told(clip: Path, tmp_path: Path) -> None:
    assert isinstance(run(clip, "--json", tmp_path).exception, BackendError)


def test_json_holds_every_repetition() -> None:
    found = as_json(analysis((0.1, 0.9)))
    assert [rep["label"] for rep in found["reps"]] == ["normal", "anomalous"]
    json.dumps(found, allow_nan=False)


def test_json_of_a_repetition_that_could_not_be_judged_is_json() -> None:
    unjudged = replace(analysis((0.1,)), scores=(RepScore(0.5, 1.0, float("nan"), reliable=False),))
    json.dumps(as_json(unjudged), allow_nan=False)


def test_a_repetition_that_could_not_be_judged_is_no_anomaly_wherever_it_is_told() -> None:
    found = analysis((0.9,))
    found = replace(found, scores=tuple(replace(one, reliable=False, flagged_by=("posture",)) for one in found.scores))
    (rep,) = as_json(found)["reps"]
    told = [rep[name] for name in ("is_anomaly", "label", "reliable", "flagged_by", "reasons")]
    assert told == [False, "normal", False, [], []]
    assert ",normal,false,,," in as_csv([found])
    assert "during" not in text(rep_table(found))


def test_a_late_start_is_said(tmp_path: Path) -> None:
    late = write_video(tmp_path / "late.mp4", times=[0.5 + n / 30 for n in range(6)])
    assert "starts at 0.50 s: Firefox shows it that much earlier" in run(late).stdout
    (found,) = json.loads(run(late, "--json", "-").stdout)
    assert (found["start_s"], found["duration_s"]) == pytest.approx((0.5, 0.7), abs=0.002)


@pytest.mark.parametrize("earliest_s", [0.0, 0.02])
def test_a_start_within_the_first_frame_is_no_late_one(earliest_s: float) -> None:
    assert not VideoInfo("v.mp4", 2.0, 30.0, 640, 480, start_s=0.5, earliest_s=earliest_s).late_start


def test_the_table_says_why_a_repetition_is_unusual() -> None:
    assert "back during the pull (60%)" in text(rep_table(analysis((0.9,))))


def test_the_table_gives_no_reason_for_a_normal_repetition() -> None:
    assert "during" not in text(rep_table(analysis((0.1,))))


def test_the_table_asks_for_a_look_where_a_repetition_could_not_be_judged() -> None:
    unjudged = replace(analysis((0.1,)), scores=(RepScore(0.4, 1.0, 0.0, reliable=False),))
    shown = text(rep_table(unjudged))
    assert "not judged" in shown
    assert "0.40" not in shown


def test_brackets_in_a_name_are_shown_as_they_are() -> None:
    named = replace(analysis(()), video=VideoInfo("[bold]x.mp4", 1, 1, 1, 1))
    assert "[bold]x.mp4" in text(rep_table(named))


_SERVER = ("sqlalchemy", "flask", "distributed", "torch", "scipy.stats")


@pytest.mark.parametrize(
    ("engine", "heavy"),
    [("mediapipe", _SERVER), ("openvino", (*_SERVER, "matplotlib", "mediapipe", "openvino_telemetry"))],
)
def test_predicting_loads_no_server_and_no_cluster(tmp_path: Path, engine: str, heavy: tuple[str, ...]) -> None:
    """Their libraries take longer to load than a short video takes. MediaPipe itself loads matplotlib."""
    render(synthetic.LiftPlan(reps=(synthetic.RepPlan(),), width=320, height=240), tmp_path / "lift.mp4")
    code = f"""
import sys
from backend.cli import main
sys.argv = ["deadlift", "predict", {str(tmp_path / "lift.mp4")!r}]
try:
    main()
except SystemExit as end:
    assert not end.code
print("loaded:", *(name for name in {heavy!r} if name in sys.modules))
"""
    environment = os.environ | {"POSE_ENGINE": engine, "DATA_DIR": str(tmp_path)}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert "1 rep" in found.stdout
    assert found.stdout.splitlines()[-1].split() == ["loaded:"]


def test_csv_has_a_line_per_repetition_numbered_from_one() -> None:
    found = analysis()
    lines = as_csv([found, replace(found, reps=(), scores=())]).splitlines()
    assert (
        lines[0]
        == "video,rep,start_s,top_s,end_s,score,label,reliable,hindrance,reasons,back_bow,back_is_rounded,flagged_by"
    )
    assert [line.split(",")[1] for line in lines[1:]] == [str(n) for n in range(1, len(found.reps) + 1)]
    first, score = found.reps[0], found.scores[0]
    assert lines[1].split(",")[2:8] == [
        str(round(first.start_s, 3)), str(round(first.top_s, 3)), str(round(first.end_s, 3)),
        str(round(score.score, 4)), score.label, str(score.reliable).lower(),
    ]  # fmt: skip


def test_csv_on_standard_output_is_nothing_but_csv(clip: Path) -> None:
    result = run(clip, "--csv", "-")
    assert (
        result.stdout
        == "video,rep,start_s,top_s,end_s,score,label,reliable,hindrance,reasons,back_bow,back_is_rounded,flagged_by\n"
    )


def test_a_model_can_be_chosen(clip: Path, tmp_path: Path) -> None:
    detector = replace(load_detector(), name="mine")
    detector.save(tmp_path / "mine")
    (found,) = json.loads(run(clip, "--json", "-", "--model", tmp_path / "mine").stdout)
    assert found["model_version"] == detector.version


def test_a_project_without_a_model_of_its_own_is_named_with_those_that_have_one(clip: Path) -> None:
    registry = registry_of(Settings())
    registry.publish(3, load_detector(), "", {}, [])
    result = run(clip, "--project", 99)
    assert isinstance(result.exception, BackendError)
    assert "Project 99 has no model of its own" in str(result.exception)
    assert "Projects with one: 3." in str(result.exception)


def test_a_project_judges_by_its_model(clip: Path) -> None:
    registry = registry_of(Settings())
    version = registry.publish(3, load_detector(), "", {}, [])
    registry.promote(3, version.name)
    (found,) = json.loads(run(clip, "--json", "-", "--project", 3).stdout)
    assert found["model_version"] == version.model.version


def test_a_project_judges_at_its_rate_of_false_alarms(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry_of(Settings()).choose_rate(4, 0.2)
    monkeypatch.setenv("FALSE_ALARM_RATE", "0.1")
    base = load_detector().version
    for options, percent in ((("--project", 4), 20), ((), 10)):
        (found,) = json.loads(run(clip, "--json", "-", *options).stdout)
        assert found["model_version"] == f"{base}-at-{percent}%"


def test_a_video_at_an_address_is_fetched(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = MediaServer(reply(body=clip.read_bytes()))
    monkeypatch.setenv("MEDIA_HOSTS", "127.0.0.1")
    (found,) = json.loads(run(f"{server.url}/set1.mp4?token=secret", "--json", "-").stdout)
    assert (found["width"], found["height"]) == (64, 48)
    assert found["video"].endswith("/set1.mp4")
    server.close()


def test_what_is_no_video_at_an_address_is_named_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    server = MediaServer(reply(body=b"words"))
    monkeypatch.setenv("MEDIA_HOSTS", "127.0.0.1")
    result = run(f"{server.url}/notes.txt")
    assert result.exit_code == 1
    assert f"{server.url}/notes.txt: " in result.stderr
    assert "/tmp" not in result.stderr.replace(server.url, "")
    server.close()


def test_an_address_in_a_private_network_is_not_fetched_unasked() -> None:
    server = MediaServer(reply(body=b"words"))
    result = run(f"{server.url}/set1.mp4")
    assert result.exit_code == 1
    assert "MEDIA_HOSTS" in result.stderr
    assert server.requests == []
    server.close()


def test_a_back_that_looks_rounded_is_told() -> None:
    found = analysis((0.1, 0.9))
    found = replace(found, scores=(replace(found.scores[0], back_bow=0.0612), found.scores[1]))
    assert [(rep["back_bow"], rep["back_is_rounded"]) for rep in as_json(found)["reps"]] == [
        (0.061, True),
        (None, False),
    ]
    assert [line.split(",")[10:] for line in as_csv([found]).splitlines()[1:]] == [
        ["0.061", "true", ""],
        ["", "false", ""],
    ]
    assert text(rep_table(found)).count("the back looks rounded") == 1
    assert "the back looks rounded" not in text(rep_table(analysis((0.1, 0.9))))


def test_what_flagged_a_repetition_is_written() -> None:
    found = analysis((0.1, 0.9))
    flagged = replace(found.scores[1], flagged_by=("statistics", "autoencoder"))
    found = replace(found, scores=(found.scores[0], flagged))
    assert [rep["flagged_by"] for rep in as_json(found)["reps"]] == [[], ["statistics", "autoencoder"]]
    assert as_csv([found]).splitlines()[2].endswith(",statistics; autoencoder")
    assert list(found.to_frame()["flagged_by"]) == ["", "statistics; autoencoder"]
