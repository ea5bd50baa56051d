"""Who is meant by a number, a name or an e-mail address."""

from __future__ import annotations

import pytest
from label_studio_api import FakeLabelStudio
from labelled_project import NOWHERE, LabelledProject
from pydantic import SecretStr

from backend.datasets.annotators import annotators_called
from backend.errors import BackendError
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.records import Access


@pytest.mark.parametrize("called", ["7", "user 7", "ANNA LIFT", "anna@example.com", "anna"])
def test_people_are_meant_by_number_name_or_address(
    project: LabelledProject, label_studio: FakeLabelStudio, called: str
) -> None:
    anna = {"id": 7, "first_name": "Anna", "last_name": "Lift", "email": "anna@example.com", "username": "anna"}
    label_studio.users = [anna, {"id": 8, "username": "bob"}]
    client = LabelStudioClient(Access(label_studio.url, SecretStr(label_studio.refresh_token)))
    assert annotators_called([called], project.store, client, 1) == (7,)
    with pytest.raises(BackendError, match=r"Nobody called bob .* these have: 7 [(]Anna Lift, anna@example.com, anna"):
        annotators_called([called, "bob"], project.store, client, 1)


def test_without_label_studio_people_are_meant_by_number(project: LabelledProject) -> None:
    client = LabelStudioClient(NOWHERE)
    assert annotators_called(["7"], project.store, client, 1) == (7,)
    with pytest.raises(BackendError, match=r"Nobody called 9 has labelled in project 1; these have: 7[.]"):
        annotators_called(["9"], project.store, client, 1)
