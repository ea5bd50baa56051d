"""Clips: the pictures of a stretch of a video and no others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import pytest
from video_files import index_of, rotate, write_video

from pipeline.errors import VideoDamaged, VideoNotFound
from pipeline.media import reading
from pipeline.media.clips import cut


def indices(path: Path) -> list[int]:
    return [index_of(picture) for _, picture in reading.frames(path)]


def times(path: Path) -> list[float]:
    return [time_s for time_s, _ in reading.frames(path)]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Thirty pictures in a second, with key frames wherever the encoder wants them: at the beginning."""
    return write_video(tmp_path / "a.mp4")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "clip.mp4"


def with_open_groups(path: Path, every: int, codec: str) -> Path:
    """The video with key frames that pictures shown before them come after, leaning on those and on earlier ones."""
    copy = path.with_name("open.mp4")
    params = f"open-gop=1:bframes=3:b-adapt=0:keyint={every}:min-keyint={every}:scenecut=0:log-level=none"
    with av.open(str(path)) as source, av.open(str(copy), "w") as container:
        stream = container.add_stream(codec, rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.options = {f"{codec.removeprefix('lib')}-params": params}
        for frame in source.decode(video=0):
            frame.pict_type = 0
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return copy


def test_a_clip_has_the_pictures_of_its_time(clip: Path, target: Path) -> None:
    cut(clip, target, 10 / 30, 20 / 30)
    assert indices(target) == list(range(10, 20))


def test_a_clip_begins_at_zero(clip: Path, target: Path) -> None:
    cut(clip, target, 10 / 30, 20 / 30)
    assert times(target) == pytest.approx([n / 30 for n in range(10)], abs=0.002)


@pytest.mark.parametrize("name", ["a.mkv", "a.ts", "a.webm"])
def test_other_containers_become_mp4(tmp_path: Path, target: Path, name: str) -> None:
    options: dict[str, Any] = {"codec": "libvpx-vp9"} if name.endswith("webm") else {}
    cut(write_video(tmp_path / name, **options), target, 10 / 30, 20 / 30)
    assert (reading.probe(target).codec, indices(target)) == ("h264", list(range(10, 20)))


def test_a_turned_video_is_cut_upright(clip: Path, target: Path) -> None:
    cut(rotate(clip, 90), target, 0.0, 0.5)
    info = reading.probe(target)
    assert (info.width, info.height, info.rotation) == (48, 64, 0)


def test_uneven_times_stay_uneven(tmp_path: Path, target: Path) -> None:
    moments = [0.0, 0.1, 0.15, 0.4, 0.5, 0.9, 1.0, 1.1]
    source = write_video(tmp_path / "a.mp4", count=len(moments), times=moments)
    cut(source, target, 0.1, 0.95)
    assert times(target) == pytest.approx([0.0, 0.05, 0.3, 0.4, 0.8], abs=0.002)


def test_a_clip_is_there_whole_or_not_at_all(clip: Path, target: Path) -> None:
    cut(clip, target, 0.0, 0.5)
    before = target.read_bytes()
    with pytest.raises(VideoDamaged):
        cut(clip, target, 50.0, 51.0)
    assert (target.read_bytes(), sorted(target.parent.iterdir())) == (before, [clip, target])


def test_a_time_without_pictures_is_named(clip: Path, target: Path) -> None:
    with pytest.raises(VideoDamaged, match=r"between 50\.00 and 51\.00"):
        cut(clip, target, 50.0, 51.0)
    assert not target.exists()


def test_a_missing_video_is_named(tmp_path: Path, target: Path) -> None:
    with pytest.raises(VideoNotFound):
        cut(tmp_path / "none.mp4", target, 0.0, 1.0)


def test_a_stretch_the_wrong_way_round_is_refused(clip: Path, target: Path) -> None:
    with pytest.raises(ValueError, match="Expected 0 <= start < end"):
        cut(clip, target, 2.0, 1.0)


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
@pytest.mark.parametrize("first", range(9, 17))
def test_a_clip_of_open_groups_of_pictures_lacks_none(tmp_path: Path, target: Path, codec: str, first: int) -> None:
    source = with_open_groups(write_video(tmp_path / "a.mp4", count=48), 12, codec)
    cut(source, target, first / 30, (first + 6) / 30)
    assert indices(target) == list(range(first, first + 6))
    assert len(list(reading.frames(source, between=(first / 30 - 0.01, (first + 6) / 30 - 0.01)))) == 6


def test_a_video_is_described_once_for_all_its_clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, read = write_video(tmp_path / "long.mp4", count=30), []
    probe = reading.probe

    def noted(path: str) -> object:
        read.append(path)
        return probe(path)

    monkeypatch.setattr(reading, "probe", noted)
    for number in range(3):
        cut(source, tmp_path / f"{number}.mp4", 0.2 * number, 0.2 * number + 0.2)
    write_video(source, count=20)
    cut(source, tmp_path / "again.mp4", 0.0, 0.2)
    assert read == [str(source)] * 2
