"""An archive into a real Label Studio, with one SIGKILL on the way; benchmarks/prelabel_kills.py with more of both."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.long]


def test_a_killed_run_goes_on_and_nothing_is_made_twice(tmp_path: Path) -> None:
    ended = subprocess.run(
        [
            *(sys.executable, str(ROOT / "benchmarks" / "prelabel_kills.py")),
            *("--videos=6", "--kills=1", f"--drawn={tmp_path}"),
        ],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "start 1: killed" in ended.stdout
