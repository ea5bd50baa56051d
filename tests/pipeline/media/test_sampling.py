"""Pictures that are no samples are not decoded where no other needs them, and the samples are the same."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.media import clock, reading
from pipeline.media.opening import opened, video_stream
from pipeline.media.sampling import Sampler, Thinning

COUNT = 90


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds at 30 pictures a second, of which most refer to others and are referred to by none."""
    path = tmp_path_factory.mktemp("clips") / "moving.mp4"
    rng = np.random.default_rng(0)
    ground = rng.integers(0, 255, (96, 128 + COUNT, 3), np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        stream.options = {"x264-params": "bframes=3:b-pyramid=none:b-adapt=0:keyint=45:scenecut=0"}
        for number in range(COUNT):
            picture = np.ascontiguousarray(ground[:, number : number + 128])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def decoded(path: Path, per_second: float, from_s: float = -np.inf, is_thin: bool = False) -> tuple[int, list[float]]:
    """How many pictures are decoded, and the times of the samples among them."""
    with opened(path) as container:
        sampler = Sampler(per_second)
        thinning = Thinning(video_stream(container).codec_context, sampler, from_s, 0.0)
        thinning.is_thin = is_thin
        times = [float(frame.time or 0.0) for frame in clock.decoded(container, watched=thinning.watched)]
    wanted = Sampler(per_second)
    return len(times), [time_s for time_s in times if time_s >= from_s and wanted.takes(time_s)]


@pytest.mark.parametrize("per_second", [10.0, 7.0, 1.0])
def test_samples_are_the_same_pictures_at_the_same_times(clip: Path, per_second: float) -> None:
    every = dict(reading.frames(clip))
    assert len(every) == COUNT
    sampler = Sampler(per_second)
    expected = [time_s for time_s in every if sampler.takes(time_s)]
    found = list(reading.frames(clip, per_second))
    assert [time_s for time_s, _ in found] == expected
    for time_s, picture in found:
        np.testing.assert_array_equal(picture, every[time_s])


def test_what_is_no_sample_is_left_out_where_nothing_refers_to_it(clip: Path) -> None:
    count, _ = decoded(clip, 10.0)
    assert count < 0.6 * COUNT


def test_every_picture_is_decoded_where_all_are_samples(clip: Path) -> None:
    assert decoded(clip, 0.0)[0] == COUNT


def test_what_is_shown_before_the_beginning_is_left_out(clip: Path) -> None:
    assert decoded(clip, 0.0, from_s=2.0)[0] < decoded(clip, 0.0)[0] - 20


def test_all_that_nothing_refers_to_is_left_out_where_it_may_be(clip: Path) -> None:
    assert decoded(clip, 0.0, is_thin=True)[0] < COUNT / 3


def test_samples_are_evenly_spaced_after_a_time_with_fewer_pictures(clip: Path) -> None:
    """Others than those foreseen were taken there."""
    asked = 0

    def in_the_first_half() -> bool:
        nonlocal asked
        asked += 1
        return asked < 12

    times = [sample.time_s for sample in reading.samples(clip, 10.0, may_thin=in_the_first_half)]
    assert max(np.diff(times)[-10:]) < 0.11


@pytest.mark.parametrize(
    ("times", "taken"),
    [
        ([0.0, 0.04, 0.08, 0.12, 0.2], [0.0, 0.12, 0.2]),
        ([0.0, 0.1, 0.1, 0.05, 0.2], [0.0, 0.1, 0.2]),
        ([0.0, 5.03, 5.1, 5.13], [0.0, 5.03, 5.13]),
    ],
    ids=["evenly on the whole", "repeated and backward times", "anew after a gap"],
)
def test_samples_are_taken_in_time(times: list[float], taken: list[float]) -> None:
    sampler = Sampler(10.0)
    assert [time_s for time_s in times if sampler.takes(time_s)] == taken
