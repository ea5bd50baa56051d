"""What a run over an archive would do with each video, without doing any of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from backend.archives.target import Foreseen, Target
from backend.labelstudio.addresses import shown_address
from backend.storage.ledger import Source
from pipeline.errors import PipelineError
from pipeline.media import reading


@dataclass(frozen=True)
class Planned:
    """A video, and what a run would do with it.

    state: queued, analyzed, failed, "given up" or done, see `Ledger.known`. task, same_as: how it would come to one,
    see `Foreseen`. problem: why a file that is still to be analyzed cannot be read, "" where it can, or is not here.
    """

    video: str
    state: str
    task: str = ""
    problem: str = ""
    same_as: str = ""


def plan(sources: Sequence[Source], states: Iterable[str], target: Target) -> Iterator[Planned]:
    """Each video with what would be done. The beginning of each file that is to be analyzed is read."""
    for source, state in zip(sources, states, strict=True):
        shown = shown_address(source.name)
        problem = _problem(source) if state in ("queued", "failed") else ""
        task = Foreseen("") if problem or state in ("done", "given up") else target.new_task(source)
        yield Planned(shown, state, task.kind, problem, task.same_as)


def counts(planned: Iterable[Planned]) -> dict[str, int]:
    """How many videos are in each state, cannot be read (`unreadable`, beside their state), and how they would come
    to a task."""
    found = Counter[str]()
    for one in planned:
        found[one.state] += 1
        found.update(name for name in (one.task, "unreadable" if one.problem else "") if name)
    return dict(found)


def _problem(source: Source) -> str:
    path = Path(source.media)
    if source.task is not None or not path.is_absolute():
        return ""
    try:
        reading.probe(path)
    except PipelineError as error:
        return str(error).removeprefix(f"{source.media}: ")
    return ""
