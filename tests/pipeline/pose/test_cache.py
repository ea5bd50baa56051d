"""Landmarks on disk: what was stored comes back, and what was damaged counts as absent."""

from __future__ import annotations

import threading
from dataclasses import fields, replace
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np
import pytest

from pipeline.config import PoseConfig
from pipeline.pose.cache import PoseCache
from pipeline.records import Pose, VideoInfo

DIGEST = "ab" * 32
CONFIG = PoseConfig()


def pose(frames: int = 5) -> Pose:
    rng = np.random.default_rng(0)
    image = rng.normal(size=(frames, 33, 2)).astype(np.float32)
    image[1:2] = np.nan
    return Pose(
        image=image,
        world=rng.normal(size=(frames, 33, 3)).astype(np.float32),
        depth=rng.normal(size=(frames, 33)).astype(np.float32),
        visibility=rng.random((frames, 33)).astype(np.float32),
        time=np.arange(frames) / 10,
        shot=np.zeros(frames, np.int32),
        width=640,
        height=480,
    )


@pytest.fixture
def cache(tmp_path: Path) -> PoseCache:
    return PoseCache(tmp_path / "poses")


@pytest.mark.parametrize("name", ["image", "world", "depth", "visibility", "time", "shot", "width", "height"])
def test_what_was_stored_comes_back(cache: PoseCache, name: str) -> None:
    cache.put(DIGEST, CONFIG, pose())
    found = cache.get(DIGEST, CONFIG)
    assert found is not None
    np.testing.assert_array_equal(getattr(found, name), getattr(pose(), name))


def test_a_file_of_the_last_release_is_read(cache: PoseCache) -> None:
    stored = pose()
    path = cache.folder / "ab" / f"{DIGEST}-ba01b4a6a812-6.npz"
    path.parent.mkdir(parents=True)
    np.savez_compressed(path, **{field.name: getattr(stored, field.name) for field in fields(stored)})
    found = cache.get(DIGEST, PoseConfig(engine="mediapipe"))
    assert found is not None
    np.testing.assert_array_equal(found.world, stored.world)
    assert cache.get(DIGEST, CONFIG) is None  # landmarks of another engine


def test_a_file_is_for_its_user_alone(cache: PoseCache) -> None:
    cache.put(DIGEST, CONFIG, pose())
    assert cache.path(DIGEST, CONFIG).stat().st_mode & 0o777 == 0o600


def test_a_video_without_a_single_pose_comes_back(cache: PoseCache) -> None:
    cache.put(DIGEST, CONFIG, pose(0))
    found = cache.get(DIGEST, CONFIG)
    assert found is not None
    assert len(found.time) == 0


def test_what_was_not_stored_is_absent(cache: PoseCache) -> None:
    assert cache.get(DIGEST, CONFIG) is None


def test_another_video_is_absent(cache: PoseCache) -> None:
    cache.put(DIGEST, CONFIG, pose())
    assert cache.get("cd" * 32, CONFIG) is None


@pytest.mark.parametrize(
    "other", [{"poses_per_second": 15.0}, {"max_side_px": 0}, {"min_confidence": 0.6}, {"model": "heavy.task"}]
)
def test_other_settings_are_absent(cache: PoseCache, other: dict[str, float]) -> None:
    cache.put(DIGEST, CONFIG, pose())
    assert cache.get(DIGEST, replace(CONFIG, **other)) is None


def test_storing_again_replaces(cache: PoseCache) -> None:
    cache.put(DIGEST, CONFIG, pose(5))
    cache.put(DIGEST, CONFIG, pose(7))
    found = cache.get(DIGEST, CONFIG)
    assert found is not None
    assert len(found.time) == 7


# Landmarks of the release before 'reading': times count from the container's start


def store_as_before(cache: PoseCache, kept: Pose) -> None:
    cache.put(DIGEST, CONFIG, kept)
    path = cache.path(DIGEST, CONFIG)
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files if name != "reading"}
    np.savez_compressed(path, **arrays)


def video(**values: object) -> VideoInfo:
    return VideoInfo(**{"path": "v.mp4", "duration_s": 0.5, "fps": 30.0, "width": 640, "height": 480} | values)  # type: ignore[arg-type]


def test_earlier_landmarks_of_a_late_video_are_kept_with_the_times_of_today(cache: PoseCache) -> None:
    store_as_before(cache, pose())
    found = cache.get_of(video(start_s=0.5, duration_s=1.0), DIGEST, CONFIG)
    assert found is not None
    assert found.time == pytest.approx([0.5, 0.6, 0.7, 0.8, 0.9])
    again = cache.get(DIGEST, CONFIG)  # by those who have no video
    assert again is not None
    assert again.time == pytest.approx(found.time)


