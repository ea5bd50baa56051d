"""Landmarks on disk, keyed by the video's bytes and the pose settings: they are estimated once."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from pipeline.config import PoseConfig, config_digest
from pipeline.errors import PoseFileDamaged
from pipeline.files import written_aside
from pipeline.pose.npz import read_pose, write_pose
from pipeline.records import Pose, VideoInfo

# Raised when landmarks of the same settings may no longer be used. Those of releases that took poses of every sample,
# and not by need, may.
_FORMAT = 6
# Which way of reading videos the times and pictures are of; files of earlier releases say nothing, and were made when
# times counted from the container's start and pictures were not mirrored nor made of square pixels.
_READING = 1
# An older file that ends so long before its video is of the first of several recordings that were joined.
_SHORT_S = 2.0


class PoseCache:
    """A folder of npz files. Safe for several processes: files are written aside and moved into place.

    Args:
        folder: where the files are; it is made when the first is written.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def path(self, media_digest: str, config: PoseConfig) -> Path:
        """The file of a video's landmarks, whether or not it is there.

        Args:
            media_digest: the SHA-256 of the video's bytes in hex.
            config: how the landmarks are taken.
        """
        return self.folder / media_digest[:2] / f"{media_digest}-{config_digest(config)}-{_FORMAT}.npz"

    def get(self, media_digest: str, config: PoseConfig, only_current: bool = False) -> Pose | None:
        """The stored landmarks.

        Args:
            media_digest: the SHA-256 of the video's bytes in hex.
            config: how the landmarks are taken.
            only_current: leave out those of earlier releases, whose times may be others: for those who can get the
                video, by which `get_of` tells.

        Returns:
            The landmarks, or None. A file that cannot be read counts as absent: it is made again.
        """
        found = self._load(media_digest, config)
        return found[0] if found is not None and (found[1] or not only_current) else None

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
        self.put(media_digest, config, moved)  # so that those without the video know
        return moved

    def _load(self, media_digest: str, config: PoseConfig) -> tuple[Pose, bool] | None:
        """The stored landmarks, and whether the video is read in the same way today."""
        path = self.path(media_digest, config)
        try:
            pose, (reading,) = read_pose(path, ("reading",))
            return pose, reading == _READING
        except PoseFileDamaged:
            pass
        try:
            return read_pose(path)[0], False
        except PoseFileDamaged:
            return None

    @contextmanager
    def exclusive(self, media_digest: str) -> Iterator[None]:
        """Wait while another process estimates the landmarks of the same video: afterwards they are stored.

        What a process that dies has locked is free. Where the file system has no locks nobody waits.

        Args:
            media_digest: the SHA-256 of the video's bytes in hex.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.folder / "LOCK").open("wb") as file:
            with suppress(OSError):
                # One byte for each video, far behind the end of the empty file.
                fcntl.lockf(file, fcntl.LOCK_EX, 1, int(media_digest[:15], 16))
            yield

    def put(self, media_digest: str, config: PoseConfig, pose: Pose) -> None:
        """Store landmarks, in place of those that are there.

        Args:
            media_digest: the SHA-256 of the video's bytes in hex.
            config: how the landmarks were taken.
            pose: the landmarks.

        Raises:
            OSError: the folder cannot be written.
        """
        path = self.path(media_digest, config)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with written_aside(path, mode=0o600) as aside:  # landmarks of people: only this user reads them
            write_pose(aside, pose, reading=float(_READING))
