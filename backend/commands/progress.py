"""Progress bars of commands, on terminals only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn

from pipeline.records import OnProgress


def progress_bar(*columns: ProgressColumn) -> Progress:
    """A bar on stderr that is gone when it ends, with these columns or rich's own; nothing where there is no terminal,
    on which rich would leave an empty line."""
    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


@contextmanager
def video_bar(console: Console, videos: Sequence[Path]) -> Iterator[Callable[[int, str], OnProgress]]:
    """Gives a function of a video's index and of what is done with it, to call at the beginning of each such step; it
    returns the callback for the progress of that step. Draws nothing where there is no terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"))
    bars = Progress(*columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal)
    with bars as progress:
        shown = progress.add_task("", total=1.0)

        def begin(index: int, doing: str) -> OnProgress:
            what = f"{escape(videos[index].name)} ({index + 1}/{len(videos)}) {doing}"
            progress.reset(shown, description=what, total=1.0)
            return lambda share: progress.update(shown, completed=share)

        yield begin
