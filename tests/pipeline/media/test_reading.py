"""Reading video by its timestamps: what it is, its pictures in time, and files that are none."""

from __future__ import annotations

import gc
import hashlib
import io
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from video_files import arrow, grey, index_of, rotate, write_audio, write_video

from pipeline.errors import NotAVideo, VideoDamaged, VideoError, VideoNotFound
from pipeline.media import reading


def times(path: Path, per_second: float = 0.0) -> list[float]:
    return [time_s for time_s, _ in reading.frames(path, per_second)]


def shown(path: Path) -> list[int]:
    return [index_of(picture) for _, picture in reading.frames(path)]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second at 30 frames per second."""
    return write_video(tmp_path_factory.mktemp("video") / "plain.mp4")


@pytest.fixture(scope="module")
def streamable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds with the index at the front, so that a part of the file plays."""
    path = tmp_path_factory.mktemp("video") / "streamable.mp4"
    return write_video(path, count=90, size=(320, 240), options={"movflags": "faststart"})


# What it is


def test_a_plain_video_is_described(plain: Path) -> None:
    info = reading.probe(plain)
    assert (info.duration_s, info.fps, info.width, info.height) == (1.0, 30.0, 64, 48)
    assert (info.rotation, info.variable_rate, info.codec, info.start_s) == (0, False, "h264", 0.0)


@pytest.mark.parametrize("fps", [Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001), Fraction(60000, 1001)])
def test_fractional_rates_are_told(tmp_path: Path, fps: Fraction) -> None:
    assert reading.probe(write_video(tmp_path / "v.mp4", fps=fps)).fps == pytest.approx(float(fps), rel=1e-4)


def test_uneven_frames_are_a_variable_rate(tmp_path: Path) -> None:
    uneven = np.cumsum(np.random.default_rng(1).choice([1 / 30, 1 / 10], 40))
    assert reading.probe(write_video(tmp_path / "v.mp4", times=list(uneven))).variable_rate


def test_rounded_timestamps_are_no_variable_rate(tmp_path: Path) -> None:
    assert not reading.probe(write_video(tmp_path / "v.mkv", fps=60)).variable_rate


def test_a_sound_that_goes_on_does_not_make_the_video_longer(tmp_path: Path) -> None:
    assert reading.probe(write_video(tmp_path / "v.mp4", count=10, audio=True)).duration_s == pytest.approx(
        1 / 3, abs=1e-3
    )


def test_a_picture_that_starts_after_the_sound_ends_later(tmp_path: Path) -> None:
    late = write_video(tmp_path / "v.mp4", times=[0.5 + n / 30 for n in range(30)], audio=True)
    assert reading.probe(late).duration_s == pytest.approx(1.5, abs=1e-3)


def test_a_recording_without_a_duration_is_measured(tmp_path: Path) -> None:
    class Pipe(io.RawIOBase):
        """Cannot seek back to write the duration."""

        def writable(self) -> bool:
            return True

        def write(self, data: bytes) -> int:  # type: ignore[override]
            content.extend(data)
            return len(data)

    content = bytearray()
    with av.open(Pipe(), "w", format="matroska") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(45):
            frame = av.VideoFrame.from_ndarray(grey(index % 30, 64, 48), format="rgb24")
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    path = tmp_path / "v.webm"
    path.write_bytes(content)
    assert reading.probe(path).duration_s == pytest.approx(1.5, abs=0.01)


@pytest.mark.parametrize("name", ["v.mp4", "v.mov", "v.mkv", "v.ts"])
def test_common_containers_are_read(tmp_path: Path, name: str) -> None:
    assert len(times(write_video(tmp_path / name))) == 30


def test_the_codec_of_the_web_is_read(tmp_path: Path) -> None:
    assert len(times(write_video(tmp_path / "v.webm", count=5, codec="libvpx-vp9"))) == 5


# Its pictures in time


def test_every_picture_comes_in_order(plain: Path) -> None:
    assert shown(plain) == list(range(30))


def test_pictures_come_at_their_times(plain: Path) -> None:
    assert times(plain) == pytest.approx([n / 30 for n in range(30)], abs=1e-4)


@pytest.mark.parametrize(("name", "start_s"), [("v.mp4", 1), ("v.mov", 1), ("v.mkv", 1), ("v.ts", 0)])
def test_a_late_first_picture_has_the_time_at_which_browsers_show_it(tmp_path: Path, name: str, start_s: int) -> None:
    """Those that browsers do not play begin at 0 (label-studio#4714)."""
    late = write_video(tmp_path / name, times=[1 + n / 30 for n in range(10)])
    info = reading.probe(late)
    assert times(late)[:2] == pytest.approx([start_s, start_s + 1 / 30], abs=2e-3)
    assert (info.start_s, info.duration_s) == pytest.approx((start_s, start_s + 1 / 3), abs=2e-3)
    between = start_s + 0.09, start_s + 0.18
    assert [index_of(picture) for _, picture in reading.frames(late, between=between)] == [3, 4, 5]


