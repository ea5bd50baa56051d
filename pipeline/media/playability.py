"""Whether browsers play a video: by its container, codec and pixels. Label Studio shows a blank page for others.

What Chromium 156 plays was tried with a file of each kind; what Firefox lacks beside is by its documentation.
"""

from __future__ import annotations

from pathlib import Path

from av.container import InputContainer

from pipeline.media.opening import MATROSKA, MOV, opened, video_stream

_CODECS = {
    "h264": "H.264",
    "vp8": "VP8",
    "vp9": "VP9",
    "av1": "AV1",
    "hevc": "HEVC (H.265)",
    "mpeg4": "MPEG-4 Part 2",
    "mpeg2video": "MPEG-2",
    "mpeg1video": "MPEG-1",
    "mjpeg": "Motion JPEG",
    "prores": "ProRes",
    "dnxhd": "DNxHD",
}
_PLAYED = ("h264", "vp8", "vp9", "av1")
_CONTAINERS = {
    "avi": "AVI",
    "mpeg": "MPEG program stream",
    "mpegts": "MPEG transport stream",
    "flv": "FLV",
    "asf": "Windows Media",
    "ogg": "Ogg",
    "gif": "GIF",
}
_EIGHT_BITS = ("yuv420p", "yuvj420p", "")  # "" where the file does not say: nearly always the first
_TEN_BITS = ("yuv420p10le",)
_HEAD = 64  # bytes, in which a WebM file says that it is one


def unplayable(path: str | Path) -> str:
    """Why browsers do not play a video, in words: "HEVC (H.265), which browsers do not play"; "" where they do.

    Raises VideoNotFound, NotAVideo.
    """
    with opened(path) as container:
        return unplayable_in(container, path)


def unplayable_in(container: InputContainer, path: str | Path) -> str:
    """The same of a file that is open. path: of the file."""
    context = video_stream(container).codec_context
    codec = context.codec.canonical_name
    if why := unplayable_codec(codec):
        return why
    if container.format.name not in (MOV, MATROSKA):
        name = _CONTAINERS.get(container.format.name, container.format.name)
        return f"{name}, a kind of file that browsers do not play"
    pixels = context.pix_fmt or ""
    if pixels not in _EIGHT_BITS and not (codec in ("vp9", "av1") and pixels in _TEN_BITS):
        return f"{_CODECS[codec]} with {_pixels_in_words(pixels)}, which not all browsers play"
    if container.format.name == MATROSKA and b"webm" not in _head(path):
        return "Matroska, a kind of file that not all browsers play"
    return ""


def unplayable_codec(codec: str) -> str:
    """The same of a codec by FFmpeg's name, "mpeg4"; "" where browsers play some videos of it."""
    return "" if codec in _PLAYED else f"{_CODECS.get(codec, codec)}, which browsers do not play"


def _pixels_in_words(pixels: str) -> str:
    """ "10 bits per colour" of "yuv420p10le", "4:2:2 colours" of "yuv422p"; the name of others."""
    parts = [f"{bits} bits per colour" for bits in (10, 12) if f"p{bits}" in pixels]
    parts += [f"{kind[0]}:{kind[1]}:{kind[2]} colours" for kind in ("422", "444") if f"yuv{kind}" in pixels]
    return " and ".join(parts) or f"pixels of the kind {pixels}"


def _head(path: str | Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(_HEAD)
