"""Loaded by each Dask worker process: a Ctrl-C in the terminal is for the server, which then stops its workers."""

import signal


def dask_setup(worker: object) -> None:
    """Called by Dask in the main thread of a new worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