def test_a_picture_later_than_the_sound_keeps_its_time(tmp_path: Path) -> None:
    late = write_video(tmp_path / "v.mp4", times=[0.5 + n / 30 for n in range(30)], audio=True)
    assert times(late)[0] == pytest.approx(0.5, abs=1e-3)


def test_pictures_that_an_edit_list_cuts_away_are_not_shown(tmp_path: Path) -> None:
    """The file holds thirty pictures and says so; six of them lie before its start."""
    cut = write_video(tmp_path / "v.mp4", times=[n / 30 - 0.2 for n in range(30)])
    assert shown(cut) == list(range(6, 30))
    assert times(cut)[0] == pytest.approx(0.0, abs=1e-3)


def test_uneven_times_are_kept(tmp_path: Path) -> None:
    wanted = [0.0, 0.1, 0.15, 0.5, 0.6, 1.0]
    assert times(write_video(tmp_path / "v.mp4", times=wanted)) == pytest.approx(wanted, abs=1e-3)


@pytest.mark.parametrize("count", [1, 2])
def test_a_very_short_video_has_its_pictures(tmp_path: Path, count: int) -> None:
    path = write_video(tmp_path / "v.mp4", count=count)
    assert len(times(path)) == count
    assert reading.probe(path).duration_s == pytest.approx(count / 30)


