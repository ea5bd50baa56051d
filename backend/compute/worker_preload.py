"""Loaded by each Dask worker process: it makes way for the server, whose answers somebody waits for."""

import logging
import os
import signal

from backend import logs

NICENESS = 18


def dask_setup(worker: object) -> None:
    """Called by Dask in the main thread of a new worker process."""
    # A Ctrl-C in the terminal is for the server, which then stops its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICENESS)
    logs.set_up(logging.WARNING)
    os.umask(0o077)  # landmarks of people: only this user reads them
