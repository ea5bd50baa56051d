"""kill -9 of the server, of a worker and of the training process amid work. benchmarks/kill_test.py does it often."""

from __future__ import annotations

from pathlib import Path

import pytest
from kill_rounds import rounds


@pytest.mark.long
@pytest.mark.parametrize("kind", ["server", "worker", "trainer"])
def test_what_is_killed_loses_nothing_and_leaves_nothing_torn_or_twice(kind: str, tmp_path: Path) -> None:
    events, wrong = rounds(kind, 2, tmp_path)
    assert wrong == []
    assert events["kills"] == 2
