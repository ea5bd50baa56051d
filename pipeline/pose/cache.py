"""Landmarks on disk, keyed by the video's bytes and the pose settings: a video is looked at once."""

from __future__ import annotations

import fcntl
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from pipeline.config import PoseConfig, config_digest
from pipeline.records import Pose, VideoInfo

# Raised when what `pose.estimate` computes changes for the same settings.
_FORMAT = 6
# Which way of reading videos the times and pictures are of; files of earlier releases say nothing, and were made when
# times counted from the container's start and pictures were not mirrored nor made of square pixels.
_READING = 1
# An older file that ends so long before its video is of the first of several recordings that were joined.
_SHORT_S = 2.0


class PoseCache:
    """A folder of npz files. Safe for several processes: files are written aside and moved into place."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def path(self, media_digest: str, config: PoseConfig) -> Path:
        return self.folder / media_digest[:2] / f"{media_digest}-{config_digest(config)}-{_FORMAT}.npz"

    def get(self, media_digest: str, config: PoseConfig) -> Pose | None:
        """The stored landmarks, or None. A file that cannot be read counts as absent: it is made again."""
        found = self._load(media_digest, config)
        return found[0] if found is not None else None

    def get_of(self, info: VideoInfo, media_digest: str, config: PoseConfig) -> Pose | None:
        """The stored landmarks of a video that is at hand, or None.

        Those of an earlier release are kept with today's times; where it saw other pictures, or not all, they are none.
        """
        found = self._load(media_digest, config)
        if found is None:
            return None
        pose, is_current = found
        if is_current or not len(pose.time):
            return pose
        # Both releases begin with the first picture.
        moved = replace(pose, time=pose.time - pose.time[0] + info.start_s)
        is_same_picture = (pose.width, pose.height) == (info.width, info.height) and not info.mirrored
        if not is_same_picture or moved.time[-1] < info.duration_s - _SHORT_S:
            return None
        if abs(info.start_s - float(pose.time[0])) > 1e-3:
            self.put(media_digest, config, moved)
        return moved

    def _load(self, media_digest: str, config: PoseConfig) -> tuple[Pose, bool] | None:
        """The stored landmarks, and whether the video is read in the same way today."""
        try:
            with np.load(self.path(media_digest, config), allow_pickle=False) as stored:
                pose = Pose(
                    **{name: stored[name] for name in _ARRAYS}, width=int(stored["width"]), height=int(stored["height"])
                )
                return pose, "reading" in stored.files and int(stored["reading"]) == _READING
        except (
            OSError,
            zipfile.BadZipFile,
            zlib.error,
            KeyError,
            ValueError,
            TypeError,
            EOFError,
            NotImplementedError,
        ):
            return None

    @contextmanager
    def exclusive(self, media_digest: str) -> Iterator[None]:
        """Wait while another process looks at the same video: afterwards it need not be looked at again.

        What a process that dies has locked is free. Where the file system has no locks nobody waits.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "LOCK").open("wb") as file:
            with suppress(OSError):
                # One byte for each video, far behind the end of the empty file.
                fcntl.lockf(file, fcntl.LOCK_EX, 1, int(media_digest[:15], 16))
            yield

    def put(self, media_digest: str, config: PoseConfig, pose: Pose) -> None:
        path = self.path(media_digest, config)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                np.savez_compressed(file, reading=_READING, **{f.name: getattr(pose, f.name) for f in fields(pose)})
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


_ARRAYS = [f.name for f in fields(Pose) if f.name not in ("width", "height")]
