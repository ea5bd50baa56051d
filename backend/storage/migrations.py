"""The schema of the database in numbered steps. A new database takes all of them, an earlier one those that it lacks.

The number of the last step taken is in `PRAGMA user_version`; databases of release 0.1.0 have 0 there. To change the
schema, change the mapped classes and append a step that does the same to a database which has data in it; steps that
were once released never change. Tests compare what the steps make with the mapped classes.
"""

from __future__ import annotations

from sqlalchemy import Connection, Engine

from backend.errors import BackendError

_TABLES_OF_0_1_0 = (
    # Release 0.1.0 made each table when it was first needed, so that its databases may lack some of them.
    """
    CREATE TABLE IF NOT EXISTS projects (
        id INTEGER NOT NULL PRIMARY KEY,
        label_config VARCHAR NOT NULL,
        seen_at DATETIME NOT NULL
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS jobs (
        id INTEGER NOT NULL PRIMARY KEY,
        project INTEGER NOT NULL,
        task INTEGER NOT NULL,
        media VARCHAR NOT NULL,
        model_version VARCHAR NOT NULL,
        config VARCHAR NOT NULL,
        data JSON NOT NULL,
        state VARCHAR NOT NULL,
        attempts INTEGER NOT NULL,
        error_type VARCHAR NOT NULL,
        error_message VARCHAR NOT NULL,
        result VARCHAR NOT NULL,
        delivery VARCHAR NOT NULL,
        delivered_at DATETIME,
        prediction_id INTEGER,
        created_at DATETIME NOT NULL,
        updated_at DATETIME NOT NULL,
        UNIQUE (project, task, media, model_version, config)
    )
    """,
    "CREATE INDEX IF NOT EXISTS jobs_by_task ON jobs (task)",
    "CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state)",
    """
    CREATE TABLE IF NOT EXISTS annotations (
        id INTEGER NOT NULL PRIMARY KEY,
        project INTEGER NOT NULL,
        task INTEGER NOT NULL,
        media VARCHAR NOT NULL,
        annotator INTEGER,
        was_cancelled BOOLEAN NOT NULL,
        ground_truth BOOLEAN NOT NULL,
        parent_prediction INTEGER,
        updated_at VARCHAR NOT NULL,
        deleted BOOLEAN NOT NULL,
        received_at DATETIME NOT NULL
    )
    """,
    "CREATE INDEX IF NOT EXISTS ix_annotations_task ON annotations (task)",
    """
    CREATE TABLE IF NOT EXISTS annotation_sources (
        annotation_id INTEGER NOT NULL PRIMARY KEY REFERENCES annotations (id) ON DELETE CASCADE,
        data JSON NOT NULL,
        result JSON NOT NULL,
        lead_time DOUBLE
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS labeled_regions (
        id INTEGER NOT NULL PRIMARY KEY,
        annotation_id INTEGER NOT NULL REFERENCES annotations (id) ON DELETE CASCADE,
        region VARCHAR NOT NULL,
        start_s DOUBLE NOT NULL,
        end_s DOUBLE NOT NULL,
        label VARCHAR NOT NULL,
        origin VARCHAR NOT NULL
    )
    """,
    "CREATE INDEX IF NOT EXISTS ix_labeled_regions_annotation_id ON labeled_regions (annotation_id)",
    "CREATE TABLE IF NOT EXISTS deleted_tasks (id INTEGER NOT NULL PRIMARY KEY)",
    """
    CREATE TABLE IF NOT EXISTS labels_read (
        project INTEGER NOT NULL PRIMARY KEY,
        label_config VARCHAR NOT NULL
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS received_events (
        id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        body BLOB NOT NULL,
        received_at DATETIME NOT NULL,
        tries INTEGER NOT NULL,
        put_off_until DATETIME
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS runs (
        id INTEGER NOT NULL PRIMARY KEY,
        project INTEGER NOT NULL,
        reason VARCHAR NOT NULL,
        state VARCHAR NOT NULL,
        attempts INTEGER NOT NULL,
        is_cancelled BOOLEAN NOT NULL,
        phase VARCHAR NOT NULL,
        epoch INTEGER NOT NULL,
        loss DOUBLE,
        percent DOUBLE NOT NULL,
        version VARCHAR NOT NULL,
        message VARCHAR NOT NULL,
        labels_at DATETIME,
        started_at DATETIME,
        created_at DATETIME NOT NULL,
        updated_at DATETIME NOT NULL
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS ledger (
        id INTEGER NOT NULL PRIMARY KEY,
        target VARCHAR NOT NULL,
        source VARCHAR NOT NULL,
        model_version VARCHAR NOT NULL,
        config VARCHAR NOT NULL,
        media VARCHAR NOT NULL,
        fingerprint VARCHAR NOT NULL,
        run INTEGER NOT NULL,
        state VARCHAR NOT NULL,
        failures INTEGER NOT NULL,
        error_type VARCHAR NOT NULL,
        error_message VARCHAR NOT NULL,
        result VARCHAR NOT NULL,
        task INTEGER,
        prediction INTEGER,
        updated_at DATETIME NOT NULL,
        UNIQUE (target, source, model_version, config)
    )
    """,
    "CREATE INDEX IF NOT EXISTS ledger_by_run ON ledger (run, state)",
    """
    CREATE TABLE IF NOT EXISTS looks (
        project INTEGER NOT NULL,
        media_digest VARCHAR NOT NULL,
        cluster INTEGER NOT NULL,
        is_leader BOOLEAN NOT NULL,
        look JSON NOT NULL,
        PRIMARY KEY (project, media_digest)
    )
    """,
    "CREATE TABLE IF NOT EXISTS sampling (project INTEGER NOT NULL PRIMARY KEY, is_diverse BOOLEAN NOT NULL)",
)

