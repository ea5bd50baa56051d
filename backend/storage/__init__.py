"""What must survive a restart, in SQLite and folders: jobs, labels, runs, ledgers.

Tables are classes of SQLAlchemy, and most statements are its own, for whatever database. What is SQLite's alone, and
another database would need otherwise:

- `database.py`: the address, pragmas, how many values a statement takes;
- `migrations.py`: the tables as SQL, and `PRAGMA user_version`;
- `jobs.py`, `waiting.py`, `labels.py`, `ledger.py`, `setups.py`, `backend/sampling/clusters.py`: upserts, by
  `sqlalchemy.dialects.sqlite.insert`;
- `runs.py`, `backend/sampling/clusters.py`: a first UPDATE takes the one lock for writing, against other processes;
- `labels.py`, `received_events.py`, `annotation_json.py`: statements in SQL, with `?`, `:name` and `ON CONFLICT`;
- `video_filter.py`: the id beside `max()`, `printf`;
- `ledger.py`, `jobs.py`, `backend/datasets/queries.py`: `json_extract`.
"""
