"""`deadlift train --project`: a project that is not there is refused before a run is stored."""

from __future__ import annotations

from typing import cast

import pytest

from backend.commands.train import check_is_there, train
from backend.errors import BackendError, LabelStudioError, NotInLabelStudio
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.records import ProjectInfo
from pipeline.errors import DatasetError


class _Studio:
    """A Label Studio with one project, or one that does not answer."""

    def __init__(self, answers: bool = True) -> None:
        self._answers = answers

    def label_config(self, project: int) -> str:
        if not self._answers:
            raise LabelStudioError("Label Studio does not answer.")
        if project != 4:
            raise NotInLabelStudio(f"Label Studio does not have project {project}.")
        return "<View/>"

    def projects(self) -> list[ProjectInfo]:
        return [ProjectInfo(4, "Deadlifts", "<View/>", "")]


def check(project: int, studio: _Studio) -> None:
    check_is_there(cast(LabelStudioClient, studio), project)


def test_an_unknown_project_is_named_with_those_that_are_there() -> None:
    with pytest.raises(BackendError, match=r"does not have project 99\. It has: 4 \(Deadlifts\)\."):
        check(99, _Studio())


def test_a_project_that_is_there_may_train() -> None:
    check(4, _Studio())


def test_a_label_studio_that_does_not_answer_is_no_reason_to_refuse() -> None:
    check(99, _Studio(answers=False))


def test_a_method_is_of_the_base_and_not_of_one_training_of_a_project() -> None:
    with pytest.raises(DatasetError, match="MODEL_DIR"):
        train(project=4, method="statistics")
