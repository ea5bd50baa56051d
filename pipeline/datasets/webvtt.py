"""A video's repetitions as subtitles (WebVTT), which browsers and players show over the video.

After the W3C's "WebVTT: The Web Video Text Tracks Format".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import ClassVar

from pipeline.datasets.dataset_format import VideoFormat
from pipeline.datasets.rows import ExportedRep
from pipeline.records import Pose


class WebVttFiles(VideoFormat):
    """One file per video."""

    opened_by: ClassVar[Mapping[str, str]] = {"players, browsers": '<track src="webvtt/VIDEO.vtt">'}
    holds: ClassVar[Mapping[str, str]] = {"webvtt/": "the repetitions as subtitles (WebVTT), one file per video"}

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._folder = folder / "webvtt"
        self._folder.mkdir()

    def write_video(self, rows: Sequence[ExportedRep], pose: Pose | None) -> None:
        write_webvtt(self._folder / f"{rows[0].name}.vtt", rows)


def write_webvtt(path: Path, rows: Sequence[ExportedRep]) -> None:
    """A cue per repetition, named after it: its label, and its faults below. Times are rounded to milliseconds."""
    blocks = ["WEBVTT"]
    for row in sorted(rows, key=lambda one: one.start_s):
        text = "\n".join((row.label, *(escape(" ".join(fault.split()), quote=False) for fault in row.faults)))
        start, end = round(row.start_s * 1000), max(round(row.start_s * 1000) + 1, round(row.end_s * 1000))
        blocks.append(f"{row.rep}\n{_clock(start)} --> {_clock(end)}\n{text}")
    path.write_text("\n\n".join(blocks) + "\n", encoding="utf-8")


def _clock(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{rest:03d}"
