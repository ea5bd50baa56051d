"""`deadlift train`: what is refused before anything is learnt."""

from __future__ import annotations

import pytest

from backend.commands.train import train
from pipeline.errors import DatasetError


def test_a_method_is_of_the_base_and_not_of_one_training_of_a_project() -> None:
    with pytest.raises(DatasetError, match="MODEL_DIR"):
        train(project=4, method="statistics")
