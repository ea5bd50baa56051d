"""Reading labels and writing datasets needs no cluster and no networks: importing it loads none of their libraries."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("distributed", "dask", "torch", "mediapipe")


@pytest.mark.parametrize("name", ["backend.datasets", "backend.datasets.export", "pipeline.datasets.verify"])
def test_datasets_load_no_cluster_and_no_networks(name: str) -> None:
    code = f"import sys, {name}; print(*(one for one in {HEAVY!r} if one in sys.modules))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == []
