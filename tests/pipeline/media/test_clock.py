"""One clock: it goes on where time stamps begin again, and rate and length are what the time stamps say."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from video_files import grey, index_of, write_video

from pipeline.errors import VideoDamaged
from pipeline.media import reading
from pipeline.media.clips import cut


def times(path: Path) -> list[float]:
    return [time_s for time_s, _ in reading.frames(path)]


def shown(path: Path) -> list[int]:
    return [index_of(picture) for _, picture in reading.frames(path)]


def joined(*parts: Path) -> Path:
    """The files end to end, as `cat` or `copy /b` join them."""
    target = parts[0].with_name(f"joined{parts[0].suffix}")
    target.write_bytes(b"".join(part.read_bytes() for part in parts))
    return target


# Files joined end to end (trackhd#29, CasparCG#1374, mpeg-ts-analyzer#22)


@pytest.mark.parametrize(("name", "codec"), [("v.ts", "libx264"), ("v.mkv", "libx264"), ("v.webm", "libvpx")])
def test_joined_files_go_on(tmp_path: Path, name: str, codec: str) -> None:
    options = {"codec": codec, "fps": 10, "count": 30}
    path = joined(*[write_video(tmp_path / name, **options)] * 2)  # type: ignore[arg-type]
    found = times(path)
    assert np.diff(found) == pytest.approx(0.1, abs=0.06)
    info = reading.probe(path)
    assert (info.duration_s, info.fps) == pytest.approx((6.0, 10.0), abs=0.3)
    assert found[-1] == pytest.approx(5.9, abs=0.3)


@pytest.mark.parametrize("name", ["v.mp4", "v.mov", "v.flv", "v.asf"])
@pytest.mark.parametrize("options", [{}, {"movflags": "faststart"}])
def test_joined_files_of_which_only_the_first_is_read_are_refused(
    tmp_path: Path, name: str, options: dict[str, str]
) -> None:
    one = write_video(tmp_path / name, audio=True, options=options if name == "v.mp4" else {})
    assert reading.probe(one).duration_s == pytest.approx(1.0, abs=0.05)
    with pytest.raises(VideoDamaged, match="joined end to end"):
        reading.probe(joined(one, one))


@pytest.mark.parametrize("name", ["v.ts", "v.webm"])
def test_a_piece_of_the_second_of_joined_files_is_found(tmp_path: Path, name: str) -> None:
    one = write_video(tmp_path / name, fps=10, codec="libvpx" if name == "v.webm" else "libx264")
    cut(joined(one, one), tmp_path / "clip.mp4", 3.5, 4.0)
    assert shown(tmp_path / "clip.mp4") == [5, 6, 7, 8, 9]


def test_a_broadcast_whose_clock_jumps_ahead_goes_on(tmp_path: Path) -> None:
    late = write_video(tmp_path / "late.ts", times=[500 + n / 10 for n in range(30)])
    path = joined(write_video(tmp_path / "v.ts", fps=10), late)
    assert np.diff(times(path)) == pytest.approx(0.1, abs=0.06)


def test_a_pause_of_seconds_is_none(tmp_path: Path) -> None:
    moments = [*(n / 10 for n in range(10)), *(5 + n / 10 for n in range(10))]
    assert times(write_video(tmp_path / "v.ts", times=moments)) == pytest.approx(moments, abs=1e-3)


def test_a_long_pause_that_a_browser_plays_is_kept(tmp_path: Path) -> None:
    moments = [*(n / 10 for n in range(40)), *(60 + n / 10 for n in range(40))]
    path = write_video(tmp_path / "v.mp4", times=moments)
    assert times(path) == pytest.approx(moments, abs=1e-3)
    assert reading.probe(path).fps == pytest.approx(10, rel=0.01)


# Damage at the beginning (sleap#2191)


def without_first_packet(path: Path) -> Path:
    with av.open(str(path)) as container:
        first = bytes(next(iter(container.demux(video=0))))
    content = bytearray(path.read_bytes())
    at = content.index(first)
    content[at : at + len(first)] = b"\xff" * len(first)
    path.write_bytes(content)
    return path


def encoded(path: Path, count: int = 30, **options: str) -> Path:
    """Pictures at 30 per second by these options of the encoder, with the time base that it prefers."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt, stream.options = 64, 48, "yuv420p", options
        for index in range(count):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey(index, 64, 48), format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("name", ["v.mp4", "v.mkv", "v.flv"])