def test_odd_sizes_are_read(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", count=3, size=(65, 47))
    assert next(reading.frames(path))[1].shape == (47, 65, 3)


@pytest.mark.parametrize(
    ("fps", "per_second"), [(60, 10), (30, 10), (25, 10), (Fraction(30000, 1001), 10), (Fraction(24000, 1001), 12)]
)
def test_sampling_keeps_to_its_rate(tmp_path: Path, fps: Fraction, per_second: float) -> None:
    path = write_video(tmp_path / "v.mp4", count=int(fps * 3), fps=fps, draw=lambda *size: grey(0, *size[1:]))
    assert len(times(path, per_second)) == pytest.approx(3 * per_second, abs=1)


def test_samples_do_not_drift(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", count=200, fps=25, draw=lambda *size: grey(0, *size[1:]))
    sampled = np.array(times(path, 10))
    assert np.all(np.abs(sampled - np.round(sampled * 10) / 10) < 1 / 25)


def test_samples_are_never_closer_than_pictures(plain: Path) -> None:
    assert times(plain, per_second=100) == times(plain)


def test_sampling_goes_on_after_a_gap(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", times=[0.0, 0.1, 5.0, 5.01, 5.02, 5.1, 5.2])
    assert times(path, per_second=10) == pytest.approx([0.0, 0.1, 5.0, 5.1, 5.2], abs=1e-3)


def test_large_pictures_are_shrunk(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", count=2, size=(320, 180))
    assert next(reading.frames(path, max_side_px=160))[1].shape == (90, 160, 3)


def test_small_pictures_are_not_enlarged(plain: Path) -> None:
    assert next(reading.frames(plain, max_side_px=1000))[1].shape == (48, 64, 3)


def test_a_picture_is_rgb(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", count=2, draw=arrow)
    red, green, blue = next(reading.frames(path))[1][-6, 5]
    assert red > green + 50
    assert red > blue + 50


@pytest.mark.parametrize("per_second", [-1.0, -0.1])
def test_a_negative_rate_is_a_mistake(plain: Path, per_second: float) -> None:
    with pytest.raises(ValueError, match="Expected a rate"):
        next(reading.frames(plain, per_second))


# Which way up


@pytest.mark.parametrize(("degrees", "size"), [(90, (48, 64)), (180, (64, 48)), (270, (48, 64))])
def test_a_turned_video_is_described_as_it_is_shown(tmp_path: Path, degrees: int, size: tuple[int, int]) -> None:
    info = reading.probe(rotate(write_video(tmp_path / "v.mp4"), degrees))
    assert (info.width, info.height) == size


def test_pictures_of_a_turned_video_have_the_announced_size(tmp_path: Path) -> None:
    path = rotate(write_video(tmp_path / "v.mp4"), 90)
    info = reading.probe(path)
    assert next(reading.frames(path))[1].shape == (info.height, info.width, 3)


# Files that are no video, or not a whole one


def test_pictures_that_were_used_are_gone_without_collecting_garbage(tmp_path: Path) -> None:
    # PyAV 18 keeps a frame whose side data was read in a reference cycle: 360 MiB of 120 pictures of 1080p.
    path = rotate(write_video(tmp_path / "v.mp4", count=60), 90)
    gc.collect()
    gc.disable()
    try:
        for sample in reading.samples(path):
            sample.shrunk(0)
        alive = sum(isinstance(one, av.VideoFrame) for one in gc.get_objects())
    finally:
        gc.enable()
    assert alive <= 2


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(VideoNotFound, match="no such video file"):
        reading.probe(tmp_path / "gone.mp4")


def test_a_folder_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(VideoNotFound):
        reading.probe(tmp_path)


def test_an_empty_file_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "v.mp4").touch()
    with pytest.raises(NotAVideo, match="is empty"):
        reading.probe(tmp_path / "v.mp4")


@pytest.mark.parametrize("name", ["v.mp4", "v.txt", "v.nfo", "v.html", "v"])
def test_text_is_no_video_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("<html>Please log in</html>\n" * 100)
    with pytest.raises(NotAVideo):
        reading.probe(tmp_path / name)


@pytest.mark.parametrize("playlist", ["#EXTM3U\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n", "ffconcat version 1.0\nfile '{}'\n"])
def test_a_playlist_does_not_open_other_files(tmp_path: Path, plain: Path, playlist: str) -> None:
    (tmp_path / "v.mp4").write_text(playlist.format(plain))
    with pytest.raises(NotAVideo):
        reading.probe(tmp_path / "v.mp4")


@pytest.mark.parametrize("name", ["a.m4a", "a.mp4"])
def test_sound_alone_is_no_video(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotAVideo, match="no video stream"):
        reading.probe(write_audio(tmp_path / name))


def test_a_picture_is_no_video(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "v.png"), "w", format="image2") as container:
        stream = container.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgb24"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(grey(0, 64, 48), format="rgb24")))
    with pytest.raises(NotAVideo):
        reading.probe(tmp_path / "v.png")


def test_half_a_file_without_its_index_is_no_video(tmp_path: Path, plain: Path) -> None:
    content = plain.read_bytes()
    (tmp_path / "v.mp4").write_bytes(content[: len(content) // 2])
    with pytest.raises(VideoError):
        reading.probe(tmp_path / "v.mp4")


def test_half_a_file_with_its_index_shows_what_is_there(tmp_path: Path, streamable: Path) -> None:
    content = streamable.read_bytes()
    (tmp_path / "v.mp4").write_bytes(content[: len(content) * 6 // 10])
    found = shown(tmp_path / "v.mp4")
    assert 0 < len(found) < 90
    assert found[:10] == list(range(10))


@pytest.mark.parametrize("read", [reading.probe, lambda path: next(reading.frames(path))])
def test_an_index_without_pictures_is_damaged(tmp_path: Path, streamable: Path, read: object) -> None:
    content = streamable.read_bytes()
    (tmp_path / "v.mp4").write_bytes(content[: content.index(b"mdat") + 8])
    with pytest.raises(VideoDamaged, match="no frame can be decoded"):
        read(tmp_path / "v.mp4")  # type: ignore[operator]


@pytest.mark.parametrize("seed", range(8))
def test_damage_anywhere_is_an_error_of_ours_or_none(tmp_path: Path, streamable: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    content = bytearray(streamable.read_bytes())
    for place in rng.integers(0, len(content), 1 + 20 * seed):
        content[place] = rng.integers(256)
    path = tmp_path / "v.mp4"
    path.write_bytes(content)
    try:
        reading.probe(path)
        found = times(path)
    except VideoError:
        return
    assert all(a < b for a, b in pairwise(found))


# Identity


def test_the_identity_is_that_of_the_bytes(plain: Path) -> None:
    assert reading.digest(plain) == hashlib.sha256(plain.read_bytes()).hexdigest()


def test_a_missing_file_has_no_identity(tmp_path: Path) -> None:
    with pytest.raises(VideoNotFound):
        reading.digest(tmp_path / "gone.mp4")


# Real clips


def test_every_real_clip_is_described(shared_data: Path) -> None:
    for clip in (shared_data / "videos").glob("*.mp4"):
        info = reading.probe(clip)
        assert 10 < info.fps < 125
        assert 1 < info.duration_s < 300


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.flv"])
def test_a_stretch_has_its_pictures_alone(tmp_path: Path, name: str) -> None:
    found = reading.frames(write_video(tmp_path / name), between=(0.325, 0.66))
    assert [index_of(picture) for _, picture in found] == list(range(10, 20))


def test_a_stretch_beyond_the_end_has_no_pictures(tmp_path: Path) -> None:
    with pytest.raises(VideoDamaged):
        list(reading.frames(write_video(tmp_path / "a.mp4"), between=(50.0, 51.0)))


@pytest.mark.parametrize("allowed", ["1", "2", "", "4,2", "many"])
def test_the_pictures_are_the_same_however_many_threads_decode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allowed: str
) -> None:
    path = write_video(tmp_path / "room.mp4", count=30, fps=25)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    usual = [(time_s, picture.tobytes()) for time_s, picture in reading.frames(path)]
    monkeypatch.setenv("OMP_NUM_THREADS", allowed)
    assert [(time_s, picture.tobytes()) for time_s, picture in reading.frames(path)] == usual
