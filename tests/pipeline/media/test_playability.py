"""What browsers play and what they do not; and the copies that they play."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from video_files import arrow, index_of, rotate, write_video

from pipeline.media import reading
from pipeline.media.playability import unplayable
from pipeline.media.playable_copy import copy_of, evenly, is_copy, make_playable


def _video(path: Path, codec: str, pixels: str) -> Path:
    with av.open(str(path), "w") as container:
        options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
        stream = container.add_stream(codec, rate=10, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 64, pixels
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 90, np.uint8), format="rgb24")
            container.mux(stream.encode(frame.reformat(format=pixels)))
        container.mux(stream.encode(None))
    return path


# Chromium 156 plays those without words, and H.264 of any pixels; Firefox is by its documentation.
@pytest.mark.parametrize(
    ("name", "codec", "pixels", "words"),
    [
        ("a.mp4", "libx264", "yuv420p", ""),
        ("a.mov", "libx264", "yuvj420p", ""),
        ("a.webm", "libvpx-vp9", "yuv420p", ""),
        ("a.mp4", "libsvtav1", "yuv420p10le", ""),
        ("a.webm", "libvpx", "yuv420p", ""),
        ("a.mp4", "libx264", "yuv420p10le", "H.264 with 10 bits per colour, which not all browsers play"),
        ("a.mp4", "libx264", "yuv422p", "H.264 with 4:2:2 colours, which not all browsers play"),
        (
            "a.mp4",
            "libx264",
            "yuv422p10le",
            "H.264 with 10 bits per colour and 4:2:2 colours, which not all browsers play",
        ),
        ("a.mp4", "libx265", "yuv420p", "HEVC (H.265), which browsers do not play"),
        ("a.mp4", "mpeg4", "yuv420p", "MPEG-4 Part 2, which browsers do not play"),
        ("a.mov", "mjpeg", "yuvj420p", "Motion JPEG, which browsers do not play"),
        ("a.wmv", "wmv2", "yuv420p", "wmv2, which browsers do not play"),
        ("a.avi", "libx264", "yuv420p", "AVI, a kind of file that browsers do not play"),
        ("a.mkv", "libx264", "yuv420p", "Matroska, a kind of file that not all browsers play"),
    ],
)
def test_what_browsers_do_not_play_is_named(tmp_path: Path, name: str, codec: str, pixels: str, words: str) -> None:
    path = _video(tmp_path / name, codec, pixels)
    assert unplayable(path) == words
    assert reading.probe(path).unplayable == words


def test_a_copy_shows_the_same_at_the_same_times(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mkv", count=20, fps=10)
    copy = copy_of(source)
    make_playable(source, copy)
    assert copy == tmp_path / "a.mkv-h264.mp4"
    assert unplayable(copy) == ""
    shown = [(round(time_s, 3), index_of(picture)) for time_s, picture in reading.frames(copy)]
    assert shown == [(round(number / 10, 3), number) for number in range(20)]


def test_a_copy_is_turned_as_players_show_the_original(tmp_path: Path) -> None:
    source = rotate(write_video(tmp_path / "a.mp4", count=3, draw=arrow), 90)
    make_playable(source, tmp_path / "copy.mp4")
    one, other = (next(reading.frames(path))[1].astype(int) for path in (source, tmp_path / "copy.mp4"))
    assert one.shape == other.shape
    assert np.abs(one - other).mean() < 10
    assert reading.probe(tmp_path / "copy.mp4").rotation == 0


def test_a_copy_has_a_constant_rate(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mp4", count=6, times=[0, 0.1, 0.2, 0.6, 0.7, 0.8])
    assert reading.probe(source).variable_rate
    make_playable(source, tmp_path / "copy.mp4")
    info = reading.probe(tmp_path / "copy.mp4")
    assert not info.variable_rate
    assert info.duration_s == pytest.approx(reading.probe(source).duration_s, abs=1 / info.fps)


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([0.0, 0.1, 0.2], [0, 1, 2, 2]),
        ([0.0, 0.25], [0, 0, 0, 1]),  # a gap
        ([0.25, 0.3], [0, 0, 0, 1]),  # begins late
        ([0.0, 0.02, 0.04, 0.1], [0, 3, 3, 3]),  # more than are kept
    ],
)
def test_each_tick_shows_what_was_shown_then(times: list[float], expected: list[int]) -> None:
    pictures = [(time_s, np.full((2, 2, 3), number, np.uint8)) for number, time_s in enumerate(times)]
    made = list(evenly(pictures, Fraction(10), 0.4))
    assert [time_s for time_s, _ in made] == pytest.approx([0.0, 0.1, 0.2, 0.3])
    assert [int(picture[0, 0, 0]) for _, picture in made] == expected


def test_sound_that_browsers_do_not_play_is_made_anew_at_its_time(tmp_path: Path) -> None:
    source, copy = tmp_path / "a.mov", tmp_path / "copy.mp4"
    with av.open(str(source), "w") as container:
        stream, track = container.add_stream("mjpeg", rate=10), container.add_stream("pcm_s16le", rate=44100)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuvj420p"
        for number in range(20):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 90, np.uint8), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(stream.encode(frame.reformat(format="yuvj420p")))
            samples = np.zeros((1, 4410), np.int16)
            samples[0] = 9000 * (number == 10)  # a click at one second
            sound = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            sound.sample_rate, sound.pts, sound.time_base = 44100, number * 4410, Fraction(1, 44100)
            container.mux(track.encode(sound))
        container.mux(stream.encode(None))
    make_playable(source, copy)
    with av.open(str(copy)) as container:
        (track,) = container.streams.audio
        assert track.codec_context.codec.canonical_name == "aac"
        loud = [float(f.time) for f in container.decode(track) if f.time and np.abs(f.to_ndarray()).max() > 0.1]
    assert min(loud) == pytest.approx(1.0, abs=0.05)


def test_videos_of_one_stem_have_a_copy_each(tmp_path: Path) -> None:
    for name in ("a.mp4", "a.mkv", "a-h264.mp4"):
        (tmp_path / name).touch()
    assert [copy_of(tmp_path / name).name for name in ("a.mp4", "a.mkv")] == ["a.mp4-h264.mp4", "a.mkv-h264.mp4"]


def test_a_copy_that_an_earlier_build_called_by_the_stem_counts_beside_the_only_video_of_it(tmp_path: Path) -> None:
    for name in ("a.mkv", "a.txt", "a-h264.mp4"):
        (tmp_path / name).touch()
    assert copy_of(tmp_path / "a.mkv").name == "a-h264.mp4"


def test_copies_are_known_beside_their_originals_also_those_of_earlier_builds() -> None:
    names = ["a.mkv", "a.mkv-h264.mp4", "a-h264.mp4", "b-h264.mp4"]
    assert [is_copy(name, names) for name in names] == [False, True, True, False]
