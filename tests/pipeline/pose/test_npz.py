"""Poses in npz files: what was written is read again, with the numbers that were written beside it."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from pipeline import synthetic
from pipeline.errors import PoseFileDamaged
from pipeline.pose.npz import read_pose, write_pose

POSE = synthetic.pose_of(synthetic.LiftPlan(), np.arange(0.0, 2.0, 0.1))


def test_a_pose_and_its_numbers_come_back(tmp_path: Path) -> None:
    write_pose(tmp_path / "a.npz", POSE, start_s=0.25, end_s=1.5)
    pose, numbers = read_pose(tmp_path / "a.npz", ("end_s", "start_s"))
    assert numbers == (1.5, 0.25)
    for field in fields(POSE):
        np.testing.assert_array_equal(getattr(pose, field.name), getattr(POSE, field.name))


def test_a_number_that_was_not_written_is_damage(tmp_path: Path) -> None:
    write_pose(tmp_path / "a.npz", POSE)
    with pytest.raises(PoseFileDamaged, match=r"a\.npz"):
        read_pose(tmp_path / "a.npz", ("start_s",))


def test_a_file_that_is_not_there_is_damage(tmp_path: Path) -> None:
    with pytest.raises(PoseFileDamaged):
        read_pose(tmp_path / "none.npz")


def test_a_pose_of_an_earlier_release_says_nothing_of_the_back(tmp_path: Path) -> None:
    write_pose(tmp_path / "new.npz", replace(POSE, back_bow=np.full(len(POSE.time), 0.05, np.float32)))
    with np.load(tmp_path / "new.npz") as stored:
        np.savez_compressed(tmp_path / "old.npz", **{name: stored[name] for name in stored if name != "back_bow"})
    (new, _), (old, _) = (read_pose(tmp_path / name) for name in ("new.npz", "old.npz"))
    assert (new.back_bow == np.float32(0.05)).all()
    assert np.isnan(old.back_bow).all()
    np.testing.assert_array_equal(old.image, POSE.image)
