"""The pose that a perfect estimator would find of a synthetic lifter, and its true repetitions."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.landmarks import INDEX
from pipeline.records import Pose, Rep
from pipeline.synthetic.body import PLATE_RADIUS_M, PLATE_X_M, Skeleton, skeleton_of
from pipeline.synthetic.motion import Array
from pipeline.synthetic.plan import Camera, LiftPlan, timeline_of

VISIBLE_M = 0.03
"""How far a load has moved when people say that it has: in clips that people marked, hands are 3 to 4.5 cm above the
floor's place, and below lockout's, at the marks (`benchmarks/marked_heights.py`)."""
OCCLUDED = 0.25
"""Visibility of a landmark behind a plate; one outside the picture gets 0.1."""
_STEP_S = 0.005


@dataclass(frozen=True)
class View:
    """A camera placed in the world: its place, its right and forward axes (up is the world's), focal length and
    principal point in pixels."""

    place: Array
    right: Array
    forward: Array
    focal_px: float
    centre: tuple[float, float]

    def project(self, points: Array) -> Array:
        """World points [..., 3] in metres to [..., 3]: pixels x (right), y (down), and metres from the camera."""
        offset = points - self.place
        away = np.maximum(offset @ self.forward, 0.05)
        x = self.centre[0] + self.focal_px * (offset @ self.right) / away
        y = self.centre[1] - self.focal_px * offset[..., 1] / away
        return np.stack([x, y, away], axis=-1)


def view_of(plan: LiftPlan, camera: Camera) -> View:
    """The camera, one metre above the floor, looking level at the place of the lift."""
    azimuth = math.radians(camera.azimuth_deg)
    forward = -np.array([math.sin(azimuth), 0.0, math.cos(azimuth)])
    right = np.array([math.cos(azimuth), 0.0, -math.sin(azimuth)])
    place = -forward * camera.distance_m + np.array([0.0, 1.0, 0.06])
    focal = camera.size * plan.height * camera.distance_m / plan.lifter.height_m
    middle = focal * (0.5 * plan.lifter.height_m - 1.0) / camera.distance_m
    centre = (plan.width * (0.5 + camera.offset[0]), plan.height * (0.5 + camera.offset[1]) + middle)
    return View(place, right, forward, focal, centre)


def frame_times(plan: LiftPlan) -> Array:
    """Presentation times of the frames of the plan's video, in seconds: every 1 / fps from 0."""
    return np.arange(round(timeline_of(plan).duration_s * plan.fps), dtype=np.float64) / plan.fps


def shots_of(plan: LiftPlan, time: Array) -> NDArray[np.int32]:
    """[T] number of the shot at each time: the number of cuts before it."""
    return np.searchsorted([cut.time_s for cut in plan.cuts], time, side="right").astype(np.int32)


def reps_of(plan: LiftPlan) -> tuple[Rep, ...]:
    """The true repetitions as a person would mark them: from the moment that the load is seen to have left the floor
    (it is VISIBLE_M up) to the moment before it is back, the top where it comes so near to its height at lockout.

    The planned moves (`timeline_of(plan).reps`) begin and end at speed zero, which nobody can see: the load takes a
    tenth of a second to the first centimetres, and two tenths over the last ones.
    """
    return tuple(_visible(plan, move) for move in timeline_of(plan).reps)


def _visible(plan: LiftPlan, move: Rep) -> Rep:
    time = np.arange(move.start_s, move.end_s, _STEP_S)
    height = skeleton_of(plan, time).bar[:, 1]
    off = time[height > height.min() + VISIBLE_M]
    locked = time[height > height.max() - VISIBLE_M]
    return Rep(float(off[0]), float(locked[0]), float(off[-1]))


def pose_of(plan: LiftPlan, times: Array | None = None) -> Pose:
    """The exact pose at the given times (seconds, increasing; default: every frame of the plan's video).

    Visibility is 1, lower behind a plate or outside the picture; a lifter less than half of whom is in the picture is
    missing (NaN), as a pose estimator would have it.
    """
    time = frame_times(plan) if times is None else np.asarray(times, dtype=np.float64)
    skeleton = skeleton_of(plan, time)
    points = skeleton.landmarks
    shot = shots_of(plan, time)
    image, depth = np.zeros((*points.shape[:2], 2)), np.zeros(points.shape[:2])
    world, visibility = np.zeros_like(points), np.ones(points.shape[:2])
    hips = points[:, [INDEX["left_hip"], INDEX["right_hip"]]].mean(axis=1, keepdims=True)
    for number, camera in enumerate([plan.camera, *(cut.camera for cut in plan.cuts)]):
        now = shot == number
        view = view_of(plan, camera)
        seen, middle = view.project(points[now]), view.project(hips[now])
        image[now] = seen[..., :2]
        depth[now] = (seen[..., 2] - middle[..., 2]) * view.focal_px / middle[..., 2]
        offset = points[now] - hips[now]
        world[now] = np.stack([offset @ view.right, -offset[..., 1], offset @ view.forward], axis=-1)
        visibility[now] = np.where(_behind_plate(skeleton, now, view), OCCLUDED, 1.0)
    outside = (image < 0).any(axis=2) | (image[..., 0] >= plan.width) | (image[..., 1] >= plan.height)
    visibility[outside] = 0.1
    pose = Pose(
        image.astype(np.float32),
        world.astype(np.float32),
        depth.astype(np.float32),
        visibility.astype(np.float32),
        time,
        shot,
        plan.width,
        plan.height,
    )
    return drop_poses(pose, outside.mean(axis=1) > 0.5)


def _behind_plate(skeleton: Skeleton, now: NDArray[np.bool_], view: View) -> NDArray[np.bool_]:
    """[T', 33] whether the line from the camera to a landmark passes through one of the two outer plates."""
    points = skeleton.landmarks[now]
    hidden = np.zeros(points.shape[:2], dtype=bool)
    axis = skeleton.bar_axis[now][:, None]
    ray = points - view.place
    for sign in (-1.0, 1.0):
        plate = skeleton.bar[now][:, None] + sign * PLATE_X_M[1] * axis
        slope = (ray * axis).sum(axis=2)
        share = ((plate - view.place) * axis).sum(axis=2) / np.where(np.abs(slope) < 1e-9, 1e-9, slope)
        hit = view.place + ray * share[..., None]
        hidden |= (share > 0) & (share < 1) & (np.linalg.norm(hit - plate, axis=2) < PLATE_RADIUS_M)
    return hidden


def drop_poses(pose: Pose, missing: NDArray[np.bool_]) -> Pose:
    """The pose with no person found in the frames where `missing` [T] is True."""
    image, world = pose.image.copy(), pose.world.copy()
    depth, visibility, back_bow = pose.depth.copy(), pose.visibility.copy(), pose.back_bow.copy()
    image[missing], world[missing], depth[missing], visibility[missing] = np.nan, np.nan, np.nan, 0.0
    back_bow[missing] = np.nan
    return replace(pose, image=image, world=world, depth=depth, visibility=visibility, back_bow=back_bow)


def occlude(
    pose: Pose, names: tuple[str, ...], visibility: float = OCCLUDED, jitter: float = 0.0, seed: int = 0
) -> Pose:
    """The pose with the named landmarks poorly visible, and misplaced by `jitter` pixels (standard deviation)."""
    rows = [INDEX[name] for name in names]
    seen, image = pose.visibility.copy(), pose.image.copy()
    seen[:, rows] = np.minimum(seen[:, rows], visibility)
    noise = np.random.default_rng(seed).normal(0.0, jitter, image[:, rows].shape)
    image[:, rows] += noise.astype(np.float32)
    return replace(pose, visibility=seen, image=image)


def add_jitter(pose: Pose, body_share: float = 0.006, seed: int = 0) -> Pose:
    """The pose with the noise of an estimator: normal, independent per frame and landmark, its standard deviation a
    share of the body's height (of the tallest pose in the picture; for `world` of 1.75 m)."""
    rng = np.random.default_rng(seed)
    rows = pose.image[pose.detected]
    tall = float((rows[:, :, 1].max(axis=1) - rows[:, :, 1].min(axis=1)).max()) if len(rows) else 0.0
    image = pose.image + rng.normal(0.0, body_share * tall, pose.image.shape).astype(np.float32)
    world = pose.world + rng.normal(0.0, body_share * 1.75, pose.world.shape).astype(np.float32)
    return replace(pose, image=image, world=world)