def test_a_damaged_first_picture_is_passed_over(tmp_path: Path, name: str) -> None:
    path = without_first_packet(encoded(tmp_path / name, g="10", sc_threshold="0"))
    info = reading.probe(path)
    assert info.duration_s == pytest.approx(1.0)
    assert shown(path)[-20:] == list(range(10, 30))
    assert times(path)[0] == pytest.approx(info.start_s)


def test_a_video_without_any_picture_is_damaged(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", count=1)
    with pytest.raises(VideoDamaged):
        reading.probe(without_first_packet(path))


# Rates and lengths that headers tell wrong


def box(content: bytes, *path: bytes) -> int:
    """Where the content of a box of an MP4 begins."""
    start, end = 0, len(content)
    for kind in path:
        while content[start + 4 : start + 8] != kind:
            start += int.from_bytes(content[start : start + 4], "big")
            assert start < end
        end = start + int.from_bytes(content[start : start + 4], "big")
        start += 8
    return start


@pytest.mark.parametrize("ticks", [1, 1000, 2**31 - 1])
@pytest.mark.parametrize("header", [(b"mvhd",), (b"trak", b"tkhd"), (b"trak", b"mdia", b"mdhd")])
def test_the_pictures_say_how_long_it_is(tmp_path: Path, header: tuple[bytes, ...], ticks: int) -> None:
    """A recorder that writes the duration in the ticks of another clock. (NomaDamas/CozyClay#13)"""
    path = write_video(tmp_path / "v.mp4")
    content = bytearray(path.read_bytes())
    at = box(content, b"moov", *header) + (20 if header[-1] == b"tkhd" else 16)
    content[at : at + 4] = ticks.to_bytes(4, "big")
    path.write_bytes(content)
    info = reading.probe(path)
    assert (info.duration_s, info.fps) == pytest.approx((1.0, 30.0), abs=0.04)


@pytest.mark.parametrize("frames", ["0", "3"])
def test_pictures_in_avi_are_counted(tmp_path: Path, frames: str) -> None:
    """AVI has no times of presentation: FFmpeg's are guesses. (sleap-io#319, DeepLabCut#476)"""
    encoded(tmp_path / "v.avi", bf=frames, sc_threshold="0", **{"b-adapt": "0"})
    info = reading.probe(tmp_path / "v.avi")
    assert (info.fps, info.duration_s, info.start_s) == pytest.approx((30.0, 1.0, 0.0), rel=1e-3)
    assert shown(tmp_path / "v.avi") == list(range(30))
    assert times(tmp_path / "v.avi") == pytest.approx([n / 30 for n in range(30)], abs=1e-3)


def test_a_declared_rate_that_the_pictures_do_not_keep_is_replaced(tmp_path: Path) -> None:
    """A call of ten pictures per second whose recorder declares thirty."""
    path = write_video(tmp_path / "v.mkv", times=[n / 10 for n in range(30)])
    info = reading.probe(path)
    assert (info.fps, info.variable_rate) == (pytest.approx(10, rel=1e-3), False)


def test_a_variable_rate_is_that_of_all_pictures(tmp_path: Path) -> None:
    moments = np.cumsum(np.random.default_rng(1).choice([1 / 30, 1 / 10], 40))
    info = reading.probe(write_video(tmp_path / "v.mkv", times=list(moments)))
    assert info.variable_rate
    assert info.fps == pytest.approx(39 / (moments[-1] - moments[0]), rel=0.02)


def test_lost_pictures_do_not_make_the_rate_lower(tmp_path: Path) -> None:
    moments = [n / 30 for n in range(200) if not 100 <= n < 160]
    info = reading.probe(write_video(tmp_path / "v.mkv", times=moments))
    assert (info.fps, info.variable_rate) == (pytest.approx(30, rel=1e-3), False)


# Where a browser shows a picture (label-studio#4714)


@pytest.mark.parametrize("name", ["v.mkv", "v.mp4"])
def test_a_time_stamp_before_zero_is_shifted_to_zero(tmp_path: Path, name: str) -> None:
    path = write_video(tmp_path / name, times=[(n - 3) / 10 for n in range(20)])
    found = times(path)
    assert found[0] == pytest.approx(0.0, abs=0.002)
    assert all(a < b for a, b in pairwise(found))


def test_an_annotated_or_cut_piece_of_a_late_video_is_of_the_same_time(tmp_path: Path) -> None:
    late = write_video(tmp_path / "v.mp4", times=[0.5 + n / 30 for n in range(30)])
    cut(late, tmp_path / "clip.mp4", 0.6, 0.8)
    assert shown(tmp_path / "clip.mp4") == [3, 4, 5, 6, 7, 8]
