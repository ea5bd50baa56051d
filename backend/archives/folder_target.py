"""Predictions of an archive run in files, which are written from the ledger when the run is over."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from backend.archives.copies import copy_beside
from backend.archives.target import Delivered, Foreseen
from backend.labelstudio.addresses import shown_address
from backend.storage.analysis_json import dump_analysis
from backend.storage.ledger import Entry, Ledger, Source, is_address
from pipeline.records import Analysis

log = logging.getLogger(__name__)


class FolderTarget:
    """Files are written from the ledger when the run is over. makes_copies: of videos that browsers do not play, beside
    them."""

    def __init__(self, ledger: Ledger, makes_copies: bool = False) -> None:
        self._ledger = ledger
        self._makes_copies = makes_copies
        self._copied: set[str] = set()

    @property
    def copies(self) -> int:
        return len(self._copied)

    def checked(self, source: Source) -> Source:
        return source

    def new_task(self, source: Source) -> Foreseen:
        return Foreseen("")

    def deliver(self, entry: Entry, analysis: Analysis) -> Delivered:
        if self._makes_copies and analysis.video.unplayable:
            self._with_copy(entry, analysis)
        return Delivered(None, None)

    def _with_copy(self, entry: Entry, analysis: Analysis) -> None:
        if is_address(entry.source):
            log.warning("%s: a copy can be made of files alone, not of addresses.", shown_address(entry.source))
            return
        copy = copy_beside(Path(entry.source))
        if copy is not None:
            self._copied |= {entry.source} if copy.is_new else set()
            info = replace(analysis.video, has_playable_copy=True)
            self._ledger.analyzed(entry.id, dump_analysis(replace(analysis, video=info)))
