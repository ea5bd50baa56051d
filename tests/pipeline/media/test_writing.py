"""Written videos: a reader finds again what was written, or nothing was written."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import Colorspace

from pipeline.media import reading, writing


def pictures(times, height=64, width=96):
    for number, time_s in enumerate(times):
        yield time_s, np.full((height, width, 3), 40 + 20 * number, np.uint8)


def test_uneven_times_are_kept(tmp_path: Path):
    times = [0.0, 0.04, 0.2, 0.21, 0.5]
    writing.write(tmp_path / "a.mp4", pictures(times), Fraction(25))
    assert [time for time, _ in reading.frames(tmp_path / "a.mp4")] == pytest.approx(times, abs=1e-4)


def test_the_pictures_are_those_that_were_given(tmp_path: Path):
    writing.write(tmp_path / "a.mp4", pictures([0.0, 0.1, 0.2]), Fraction(10))
    shades = [picture.mean() for _, picture in reading.frames(tmp_path / "a.mp4")]
    assert shades == pytest.approx([40, 60, 80], abs=3)


def test_a_large_file_says_by_which_standard_its_colours_are_meant(tmp_path: Path):
    """Else players take them for BT.709, and red turns orange."""
    writing.write(tmp_path / "a.mp4", pictures([0.0], height=720, width=64), Fraction(10))
    with av.open(str(tmp_path / "a.mp4")) as written:
        assert next(written.decode(video=0)).colorspace == Colorspace.ITU601


def test_an_odd_row_and_column_are_dropped(tmp_path: Path):
    writing.write(tmp_path / "a.mp4", pictures([0.0, 0.1], height=65, width=97), Fraction(10))
    info = reading.probe(tmp_path / "a.mp4")
    assert (info.width, info.height) == (96, 64)


def test_a_failure_leaves_what_was_there(tmp_path: Path):
    target = tmp_path / "a.mp4"
    target.write_bytes(b"before")

    def broken():
        yield from pictures([0.0, 0.1])
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        writing.write(target, broken(), Fraction(10))
    assert target.read_bytes() == b"before"
    assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]


@pytest.fixture(params=["aac", "mp3"])
def with_sound(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """One second of picture and sound."""
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        track = container.add_stream(request.param, rate=48000)
        for number in range(10):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 90, np.uint8), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(stream.encode(frame))
        tone = (np.sin(np.arange(48000) / 20) * 9000).astype(np.int16)[None]
        sound = av.AudioFrame.from_ndarray(tone, format="s16", layout="mono")
        sound.sample_rate, sound.pts, sound.time_base = 48000, 0, Fraction(1, 48000)
        container.mux(track.encode(sound))
        container.mux(stream.encode())
        container.mux(track.encode())
    return path


def test_the_sound_is_copied(tmp_path: Path, with_sound: Path):
    writing.write(tmp_path / "a.mp4", reading.frames(with_sound), Fraction(10), sound_of=with_sound)
    with av.open(str(tmp_path / "a.mp4")) as container:
        samples = sum(frame.samples for frame in container.decode(audio=0))
    assert samples == pytest.approx(48000, abs=3000)
