"""Files that were cut short on their way say so by their own sizes; whole ones do not."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.media import reading
from pipeline.media.wholeness import is_cut_short

FRAMES, FPS = 90, 30


def _recording(path: Path, codec: str, options: dict[str, str] | None = None) -> Path:
    """Three seconds of noise, so that each picture takes its share of the file."""
    rng = np.random.default_rng(0)
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(FRAMES):
            picture = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def _cut(path: Path, share: float) -> Path:
    content = path.read_bytes()
    cut = path.with_name(f"cut-{path.name}")
    cut.write_bytes(content[: round(share * len(content))])
    return cut


FORMATS = [
    ("lift.mp4", "libx264", {"movflags": "faststart"}),
    ("lift.mov", "libx264", {"movflags": "faststart"}),
]


@pytest.mark.parametrize(("name", "codec", "options"), FORMATS)
def test_a_file_that_ends_early_says_where_and_of_how_much(
    tmp_path: Path, name: str, codec: str, options: dict[str, str]
) -> None:
    info = reading.probe(_cut(_recording(tmp_path / name, codec, options), 0.5))
    assert info.whole_s == pytest.approx(3.0, abs=0.1)
    assert 1.0 < info.duration_s < 2.0
    assert info.cut_short == (
        f"the file was cut short: it ends at {info.duration_s:.1f} of {info.whole_s:.1f} s. Copy or upload it again"
    )


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [*FORMATS, ("lift.mp4", "libx264", {}), ("lift.mkv", "libx264", {}), ("lift.avi", "mpeg4", {}),
     ("lift.webm", "libvpx", {}),
     ("lift.mp4", "libx264", {"movflags": "frag_keyframe+empty_moov"})],
)  # fmt: skip
def test_a_whole_file_is_not_cut_short(tmp_path: Path, name: str, codec: str, options: dict[str, str]) -> None:
    path = _recording(tmp_path / name, codec, options)
    assert not is_cut_short(path)
    assert reading.probe(path).cut_short == ""


def test_a_box_with_a_size_of_64_bits_and_one_up_to_the_end_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "boxes.mp4"
    start = (16).to_bytes(4, "big") + b"ftypisom" + bytes(4)
    long = (1).to_bytes(4, "big") + b"mdat" + (24).to_bytes(8, "big") + bytes(8)
    path.write_bytes(start + long)
    assert not is_cut_short(path)
    path.write_bytes(start + long[:-1])
    assert is_cut_short(path)
    path.write_bytes(start + bytes(4) + b"mdat" + bytes(8))
    assert not is_cut_short(path)


@pytest.mark.parametrize("content", [b"", b"ftyp", b"not a video at all"])
def test_what_is_no_such_file_is_not_cut_short(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other"
    path.write_bytes(content)
    assert not is_cut_short(path)