_NAMES_OF_LABEL_STUDIO = (
    "CREATE TABLE label_studio_names (url VARCHAR NOT NULL PRIMARY KEY, seen_at DATETIME NOT NULL)",
    # Of several timelines on a page another one may be that of repetitions now: labels are read anew at the next pull.
    "DELETE FROM labels_read WHERE label_config LIKE '%TimelineLabels%TimelineLabels%TimelineLabels%'",
)

_SUMMARIES = (
    """
    CREATE TABLE video_summaries (
        job_id INTEGER NOT NULL PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
        summarized_at DATETIME NOT NULL,
        media_digest VARCHAR NOT NULL,
        reps INTEGER NOT NULL,
        anomalies INTEGER NOT NULL,
        unreliable INTEGER NOT NULL,
        confidence DOUBLE,
        duration_s DOUBLE NOT NULL,
        fps DOUBLE NOT NULL,
        variable_rate BOOLEAN NOT NULL,
        codec VARCHAR NOT NULL,
        width INTEGER NOT NULL,
        height INTEGER NOT NULL,
        late_start_s DOUBLE NOT NULL
    )
    """,
    "CREATE INDEX video_summaries_by_time ON video_summaries (summarized_at)",
    "CREATE INDEX video_summaries_by_digest ON video_summaries (media_digest)",
    """
    CREATE TABLE rep_summaries (
        job_id INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        start_s DOUBLE NOT NULL,
        top_s DOUBLE NOT NULL,
        end_s DOUBLE NOT NULL,
        score DOUBLE NOT NULL,
        reliable BOOLEAN NOT NULL,
        PRIMARY KEY (job_id, number)
    )
    """,
    "CREATE INDEX jobs_newest ON jobs (project, task, id, state, error_type)",
    "CREATE INDEX jobs_by_update ON jobs (state, updated_at)",
    "CREATE INDEX jobs_by_prediction ON jobs (prediction_id)",
    "CREATE INDEX annotations_by_project ON annotations (project)",
)

_ORIGINS_AND_REFUSALS = (
    "ALTER TABLE annotation_sources ADD COLUMN begun_at DATETIME",
    "CREATE TABLE refused_setups (project INTEGER NOT NULL PRIMARY KEY, message VARCHAR NOT NULL, "
    "refused_at DATETIME NOT NULL)",
)

