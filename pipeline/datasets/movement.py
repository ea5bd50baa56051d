"""A repetition's landmarks as a dataset of `movement`, a library for the analysis of motion (netCDF 3).

Its layout is that of `movement.io.load_poses.from_numpy`, kept with `to_netcdf`: position (time, space, keypoints,
individuals) in pixels and confidence (time, keypoints, individuals). `xarray.open_dataset` reads it. Times are the
video's own seconds, since poses need not be evenly spaced.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.io import netcdf_file

from pipeline.datasets.dataset_format import Added, DatasetFormat
from pipeline.datasets.rows import ExportedRep
from pipeline.landmarks import LANDMARKS
from pipeline.records import Pose, Rep

SOURCE = "deadlift"
INDIVIDUAL = "lifter"


class MovementFiles(DatasetFormat):
    """One file per repetition."""

    opened_by: ClassVar[Mapping[str, str]] = {"movement, xarray": 'xarray.open_dataset("movement/REP.nc")'}
    holds: ClassVar[Mapping[str, str]] = {
        "movement/": "MediaPipe's 33 landmarks in pixels, as movement and xarray read them (netCDF)"
    }
    makes_files_of_reps = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "movement").mkdir()

    def add(self, row: ExportedRep, pose: Pose | None, rep: Rep | None) -> Added:
        assert pose is not None
        name = f"movement/{row.rep}.nc"
        write_movement(self._folder / name, pose, row.start_s, row.end_s)
        return Added({"movement": name})


def write_movement(path: Path, pose: Pose, start_s: float, end_s: float) -> int:
    """Write the poses of [start_s, end_s) and return how many; missing landmarks are NaN, with confidence 0."""
    inside = (pose.time >= start_s) & (pose.time < end_s)
    times = pose.time[inside]
    with netcdf_file(path, "w") as file:
        # Ids, values, and their order are the library's. No fps: times are not counted in frames.
        for name, value in (("source_software", SOURCE), ("ds_type", "poses"), ("time_unit", "seconds")):
            setattr(file, name, value)
        file.createDimension("time", len(times))
        file.createVariable("time", "d", ("time",))[:] = times
        _write_names(file, "space", ("x", "y"))
        _write_names(file, "keypoints", LANDMARKS)
        _write_names(file, "individuals", (INDIVIDUAL,))
        position = np.moveaxis(pose.image[inside], 1, 2)[..., np.newaxis]
        _write(file, "position", position, ("time", "space", "keypoints", "individuals"))
        _write(file, "confidence", pose.visibility[inside][..., np.newaxis], ("time", "keypoints", "individuals"))
    return len(times)


def _write(file: netcdf_file, name: str, values: NDArray[np.float32], dimensions: Sequence[str]) -> None:
    variable = file.createVariable(name, "f", dimensions)
    variable._FillValue = np.float32(np.nan)
    variable[:] = values


def _write_names(file: netcdf_file, name: str, names: Sequence[str]) -> None:
    """A coordinate of text: netCDF 3 knows only characters, which xarray joins."""
    width = max(map(len, names))
    file.createDimension(name, len(names))
    file.createDimension(f"{name}_length", width)
    variable: Any = file.createVariable(name, "c", (name, f"{name}_length"))
    variable._Encoding = "utf-8"
    variable[:] = np.array([list(one.ljust(width, "\0")) for one in names], dtype="S1")
