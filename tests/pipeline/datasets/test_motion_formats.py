"""Landmarks for the libraries that analyse motion: movement's netCDF and SLEAP's labels files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from dataset_rows import ROW
from drawn_lifts import video
from scipy.io import netcdf_file

from pipeline.datasets.movement import write_movement
from pipeline.datasets.rows import ExportedRep
from pipeline.datasets.sleap import EDGES, write_slp
from pipeline.landmarks import INDEX, LANDMARKS
from pipeline.records import Pose, Rep

POSE, REPS = video(1)
RATE = 25.0


def row(rep: Rep, **changes: Any) -> ExportedRep:
    return replace(ROW, start_s=rep.start_s, end_s=rep.end_s, frame_rate=RATE, **changes)


def inside(rep: Rep) -> Any:
    return (POSE.time >= rep.start_s) & (POSE.time < rep.end_s)


def without_body(first_s: float, last_s: float) -> Pose:
    image, gone = POSE.image.copy(), (POSE.time >= first_s) & (POSE.time < last_s)
    image[gone] = np.nan
    return replace(POSE, image=image)


# movement


def test_movement_has_position_confidence_and_the_videos_times(tmp_path: Path) -> None:
    count = write_movement(tmp_path / "a.nc", POSE, REPS[1].start_s, REPS[1].end_s)
    with netcdf_file(tmp_path / "a.nc", mmap=False) as file:
        assert file.variables["position"].shape == (count, 2, 33, 1)
        np.testing.assert_array_equal(file.variables["time"][:], POSE.time[inside(REPS[1])])
        np.testing.assert_array_equal(
            file.variables["position"][:, :, :, 0], POSE.image[inside(REPS[1])].transpose(0, 2, 1)
        )
        np.testing.assert_array_equal(file.variables["confidence"][:, :, 0], POSE.visibility[inside(REPS[1])])


def test_movement_names_its_landmarks_and_itself(tmp_path: Path) -> None:
    write_movement(tmp_path / "a.nc", POSE, REPS[1].start_s, REPS[1].end_s)
    with netcdf_file(tmp_path / "a.nc", mmap=False) as file:
        names = [bytes(b"".join(one)).rstrip(b"\0").decode() for one in file.variables["keypoints"][:]]
        assert tuple(names) == LANDMARKS
        assert (file.source_software, file.ds_type, file.time_unit) == (b"deadlift", b"poses", b"seconds")


def test_movement_has_nan_where_nobody_is(tmp_path: Path) -> None:
    write_movement(tmp_path / "a.nc", without_body(0.0, 100.0), REPS[1].start_s, REPS[1].end_s)
    with netcdf_file(tmp_path / "a.nc", mmap=False) as file:
        assert np.isnan(file.variables["position"][:]).all()


def test_equal_poses_are_equal_netcdf_files(tmp_path: Path) -> None:
    for name in ("a.nc", "b.nc"):
        write_movement(tmp_path / name, POSE, REPS[1].start_s, REPS[1].end_s)
    assert (tmp_path / "a.nc").read_bytes() == (tmp_path / "b.nc").read_bytes()


# SLEAP


def test_slp_has_a_frame_for_every_pose_of_the_repetitions(tmp_path: Path) -> None:
    count = write_slp(tmp_path / "a.slp", "squad.mp4", [row(rep) for rep in REPS[:2]], POSE)
    times = POSE.time[inside(REPS[0]) | inside(REPS[1])]
    with h5py.File(tmp_path / "a.slp") as file:
        assert file["frames"]["frame_idx"].tolist() == np.round(times * RATE).tolist()
        assert len(file["frames"]) == len(file["instances"]) == count
        assert json.loads(file["videos_json"][0])["filename"] == "squad.mp4"


def test_slp_points_are_landmarks(tmp_path: Path) -> None:
    write_slp(tmp_path / "a.slp", "squad.mp4", [row(REPS[1])], POSE)
    with h5py.File(tmp_path / "a.slp") as file:
        points = file["pred_points"][:].reshape(-1, 33)
        found = np.stack([points["x"], points["y"]], axis=-1)
        np.testing.assert_array_equal(found, POSE.image[inside(REPS[1])].astype(np.float64))
        names = [one["name"] for one in json.loads(file["metadata"].attrs["json"])["nodes"]]
        assert tuple(names) == LANDMARKS


def test_slp_leaves_out_frames_without_a_person(tmp_path: Path) -> None:
    gone = without_body(REPS[1].start_s, REPS[1].start_s + 0.2)
    whole = write_slp(tmp_path / "a.slp", "squad.mp4", [row(REPS[1])], POSE)
    assert write_slp(tmp_path / "b.slp", "squad.mp4", [row(REPS[1])], gone) == whole - 2


def test_slp_has_a_pose_of_two_overlapping_repetitions_once(tmp_path: Path) -> None:
    once = write_slp(tmp_path / "a.slp", "squad.mp4", [row(REPS[1])], POSE)
    assert write_slp(tmp_path / "b.slp", "squad.mp4", [row(REPS[1]), row(REPS[1])], POSE) == once


def test_slp_without_a_frame_rate_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="frame rate"):
        write_slp(tmp_path / "a.slp", "squad.mp4", [replace(row(REPS[1]), frame_rate=None)], POSE)


def test_equal_poses_are_equal_slp_files(tmp_path: Path) -> None:
    for name in ("a.slp", "b.slp"):
        write_slp(tmp_path / name, "squad.mp4", [row(REPS[1])], POSE)
    assert (tmp_path / "a.slp").read_bytes() == (tmp_path / "b.slp").read_bytes()


def test_edges_join_landmarks() -> None:
    assert {name for edge in EDGES for name in edge} <= set(INDEX)
