"""What the file of a video is called: the name that it is uploaded under, and its own, read from the task's address."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from backend.labelstudio.addresses import LOCAL_FILES, UPLOADS, shown_address
from pipeline.media.opening import suffixes
from pipeline.media.playable_copy import copy_name

_LONGEST_NAME = 60
"""Characters: Label Studio changes names that make its own longer than 100."""
_LONGEST_STEM = 40
_LONGEST_SUFFIX = 5
"""Of the original, in the name of its copy: 15 more are a dot, the digits of its content, and what copies end in."""
_PREFIX = re.compile(r"^[0-9a-f]{8}-")
"""What Label Studio puts before the names of uploads."""
_COPY_END = re.escape(copy_name(""))
_COPY = re.compile(rf"^(.*\.(\w*))-[0-9a-f]{{8}}{_COPY_END}$")
_SUFFIXLESS_COPY = re.compile(rf"^(.*)-(?=[0-9]*[a-f])[0-9a-f]{{8}}{_COPY_END}$")
"""As earlier builds called them, by the stem alone. Eight digits without a letter may as well be somebody's date."""


def upload_name(path: Path) -> str:
    """The name that a file is uploaded under: what Label Studio would make of its own, if that is not too long."""
    stem = re.sub(r"[^-\w.]", "", path.stem.strip().replace(" ", "_"))[:_LONGEST_NAME]
    return (stem or "video") + re.sub(r"[^-\w.]", "", path.suffix)


def copy_upload_name(path: Path, digest: str) -> str:
    """The name that a copy is uploaded under in the place of its original, which Label Studio takes no upload of.

    By the original's name, for people, and by its content, so that it is found: `lift.avi-0f1e2d3c-h264.mp4`.
    digest: of the original's bytes, in hex.
    """
    suffix = re.sub(r"\W", "", path.suffix)[:_LONGEST_SUFFIX]
    # With the dot also where there is no suffix: by it the rest is told from the original's name.
    return upload_name(path.with_name(f"{path.stem[:_LONGEST_STEM]}.{suffix}{_copy_ending(digest)}"))


def copy_upload_names(path: Path, digest: str) -> tuple[str, ...]:
    """The names that such a copy may have: that of now, and `lift-0f1e2d3c-h264.mp4`, as earlier builds called it."""
    earlier = upload_name(path.with_name(f"{path.stem[:_LONGEST_STEM]}{_copy_ending(digest)}"))
    return copy_upload_name(path, digest), earlier


def is_copy_upload(media: str, digest: str) -> bool:
    """Whether an address is that of such a copy, whatever the original was called: a run over tasks knows no file."""
    return uploaded_name(media).endswith(_copy_ending(digest))


def uploaded_name(media: str) -> str:
    """The name that was uploaded, of its address: behind eight characters of Label Studio's and a dash."""
    return unquote(media.rpartition("/")[2])[9:]


def file_name(media: str) -> str:
    """The name of a video's file as people gave it: the last part of its address, without what Label Studio puts before
    uploads; of a copy that was uploaded in its place that of the original. The address, without what may be secret in
    it, where that has none."""
    names = _names(media)
    return names[0] if names else shown_address(media).partition("?")[0]


def name_for_files(media: str) -> str:
    """The same as what a file of ours is called by: "video" where the address has no name."""
    return next(iter(_names(media)), "video")


def names_for_files(media: str) -> tuple[str, ...]:
    """All names that a video's file goes by: of a copy that was uploaded also its own."""
    return _names(media) or ("video",)


def _names(media: str) -> tuple[str, ...]:
    """The name that people know first; none where the address ends without one."""
    try:
        parts = urlsplit(media)
    except ValueError:
        return ()
    path = parse_qs(parts.query).get("d", [""])[0] if parts.path.endswith(LOCAL_FILES) else unquote(parts.path)
    name = path.rstrip("/").rpartition("/")[2]
    if UPLOADS in parts.path:
        name = _PREFIX.sub("", name)
        if original := _original(name):
            return original, name
    return (name,) if name else ()


def _original(copy: str) -> str:
    """The name of what an upload is a copy of, "" where it is none. Names of people may end in a date alike, but hardly
    with the suffix of a video before it."""
    found = _COPY.match(copy)
    if found and (not found[2] or f".{found[2].lower()}" in suffixes()):
        return found[1].rstrip(".")
    found = _SUFFIXLESS_COPY.match(copy)
    return found[1] if found else ""


def _copy_ending(digest: str) -> str:
    return copy_name(f"-{digest[:8]}")
