"""Which users of Label Studio are meant by numbers, names or e-mail addresses."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.errors import BackendError, LabelStudioError
from backend.labelstudio.client import LabelStudioClient
from backend.storage.jobs import Store
from backend.storage.labels import Annotation

_NUMBER = re.compile(r"(?:user )?(\d{1,18})")


def annotators_called(wanted: Sequence[str], store: Store, client: LabelStudioClient, project: int) -> tuple[int, ...]:
    """The users who labelled in a project and go by these names, e-mail addresses or numbers, in upper or lower case.

    Label Studio is asked for names where there are any. Raises BackendError for one that nobody who labelled goes by.
    """
    if not wanted:
        return ()
    there = _annotators(store, project)
    numbers = [_NUMBER.fullmatch(one.lower()) for one in wanted]
    names = {} if all(number and int(number[1]) in there for number in numbers) else _names(client)
    found: list[int] = []
    for one, number in zip(wanted, numbers, strict=True):
        meant = [user for user in there if one.casefold() in {name.casefold() for name in names.get(user, ())}]
        if not meant and number and int(number[1]) in there:
            meant = [int(number[1])]
        if not meant:
            known = ", ".join(" ".join((str(user), *_in_brackets(names.get(user, ())))) for user in there)
            raise BackendError(f"Nobody called {one} has labelled in project {project}; these have: {known or 'none'}.")
        found += meant
    return tuple(dict.fromkeys(found))


def _annotators(store: Store, project: int) -> list[int]:
    query = select(Annotation.annotator).where(Annotation.project == project, ~Annotation.deleted)
    with Session(store.engine) as session:
        return sorted(one for one in session.scalars(query.distinct()) if one is not None)


def _names(client: LabelStudioClient) -> Mapping[int, Sequence[str]]:
    """What users go by; none where Label Studio does not say it."""
    try:
        return client.names_of_people() if client.configured else {}
    except LabelStudioError:
        return {}


def _in_brackets(names: Sequence[str]) -> list[str]:
    return [f"({', '.join(names)})"] if names else []