_WHY_NONE = (
    # Rows of summaries are made anew of the results, which say why there is no repetition.
    "DELETE FROM rep_summaries",
    "DELETE FROM video_summaries",
    "ALTER TABLE video_summaries ADD COLUMN why_none VARCHAR NOT NULL DEFAULT ''",
)

_WARNINGS = ("ALTER TABLE video_summaries ADD COLUMN warning VARCHAR NOT NULL DEFAULT ''",)

_UNDELIVERED = ("CREATE INDEX jobs_undelivered ON jobs (project, id) WHERE state = 'done' AND delivery != 'pushed'",)

_REASONS = (
    # Made anew of the results, with the reasons.
    "DELETE FROM rep_summaries",
    "DELETE FROM video_summaries",
    "ALTER TABLE rep_summaries ADD COLUMN reasons JSON NOT NULL DEFAULT '[]'",
)

_UNPLAYABLE = (
    # Made anew of the results: whether browsers play a video is not a matter of its codec alone.
    "DELETE FROM rep_summaries",
    "DELETE FROM video_summaries",
    "ALTER TABLE video_summaries ADD COLUMN unplayable VARCHAR NOT NULL DEFAULT ''",
)

# Results of earlier releases say nothing of backs, so that their rows are right.
_BACKS = ("ALTER TABLE rep_summaries ADD COLUMN back_bow DOUBLE",)

# Which job of a task counts is a matter of its model and time as well.
_COUNTING_JOBS = (
    "DROP INDEX jobs_newest",
    "CREATE INDEX jobs_newest ON jobs (project, task, model_version, updated_at, id, state, error_type)",
)

# What a training said of the model that came of it was no longer true after a roll-back.
_WAS_PUT_IN_USE = (
    "UPDATE runs SET message = replace(message, ' is in use. ', ' was put in use. ') WHERE state = 'done'",
)

# What could not be judged is no anomaly.
_UNJUDGED = (
    "UPDATE video_summaries SET anomalies = (SELECT count(*) FROM rep_summaries AS rep "
    "WHERE rep.job_id = video_summaries.job_id AND rep.reliable AND rep.score >= 0.5)",
)

_COMPARED_ONE_BY_ONE = (
    # Which summaries are made anew does not depend on the order of times: a clock may be set back.
    "DROP INDEX video_summaries_by_time",
)

STEPS: tuple[tuple[str, ...], ...] = (
    _TABLES_OF_0_1_0,
    _NAMES_OF_LABEL_STUDIO,
    _SUMMARIES,
    _ORIGINS_AND_REFUSALS,
    _WHY_NONE,
    _WARNINGS,
    _UNDELIVERED,
    _REASONS,
    _UNPLAYABLE,
    _BACKS,
    _COUNTING_JOBS,
    _WAS_PUT_IN_USE,
    _UNJUDGED,
    _COMPARED_ONE_BY_ONE,
)
"""The statements of each step; the step at index n brings a database from version n to n + 1."""


def upgrade(engine: Engine, steps: tuple[tuple[str, ...], ...] = STEPS) -> None:
    """Bring a database to the newest version, in one transaction: whatever happens, all of it is done or nothing.

    Of several processes that open a database at once one does it. Raises BackendError where a later release made the
    database.
    """
    with engine.connect() as connection:
        if not _missing(connection, steps):
            return
        connection.rollback()
        # Python's sqlite3 begins transactions before changes of data alone, not before CREATE and ALTER.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        for step in steps[len(steps) - _missing(connection, steps) :]:
            for statement in step:
                connection.exec_driver_sql(statement)
        connection.exec_driver_sql(f"PRAGMA user_version = {len(steps)}")
        connection.commit()


def steps_to_take(engine: Engine, steps: tuple[tuple[str, ...], ...] = STEPS) -> int:
    """How many steps a database lacks. Raises BackendError where a later release made it."""
    with engine.connect() as connection:
        return _missing(connection, steps)


def _missing(connection: Connection, steps: tuple[tuple[str, ...], ...]) -> int:
    version = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
    if version > len(steps):
        raise BackendError(
            f"{connection.engine.url.database}: made by a later release (its schema has version {version}, this "
            f"release knows versions up to {len(steps)}). Install that release again, or choose another DATA_DIR."
        )
    return len(steps) - version
