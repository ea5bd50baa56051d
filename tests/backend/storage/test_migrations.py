"""The schema in steps: new databases, those of the last release, those of a later one, and upgrades that break off."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest
from places import RELEASE_0_1_0
from sqlalchemy import create_engine, inspect, select
from sqlalchemy.orm import Session

# All modules with tables.
from backend.datasets.queries import digests
from backend.errors import BackendError
from backend.sampling.clusters import Clusters
from backend.storage import overview, summaries
from backend.storage.analysis_json import load_analysis
from backend.storage.annotation_json import sources
from backend.storage.database import Base
from backend.storage.jobs import Job, Store
from backend.storage.ledger import Ledger
from backend.storage.migrations import _UNJUDGED, _WAS_PUT_IN_USE, STEPS, upgrade
from backend.storage.runs import Run, Runs
from backend.storage.setups import refused_setups
from backend.storage.summaries import RepSummary, VideoSummary
from pipeline.config import PoseConfig
from pipeline.pose.cache import PoseCache


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def tables_of(path: Path) -> dict[str, set[str]]:
    with closing(sqlite3.connect(path)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: {row[1] for row in connection.execute(f"PRAGMA table_info({name})")} for name in names}


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """A database as release 0.1.0 left it."""
    path = tmp_path / "released.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((RELEASE_0_1_0 / "database.sql").read_text())
    return path


@pytest.fixture
def opened(released: Path) -> Iterator[Store]:
    store = Store(f"sqlite:///{released}")
    yield store
    store.close()


# Versions


def test_a_new_database_has_the_newest_version(store: Store, tmp_path: Path) -> None:
    assert version_of(tmp_path / "backend.sqlite3") == len(STEPS)


def test_a_database_of_the_last_release_becomes_the_newest(opened: Store, released: Path) -> None:
    assert version_of(released) == len(STEPS)


def test_tables_that_the_last_release_had_not_needed_yet_are_made(released: Path) -> None:
    with closing(sqlite3.connect(released)) as connection:
        connection.execute("DROP TABLE ledger")
    with closing(Store(f"sqlite:///{released}")) as store:
        assert Ledger(store.engine).counts(1) == {}


def test_the_steps_make_what_the_classes_say(store: Store) -> None:
    made, declared = inspect(store.engine), Base.metadata.tables
    assert set(made.get_table_names()) == set(declared)
    for name, table in declared.items():
        columns = {one["name"]: (str(one["type"]), one["nullable"]) for one in made.get_columns(name)}
        assert columns == {
            one.name: (one.type.compile(store.engine.dialect), bool(one.nullable)) for one in table.columns
        }
        assert made.get_pk_constraint(name)["constrained_columns"] == [one.name for one in table.primary_key]
        indexes = {str(one["name"]): one["column_names"] for one in made.get_indexes(name)}
        assert indexes == {str(one.name): [column.name for column in one.columns] for one in table.indexes}
        assert [one["referred_table"] for one in made.get_foreign_keys(name)] == [
            key.column.table.name for key in table.foreign_keys
        ]


def test_what_is_unique_stays_so(store: Store) -> None:
    made = inspect(store.engine)
    unique = {name: [one["column_names"] for one in made.get_unique_constraints(name)] for name in ("jobs", "ledger")}
    assert unique == {
        "jobs": [["project", "task", "media", "model_version", "config"]],
        "ledger": [["target", "source", "model_version", "config"]],
    }


def test_a_database_of_a_later_release_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "later.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(BackendError, match=rf"{path}: made by a later release .*99.* choose another DATA_DIR"):
        Store(f"sqlite:///{path}")
    assert tables_of(path) == {}


def test_an_upgrade_that_breaks_off_leaves_everything_as_it_was(released: Path) -> None:
    before = tables_of(released)
    steps = (("ALTER TABLE jobs ADD COLUMN more INTEGER", "CREATE TABLE more (id INTEGER)"), ("NOT SQL",))
    engine = create_engine(f"sqlite:///{released}")
    with pytest.raises(Exception, match="syntax error"):
        upgrade(engine, steps)
    engine.dispose()
    assert (version_of(released), tables_of(released)) == (0, before)


def test_only_steps_that_are_missing_are_taken(released: Path) -> None:
    engine = create_engine(f"sqlite:///{released}")
    first, second = ("CREATE TABLE one (id INTEGER)",), ("CREATE TABLE two (id INTEGER)",)
    for steps in ((first,), (first, second), (first, second)):
        upgrade(engine, steps)
    engine.dispose()
    assert version_of(released) == 2
    assert {"one", "two"} <= tables_of(released).keys()


def test_what_came_of_a_training_is_told_of_the_past(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/earlier.sqlite3")
    upgrade(engine, STEPS[: STEPS.index(_WAS_PUT_IN_USE)])
    with Session(engine) as session, session.begin():
        for state, message in (("done", "p1-v0003-0badc0de is in use. Not worse."), ("failed", "It is in use. ")):
            session.add(Run(project=1, reason="Start Training", state=state, message=message))
    upgrade(engine)
    with Session(engine) as session:
        messages = session.scalars(select(Run.message).order_by(Run.id)).all()
    engine.dispose()
    assert messages == ["p1-v0003-0badc0de was put in use. Not worse.", "It is in use. "]


def test_repetitions_that_could_not_be_judged_are_counted_anew(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/earlier.sqlite3")
    upgrade(engine, STEPS[: STEPS.index(_UNJUDGED)])
    moment = datetime(2026, 1, 1)
    with Session(engine) as session, session.begin():
        session.add(Job(task=1, project=1, media="a.mp4", model_version="m", config="c", data={}, state="done"))
        lengths = dict.fromkeys(("duration_s", "fps", "late_start_s"), 1.0)
        counts = dict.fromkeys(("reps", "anomalies", "unreliable", "width", "height"), 3)
        times = dict.fromkeys(("start_s", "top_s", "end_s"), 1.0)
        for number, (score, reliable) in enumerate([(0.9, True), (0.9, False), (0.1, True)], start=1):
            session.add(RepSummary(job_id=1, number=number, score=score, reliable=reliable, reasons=[], **times))
        session.add(
            VideoSummary(
                job_id=1, summarized_at=moment, media_digest="", variable_rate=False, codec="", **lengths, **counts
            )
        )
    upgrade(engine)
    with Session(engine) as session:
        assert session.scalars(select(VideoSummary.anomalies)).all() == [1]
    engine.dispose()


# What the last release kept is read


def job_of(store: Store, task: int) -> Job:
    (found,) = [job for job in store.jobs() if job.task == task]
    return found


def test_projects_and_jobs_are_read(opened: Store) -> None:
    assert [one.id for one in opened.projects()] == [1, 2]
    assert {job.task: (job.state, job.delivery, job.prediction_id) for job in opened.jobs()} == {
        11: ("done", "pushed", 1001),
        12: ("done", "answered", None),
        13: ("failed", "", None),
    }
    assert job_of(opened, 13).error_type == "NotAVideo"


def test_results_are_read(opened: Store) -> None:
    analysis = load_analysis(job_of(opened, 11).result)
    assert [(rep.start_s, rep.top_s, rep.end_s) for rep in analysis.reps] == [(1.0, 2.0, 3.0), (4.0, 5.0, 6.0)]
    assert [(one.score, one.label) for one in analysis.scores] == [(0.2, "normal"), (0.9, "anomalous")]
    assert (analysis.media_digest, analysis.model_version, analysis.video.fps) == ("a" * 64, "base-1", 25.0)


def test_labels_are_read(opened: Store) -> None:
    found = {one.id: (one.task, one.ground_truth, one.deleted) for one in opened.labels.annotations()}
    assert found == {21: (11, True, False), 22: (12, False, False), 23: (0, False, True)}
    assert overview.label_counts(opened.engine)[1] == {"normal": (2, 0), "anomalous": (1, 0)}
    kept = sources(opened.engine, [21])[21]
    assert (kept.lead_time, kept.data["fps"], kept.result[2]["value"]["choices"]) == (12.5, 25.0, ["Hitching"])
    assert opened.labels.deleted_tasks() == {99}
    assert opened.labels.read_by(1) == opened.label_config(1) != ""


def test_events_that_were_not_stored_yet_are_read(opened: Store) -> None:
    assert [event.body for event in opened.events.received()] == [
        b'{"action": "PROJECT_UPDATED", "project": {"id": 1}}'
    ]


def test_runs_are_read(opened: Store) -> None:
    asked, done = Runs(opened).runs()
    assert (asked.state, done.state, done.version, done.epoch, done.loss) == ("queued", "done", "project-1-1", 3, 0.25)


def test_ledgers_are_read(opened: Store) -> None:
    ledger = Ledger(opened.engine)
    assert ledger.owners("folder /out") == {11: "/videos/drawn.mp4"}
    run = ledger.begin("folder /out", "base-1", "0123456789abcdef", [])
    assert ledger.counts(run) == {}


def test_clusters_are_read(opened: Store) -> None:
    clusters = Clusters(opened)
    assert not clusters.is_diverse(1)
    assert [clusters.of(1, load_analysis(job_of(opened, task).result)) for task in (11, 12)] == [1, 2]


def test_an_earlier_release_refused_no_project(opened: Store) -> None:
    assert list(refused_setups(opened.engine)) == []


def test_videos_of_annotations_are_known(opened: Store) -> None:
    with Session(opened.engine) as session:
        known = digests(session, opened.labels.annotations())
    assert known == {21: "a" * 64, 22: "b" * 64}


def test_landmarks_are_read() -> None:
    pose = PoseCache(RELEASE_0_1_0 / "poses").get("c" * 64, PoseConfig(engine="mediapipe"))
    assert pose is not None
    assert (len(pose.time), pose.detected.all()) == (4, True)


def test_results_are_listed_as_pages_show_them(opened: Store) -> None:
    summaries.refresh(opened.engine)
    results = [load_analysis(job.result) for job in opened.jobs() if job.state == "done"]
    with Session(opened.engine) as session:
        listed = session.scalars(select(VideoSummary.reps)).all()
    assert sorted(listed) == sorted(len(result.reps) for result in results) != []
