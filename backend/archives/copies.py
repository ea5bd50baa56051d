"""Copies that browsers play, beside the files that they do not play: one writer for each."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from weakref import WeakValueDictionary

from pipeline.errors import VideoError
from pipeline.media.playable_copy import copy_of, make_playable

log = logging.getLogger(__name__)


class Locks:
    """A lock for each name, as long as somebody has it."""

    def __init__(self) -> None:
        self._held: WeakValueDictionary[str, Lock] = WeakValueDictionary()
        self._guard = Lock()

    def of(self, name: str) -> Lock:
        with self._guard:
            return self._held.setdefault(name, Lock())


_COPYING = Locks()
"""By the paths of copies."""


@dataclass(frozen=True)
class Copy:
    """A copy beside a file. is_new: it was written just now."""

    path: Path
    is_new: bool


def copy_beside(video: Path) -> Copy | None:
    """A copy of a file that browsers play, made unless it is there; None, and a line in the log, where none can be."""
    try:
        path = copy_of(video)
        with _COPYING.of(str(path.resolve())):  # a file may be given twice, by way of a linked folder
            is_new = not path.exists() or path.stat().st_mtime < video.stat().st_mtime
            if is_new:
                make_playable(video, path)
    except (OSError, VideoError) as error:
        log.warning("%s: no copy was made that browsers play. %s", video, error)
        return None
    return Copy(path, is_new)
