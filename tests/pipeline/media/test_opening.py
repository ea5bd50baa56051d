"""Which stream of a file is the video, and what video files are called."""

from __future__ import annotations

from pathlib import Path

import av
import pytest
from av.stream import Disposition
from video_files import grey, index_of

from pipeline.media import reading
from pipeline.media.clips import cut
from pipeline.media.opening import suffixes


def with_cover_first(path: Path, is_said: bool) -> Path:
    """Thirty pictures in a second, key frames at every tenth, after a stream of one picture."""
    with av.open(str(path), "w") as container:
        cover = container.add_stream("mjpeg" if is_said else "libx264", rate=30)
        cover.width, cover.height, cover.pix_fmt = 160, 120, "yuvj420p" if is_said else "yuv420p"
        cover.disposition = Disposition.attached_pic if is_said else Disposition.default
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.options = {"g": "10", "bf": "0", "sc_threshold": "0"}
        container.mux(cover.encode(av.VideoFrame.from_ndarray(grey(30, 160, 120), format="rgb24")))
        container.mux(cover.encode(None))
        for index in range(30):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey(index, 64, 48), format="rgb24")))
        container.mux(stream.encode(None))
    if is_said:
        path.write_bytes(_user_data_first(path.read_bytes()))
    return path


def _user_data_first(content: bytes) -> bytes:
    """The MP4 with the box that holds the cover picture before the tracks: FFmpeg makes it stream 0 then."""
    moov = content.index(b"moov") - 4
    end = moov + int.from_bytes(content[moov : moov + 4], "big")
    boxes, at = [], moov + 8
    while at < end:
        size = int.from_bytes(content[at : at + 4], "big")
        boxes.append(content[at : at + size])
        at += size
    boxes.sort(key=lambda box: {b"mvhd": 0, b"udta": 1}.get(box[4:8], 2))
    return content[: moov + 8] + b"".join(boxes) + content[end:]


# (lossless-cut#308, automated-drone-image-analysis-tool#88)
@pytest.mark.parametrize("is_said", [True, False])
def test_a_cover_picture_is_never_the_video(tmp_path: Path, is_said: bool) -> None:
    path = with_cover_first(tmp_path / "v.mp4", is_said)
    with av.open(str(path)) as container:
        assert container.streams.video[0].width == 160
    info = reading.probe(path)
    assert (info.width, info.height, info.duration_s) == (64, 48, pytest.approx(1.0, abs=0.002))
    assert [index_of(picture) for _, picture in reading.frames(path)] == list(range(30))


@pytest.mark.parametrize("first", [10, 11])
def test_a_cover_picture_is_never_a_clip(tmp_path: Path, first: int) -> None:
    path = with_cover_first(tmp_path / "v.mp4", is_said=True)
    cut(path, tmp_path / "clip.mp4", first / 30, 20 / 30)
    info = reading.probe(tmp_path / "clip.mp4")
    assert (info.width, info.height) == (64, 48)
    assert [index_of(picture) for _, picture in reading.frames(tmp_path / "clip.mp4")] == list(range(first, 20))


def test_suffixes_are_those_of_videos() -> None:
    assert suffixes() >= {".mp4", ".mov", ".mkv", ".webm", ".avi", ".m2ts", ".mts", ".vob", ".mod", ".wmv", ".3gp"}
    assert not suffixes() & {".m4a", ".heic", ".mp3", ".txt", ".m3u8", ".jpg", ".gif"}
