"""Runs a Python script that ends when its starter does, however that ended; run in Label Studio's environment.

    python labelstudio_launcher.py SCRIPT [ARGUMENT ...]

The starter holds the other end of stdin, and the system closes that with it, even when it is killed.
"""

import os
import runpy
import signal
import sys
import threading


def _end_with_starter() -> None:
    while os.read(0, 1):  # not through sys.stdin, whose lock breaks the end of the interpreter
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_end_with_starter, daemon=True).start()
    sys.argv = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")
