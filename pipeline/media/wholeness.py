"""Whether a file ends before its own content does: an upload or a copy that was cut short."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

_BOX_HEADER, _LONG_HEADER = 8, 16


def is_cut_short(path: str | Path) -> bool:
    """Whether a file of the MP4 family says that it is longer than it is; False of other formats.

    Boxes of ISO/IEC 14496-12 (section 4.2) follow each other with their sizes, 1 for one of 64 bits behind the type and
    0 for the rest of the file.
    """
    size = Path(path).stat().st_size
    with open(path, "rb") as file:
        head = file.read(_BOX_HEADER)
        return head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip") and _ends_in_box(file, size)


def _ends_in_box(file: BinaryIO, size: int) -> bool:
    at = 0
    while at + _BOX_HEADER <= size:
        file.seek(at)
        head = file.read(_LONG_HEADER)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length < _BOX_HEADER:  # the rest of the file, or no box at all
            return False
        at += length
    return at > size