def test_earlier_landmarks_are_current_once_the_video_was_seen(cache: PoseCache) -> None:
    store_as_before(cache, pose())
    assert cache.get(DIGEST, CONFIG, only_current=True) is None
    found = cache.get_of(video(), DIGEST, CONFIG)
    assert found is not None
    assert found.time == pytest.approx(pose().time)
    again = cache.get(DIGEST, CONFIG, only_current=True)
    assert again is not None
    np.testing.assert_array_equal(again.image, pose().image)


@pytest.mark.parametrize("other", [{"width": 854}, {"mirrored": True}, {"duration_s": 60.0}])
def test_earlier_landmarks_of_other_pictures_count_as_absent(cache: PoseCache, other: dict[str, object]) -> None:
    """The pixels are square today, a mirror is one, and joined recordings go on."""
    store_as_before(cache, pose())
    assert cache.get_of(video(**other), DIGEST, CONFIG) is None
    cache.put(DIGEST, CONFIG, pose())
    assert cache.get_of(video(**other), DIGEST, CONFIG) is not None


@pytest.mark.parametrize("kept", [0, 1, 100, 2000])
def test_a_file_that_was_cut_off_counts_as_absent(cache: PoseCache, kept: int) -> None:
    cache.put(DIGEST, CONFIG, pose())
    path = cache.path(DIGEST, CONFIG)
    path.write_bytes(path.read_bytes()[:kept])
    assert cache.get(DIGEST, CONFIG) is None


@pytest.mark.parametrize("content", [b"text", b"PK\x03\x04" + b"x" * 100, b"\x93NUMPY", b"\x80\x04K\x01."])
def test_a_file_of_something_else_counts_as_absent(cache: PoseCache, content: bytes) -> None:
    cache.put(DIGEST, CONFIG, pose())
    cache.path(DIGEST, CONFIG).write_bytes(content)
    assert cache.get(DIGEST, CONFIG) is None


def test_damage_of_any_byte_is_noticed_or_harmless(cache: PoseCache) -> None:
    cache.put(DIGEST, CONFIG, pose(2))
    path = cache.path(DIGEST, CONFIG)
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        found = cache.get(DIGEST, CONFIG)
        assert found is None or found.image.shape == (2, 33, 2)


def test_a_file_with_other_arrays_counts_as_absent(cache: PoseCache) -> None:
    cache.put(DIGEST, CONFIG, pose())
    np.savez(cache.path(DIGEST, CONFIG), image=np.zeros(3))
    assert cache.get(DIGEST, CONFIG) is None


def test_storing_leaves_no_half_written_file(cache: PoseCache) -> None:
    with pytest.raises(TypeError):
        cache.put(DIGEST, CONFIG, None)  # type: ignore[arg-type]
    assert [path for path in cache.folder.rglob("*") if path.is_file()] == []


def test_many_may_store_and_read_at_once(cache: PoseCache) -> None:
    found: list[Pose | None] = []

    def work() -> None:
        cache.put(DIGEST, CONFIG, pose())
        found.append(cache.get(DIGEST, CONFIG))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert None not in found


def _hold(folder: Path, digest: str, held: Event, release: Event) -> None:
    with PoseCache(folder).exclusive(digest):
        held.set()
        release.wait(30)


def _alone(folder: Path, digest: str, done: Event) -> None:
    with PoseCache(folder).exclusive(digest):
        done.set()


@pytest.mark.parametrize(("other", "waits"), [("ab" * 32, True), ("cd" * 32, False)])
def test_another_process_waits_for_the_same_video_alone(tmp_path: Path, other: str, waits: bool) -> None:
    spawn = get_context("spawn")
    held, release, done = spawn.Event(), spawn.Event(), spawn.Event()
    first = spawn.Process(target=_hold, args=(tmp_path, "ab" * 32, held, release))
    first.start()
    assert held.wait(30)
    second = spawn.Process(target=_alone, args=(tmp_path, other, done))
    second.start()
    assert done.wait(2 if waits else 30) is not waits
    release.set()
    assert done.wait(30)
    first.join()
    second.join()


def test_what_a_killed_process_held_is_free(tmp_path: Path) -> None:
    spawn = get_context("spawn")
    held, release = spawn.Event(), spawn.Event()
    first = spawn.Process(target=_hold, args=(tmp_path, "ab" * 32, held, release))
    first.start()
    assert held.wait(30)
    first.kill()
    first.join()
    with PoseCache(tmp_path).exclusive("ab" * 32):
        pass


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_file_counts_as_absent(cache: PoseCache, seed: int) -> None:
    cache.put(DIGEST, CONFIG, pose())
    path, rng = cache.path(DIGEST, CONFIG), np.random.default_rng(seed)
    content = bytearray(path.read_bytes())
    for at in rng.integers(0, len(content), 3):
        content[at] ^= int(rng.integers(1, 256))
    path.write_bytes(content[: int(rng.integers(1, len(content)))] if seed % 2 else content)
    found = cache.get(DIGEST, CONFIG)
    assert found is None or np.array_equal(found.image, pose().image, equal_nan=True)
