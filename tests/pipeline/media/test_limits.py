"""What is beyond the limits is refused by name: before decoding where the file tells, on the way where it does not."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from video_files import write_video

from pipeline.errors import VideoTooLarge
from pipeline.media import clock, reading
from pipeline.media.limits import Limits
from pipeline.media.opening import opened


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of 64 x 48 pixels, with sound before the pictures."""
    return write_video(tmp_path_factory.mktemp("videos") / "plain.mp4", audio=True)


def joined(tmp_path: Path) -> Path:
    """A transport stream that begins with small pictures and goes on with large ones."""
    path = tmp_path / "grows.ts"
    parts = [write_video(tmp_path / f"{side}.ts", count=10, size=(side, side)) for side in (64, 640)]
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def test_what_is_within_the_limits_is_read(plain: Path) -> None:
    limits = Limits(pixels=64 * 48, duration_s=1.0, pictures=30)
    assert reading.probe(plain, limits) == reading.probe(plain)
    assert len(list(reading.samples(plain, limits=limits))) == 30


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(pixels=64 * 48 - 1), r"pictures of 64 x 48 pixels.*Scale the video down"),
        (Limits(duration_s=0.9), r"hours long.*Cut the video"),
        (Limits(pictures=29), r"more than 29 pictures.*lower its frame rate"),
    ],
)
def test_a_video_beyond_a_limit_is_refused_when_it_is_described(plain: Path, limits: Limits, message: str) -> None:
    with pytest.raises(VideoTooLarge, match=message):
        reading.probe(plain, limits)


@pytest.mark.parametrize("limits", [Limits(duration_s=0.5), Limits(pictures=15)])
def test_pictures_end_at_a_limit_whatever_the_file_said(plain: Path, limits: Limits) -> None:
    samples = reading.samples(plain, limits=limits)
    assert len(list(itertools.islice(samples, 14))) == 14
    with pytest.raises(VideoTooLarge):
        list(samples)


def test_too_large_pictures_are_not_decoded_when_a_file_is_opened(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[dict[str, str]] = []
    opening = av.open

    def noted(*arguments: Any, options: dict[str, str], **others: Any) -> object:
        given.append(options)
        return opening(*arguments, options=options, **others)

    monkeypatch.setattr(av, "open", noted)
    with opened(plain, Limits(pixels=5000)):
        pass
    assert given[0]["max_pixels"] == "5000"


def test_pictures_that_grow_on_the_way_are_refused(tmp_path: Path) -> None:
    path, limits = joined(tmp_path), Limits(pixels=64 * 64)
    with opened(path, limits) as container, pytest.raises(VideoTooLarge, match="640 x 640"):
        list(clock.decoded(container, limits))


def test_uneven_pixels_count_as_they_are_shown(tmp_path: Path) -> None:
    path = write_video(tmp_path / "wide.mp4", pixel_aspect=Fraction(4))
    limits = Limits(pixels=64 * 48 * 2)
    with pytest.raises(VideoTooLarge, match="256 x 48"):
        reading.probe(path, limits)
    with pytest.raises(VideoTooLarge, match="256 x 48"):
        list(reading.samples(path, limits=limits))


def test_a_file_whose_header_tells_of_too_large_pictures_is_not_opened(plain: Path) -> None:
    with pytest.raises(VideoTooLarge, match="64 x 48"), opened(plain, Limits(pixels=64 * 48 - 1)):
        pass


def slowly(seconds: float) -> Iterator[int]:
    for number in itertools.count():
        time.sleep(seconds)
        yield number


def test_decoding_that_takes_too_long_is_given_up() -> None:
    limits = Limits(decoding_s=0.02, decoding_share=0.0)
    with pytest.raises(VideoTooLarge, match="decoding was given up"):
        list(itertools.islice(limits.timed("a.mp4", 10.0, slowly(0.01)), 100))


def test_a_video_whose_pictures_take_too_long_is_given_up(plain: Path) -> None:
    with pytest.raises(VideoTooLarge, match="decoding was given up"):
        list(reading.samples(plain, limits=Limits(decoding_s=0.0, decoding_share=0.0)))


def test_what_is_done_with_the_pictures_takes_no_time_of_decoding() -> None:
    limits, seen = Limits(decoding_s=0.5, decoding_share=0.0), []
    for number in limits.timed("a.mp4", 10.0, iter(range(3))):
        time.sleep(0.2)
        seen.append(number)
    assert seen == [0, 1, 2]


def test_an_hour_of_4k_and_an_evening_in_full_hd_are_within_the_limits() -> None:
    limits = Limits()
    limits.check_size("a", 3840, 2160)
    limits.check_size("a", 7680, 4320)
    limits.check_duration("a", 3 * 3600.0)
    limits.check_pictures("a", 3 * 3600 * 60)
    limits.check_pictures("a", 3600 * 240)


def test_a_whole_day_and_pictures_of_a_wall_are_beyond_the_limits() -> None:
    limits = Limits()
    for check in (
        lambda: limits.check_size("a", 16_384, 16_384),
        lambda: limits.check_duration("a", 24 * 3600.0),
        lambda: limits.check_pictures("a", 24 * 3600 * 60),
    ):
        with pytest.raises(VideoTooLarge):
            check()
    assert limits.decoding_s + limits.decoding_share * limits.duration_s < 24 * 3600.0
