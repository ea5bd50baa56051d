"""Opening media files: which kinds are videos, and which of their streams is the video."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from pipeline.errors import NotAVideo, VideoNotFound
from pipeline.media.limits import Limits

MOV = "mov,mp4,m4a,3gp,3g2,mj2"
MATROSKA = "matroska,webm"
# What cameras, phones and browsers write, by the names of FFmpeg's demuxers. Others that FFmpeg knows read text as
# pictures, or playlists that name files and addresses of their own.
_FORMATS = (MOV, MATROSKA, "avi", "mpeg", "mpegts", "flv", "asf", "ogg", "gif")
READ_ONCE = (MOV, "flv", "asf")
"""Formats of which only the first of several joined recordings is read; others are read through."""
INDEXED = (MOV, MATROSKA)
"""Those whose index leads to the last key frame before a time."""
# FFmpeg lists none or few suffixes where it knows a format by its content: those that cameras, camcorders, recorders
# and browsers write. (photoprism#2899, stash#4524, immich#3300)
_OTHER_SUFFIXES = {
    MOV: ("m4v", "qt", "3gpp", "3gp2", "3gpp2"),
    "avi": ("divx",),
    "mpeg": ("mpg", "mpeg", "mpe", "m1v", "m2p", "ps", "vob", "vro", "mod", "evo"),
    "mpegts": ("ts", "mts", "m2ts", "m2t", "tod", "tp", "trp"),
    "asf": ("asf", "wmv"),
    "ogg": ("ogv", "ogm"),
}
# Sound, still pictures and subtitles in the same formats.
_NO_VIDEOS = frozenset(("m4a", "m4b", "isma", "mka", "mks", "ogg", "avif", "heic", "heif", "gif"))
_STILL = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
_SIGNATURE = 12  # bytes: length, type and brand in MP4, the header in FLV, most of the identifier in WMV
_GOOD_PART = 0.1


@cache
def suffixes() -> frozenset[str]:
    """Suffixes of video files as ".mp4", in lower case: what FFmpeg lists for the formats above, and what cameras use.

    A file that is called otherwise may be a video as well.
    """
    known = {name for names in _FORMATS for name in av.ContainerFormat(names.split(",")[0], "r").extensions}
    known |= {name for names in _OTHER_SUFFIXES.values() for name in names}
    return frozenset(f".{name}" for name in known - _NO_VIDEOS)


@contextmanager
def opened(path: str | Path, limits: Limits = Limits()) -> Iterator[InputContainer]:  # noqa: B008  # frozen
    """A video file, to read packets and pictures from.

    Raises VideoNotFound, NotAVideo (empty, no media, no video), VideoTooLarge (by the size of pictures in its header).
    """
    file = Path(path)
    if file.is_dir():
        raise VideoNotFound(f"{path} is a folder. Name the videos in it, as {path}/*.mp4.")
    if not file.is_file():
        raise VideoNotFound(f"{path}: no such video file. Check the path.")
    if file.stat().st_size == 0:
        raise NotAVideo(f"{path}: the file is empty. Copy or upload it again.")
    try:
        # The last is for the decoders: FFmpeg looks at first pictures already when it opens a file.
        options = {"format_whitelist": ",".join(_FORMATS), "protocol_whitelist": "file"}
        options["max_pixels"] = str(limits.pixels)
        container = av.open(str(file), mode="r", metadata_errors="ignore", options=options)
    except (av.FFmpegError, ValueError) as error:
        raise NotAVideo(
            f"{path}: not a readable media file ({_reason(error)}). Expected a video such as MP4; one that was cut "
            "short on its way has to be copied or uploaded again."
        ) from error
    with container:
        if not _pictures_in(container):
            raise NotAVideo(f"{path}: has no video stream. Expected a video such as MP4.")
        context = video_stream(container).codec_context
        if context is not None:  # there is a decoder
            limits.check_size(path, context.width, context.height)
            context.options = {"max_pixels": str(limits.pixels)}
        yield container


def has_unread_recording(path: str | Path, read_to: int) -> bool:
    """Whether another recording of the same kind begins after that byte and makes a good part of the file.

    FFmpeg and players read the first only of MP4, FLV and WMV files that were joined end to end.
    """
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        at = content.find(content[:_SIGNATURE], max(read_to, 1))
        return at >= 0 and len(content) - at > _GOOD_PART * len(content)


def video_stream(container: InputContainer) -> VideoStream:
    """The video: the first stream of pictures that is no cover picture, which drones and editors put before it
    (lossless-cut#308), said to be one or not."""
    streams = _pictures_in(container)
    return next((stream for stream in streams if stream.frames != 1), streams[0])


def _pictures_in(container: InputContainer) -> list[VideoStream]:
    return [stream for stream in container.streams.video if not stream.disposition & _STILL]


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
