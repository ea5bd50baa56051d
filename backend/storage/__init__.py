"""What must survive a restart, in SQLite and folders: jobs, labels, runs, ledgers."""
