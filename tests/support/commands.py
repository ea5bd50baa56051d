"""Runs `deadlift` as people do: in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys


def deadlift(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from backend.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | variables, check=False)
