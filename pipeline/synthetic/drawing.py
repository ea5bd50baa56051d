"""Draw a synthetic lifter and write the video: a shaded figure with a face, in a gym, at any frame rate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import groupby, pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.landmarks import INDEX
from pipeline.media import writing
from pipeline.synthetic.body import FACE, PLATE_X_M, Skeleton, skeleton_of
from pipeline.synthetic.motion import SIDES, Array
from pipeline.synthetic.plan import Camera, Colour, Lifter, LiftPlan
from pipeline.synthetic.pose import View, frame_times, shots_of, view_of
from pipeline.synthetic.scene import (
    BAR_STOPS,
    Picture,
    draw_plate,
    draw_shaft,
    fill,
    fixed_point,
    ground_shadow,
    gym,
    shade,
)

OVERSAMPLING = 2
CHUNK = 128
"""Frames whose outlines are computed at once."""
_TURN = np.linspace(0, 2 * np.pi, 16, endpoint=False)
_LIGHT = np.array([-0.18, -0.22])
_CIRCLE = np.stack([np.cos(_TURN), np.sin(_TURN)], axis=1)
_ALL_BENT = np.radians(45.0)
"""A spine that bends shows all of it from this lean of the trunk on, and none of it upright."""
_SPINE = ((0.15, 0.105), (0.28, 0.107), (0.42, 0.1115), (0.56, 0.1186), (0.68, 0.1228), (0.8, 0.1175))
"""Balls along a spine that bends: shares of the way from hips to shoulders, and radii in metres."""


@dataclass(frozen=True)
class _Solid:
    """The hull of balls in one colour: centres [T, n, 3] metres, radii [n] metres."""

    colour: Colour
    centres: Array
    radii: Array


@dataclass(frozen=True)
class _Limb:
    """Solids that are sorted by depth as one and share an outline, the later drawn over the earlier. nearer: metres by
    which the limb is drawn as if nearer to the camera. side: 1 left, -1 right, 0 middle of the body."""

    solids: tuple[_Solid, ...]
    side: float = 0.0
    nearer: float = 0.0


@dataclass(frozen=True)
class _Layers:
    """A limb as a camera sees it: away [T] metres for the order of drawing, and convex layers from the outline to the
    highlight, each a colour and fixed-point pixels [T, n, 2]."""

    away: Array
    layers: tuple[tuple[Colour, NDArray[np.int32]], ...]


def render(plan: LiftPlan, path: Path | str) -> None:
    """Write the plan as an MP4 (H.264, yuv420p, constant rate, a key frame every second) to `path`.

    Frame i is presented at i / fps seconds. Raises OSError where the file cannot be written.
    """
    rate = Fraction(plan.fps).limit_denominator(1001)
    writing.write(path, ((number / float(rate), picture) for number, picture in enumerate(draw(plan))), rate)


def draw(plan: LiftPlan, time: Array | None = None) -> Iterator[Picture]:
    """The pictures [height, width, 3] RGB of a plan, of every frame or of the given times."""
    time = frame_times(plan) if time is None else np.asarray(time, dtype=np.float64)
    shots = shots_of(plan, time)
    for shot, camera in enumerate([plan.camera, *(cut.camera for cut in plan.cuts)]):
        yield from _draw_shot(plan, camera, time[shots == shot])


def _draw_shot(plan: LiftPlan, camera: Camera, time: Array) -> Iterator[Picture]:
    """The pictures of one camera. Only the part of the picture around lifter and bar is drawn anew."""
    view = _enlarged(view_of(plan, camera))
    room = gym(view, plan.width * OVERSAMPLING, plan.height * OVERSAMPLING)
    empty = cv2.resize(room, (plan.width, plan.height), interpolation=cv2.INTER_AREA)
    canvas = room.copy()
    for begin in range(0, len(time), CHUNK):
        skeleton = skeleton_of(plan, time[begin : begin + CHUNK])
        limbs = [_seen(limb, view) for limb in _limbs(skeleton, plan.lifter, plan.back_bow)]
        stops = skeleton.bar[:, None] + skeleton.bar_axis[:, None] * np.array(BAR_STOPS)[:, None]
        shaft = view.project(stops)
        corners = np.concatenate([view.project(skeleton.landmarks), shaft], axis=1)
        margin = 0.32 * view.focal_px / corners[..., 2:].min(axis=1)
        low, high = corners[..., :2].min(axis=1) - margin, corners[..., :2].max(axis=1) + margin
        for frame in range(len(skeleton.time)):
            x, y = (np.clip(low[frame] // OVERSAMPLING, 0, [plan.width, plan.height])).astype(int)
            x_end, y_end = (np.clip(high[frame] // OVERSAMPLING + 1, 0, [plan.width, plan.height])).astype(int)
            picture = empty.astype(np.uint8)
            if x_end > x and y_end > y:
                big = (
                    slice(y * OVERSAMPLING, y_end * OVERSAMPLING),
                    slice(x * OVERSAMPLING, x_end * OVERSAMPLING),
                )
                canvas[big] = room[big]
                _draw_frame(canvas, view, skeleton, limbs, shaft[frame], frame, plan.lifter)
                picture[y:y_end, x:x_end] = cv2.resize(
                    canvas[big], (int(x_end - x), int(y_end - y)), interpolation=cv2.INTER_AREA
                )
            yield picture


def _enlarged(view: View) -> View:
    centre = (view.centre[0] * OVERSAMPLING, view.centre[1] * OVERSAMPLING)
    return View(view.place, view.right, view.forward, view.focal_px * OVERSAMPLING, centre)


def _limbs(skeleton: Skeleton, lifter: Lifter, back_bow: float) -> list[_Limb]:
    """All of the body but the head, over T frames. back_bow: of the plan."""
    tall, thick = lifter.height_m, lifter.height_m / 1.76 * lifter.girth
    points = skeleton.landmarks

    def joint(name: str) -> Array:
        return points[:, INDEX[name]]

    def solid(colour: Colour, *balls: tuple[Array, float]) -> _Solid:
        centres = np.stack([centre for centre, _ in balls], axis=1)
        return _Solid(colour, centres, np.array([radius for _, radius in balls]) * thick)

    def between(a: Array, b: Array, share: float) -> Array:
        return a + share * (b - a)

    hips = (joint("left_hip") + joint("right_hip")) / 2
    chest = (joint("left_shoulder") + joint("right_shoulder")) / 2
    front = np.cross(joint("left_hip") - joint("right_hip"), chest - hips)
    front /= np.linalg.norm(front, axis=1, keepdims=True)
    trunk = chest - hips
    trunk_m = np.linalg.norm(trunk, axis=1, keepdims=True)
    bulge = back_bow * trunk_m * np.clip(np.arccos(trunk[:, 1:2] / trunk_m) / _ALL_BENT, 0.0, 1.0)

    def spine(share: float) -> Array:
        """[T, 3] a point of the spine, a parabola from the hips (0) to the shoulders (1)."""
        point: Array = between(hips, chest, share) - 4 * share * (1 - share) * bulge * front
        return point

    waist, ribs = between(hips, chest, 0.32), between(hips, chest, 0.74) + 0.01 * tall * front
    limbs = []
    for sign, side in SIDES:
        shoulder, elbow, wrist = joint(f"{side}_shoulder"), joint(f"{side}_elbow"), joint(f"{side}_wrist")
        knuckles = (joint(f"{side}_index") + joint(f"{side}_pinky")) / 2
        hip, knee, ankle = joint(f"{side}_hip"), joint(f"{side}_knee"), joint(f"{side}_ankle")
        heel, toe = joint(f"{side}_heel"), joint(f"{side}_foot_index")
        sole = np.array([0.0, 0.012, 0.0])
        shoe = (
            solid((236, 236, 238), (heel - sole, 0.022), (toe - sole, 0.020)),
            solid(lifter.shoes, (heel + sole, 0.036), (toe + 0.6 * sole, 0.026), (between(heel, ankle, 0.9), 0.045)),
        )
        leg = (
            solid(lifter.skin, (hip, 0.08), (knee, 0.058)),
            solid(lifter.skin, (knee, 0.057), (between(knee, ankle, 0.33), 0.059), (ankle, 0.038)),
            solid((240, 240, 242), (between(knee, ankle, 0.80), 0.043), (ankle, 0.041)),
            solid(lifter.shorts, (hip, 0.098), (between(hip, knee, 0.62), 0.080)),
        )
        arm = (
            solid(lifter.skin, (shoulder, 0.050), (elbow, 0.040)),
            solid(lifter.skin, (elbow, 0.041), (between(elbow, wrist, 0.3), 0.043), (wrist, 0.029)),
            solid(lifter.skin, (wrist, 0.029), (between(wrist, knuckles, 0.75), 0.040), (knuckles, 0.036)),
            solid(lifter.shirt, (shoulder, 0.064), (between(shoulder, elbow, 0.5), 0.056)),
        )
        limbs += [_Limb(shoe, sign), _Limb(leg, sign), _Limb(arm, sign, nearer=0.06)]
    neck = solid(
        lifter.skin,
        (between(chest, skeleton.neck, 0.4), 0.060),
        (skeleton.head - 0.02 * tall * skeleton.head_axes[:, 1], 0.055),
    )
    shorts = solid(
        lifter.shorts,
        (joint("left_hip"), 0.092),
        (joint("right_hip"), 0.092),
        (hips - 0.018 * tall * front, 0.105),
        (waist if back_bow == 0 else spine(0.18), 0.105),
    )
    left, right = between(joint("left_shoulder"), chest, 0.12), between(joint("right_shoulder"), chest, 0.12)
    shoulders = ((left, 0.058), (right, 0.058), (skeleton.neck, 0.05))
    if back_bow == 0:
        shirt = [solid(lifter.shirt, *shoulders, (ribs, 0.128), (waist, 0.112))]
    else:
        # One hull of all would be straight where the spine is hollow.
        forward = [0.01 * tall * float(np.interp(share, (0.3, 0.74), (0.0, 1.0))) for share, _ in _SPINE]
        balls = [(spine(share) + ahead * front, radius) for (share, radius), ahead in zip(_SPINE, forward, strict=True)]
        shirt = [solid(lifter.shirt, lower, upper) for lower, upper in pairwise(balls)]
        shirt.append(solid(lifter.shirt, *shoulders, balls[-1]))
    return [*limbs, _Limb((neck,)), _Limb((shorts, *shirt))]


def _seen(limb: _Limb, view: View) -> _Layers:
    """The limb in three tones, lit from above, inside one outline; solids of one colour melt into each other."""
    light = 0.82 if limb.side * view.place[0] < -1.0 else 1.0  # the far side stands in the shadow of the near one
    away = np.concatenate([solid.centres for solid in limb.solids], axis=1).mean(axis=1) - view.place
    placed: list[tuple[Colour, Array, Array]] = []
    for solid in limb.solids:
        seen = view.project(solid.centres)
        radii = (solid.radii * view.focal_px / seen[..., 2])[:, :, None, None]
        placed.append((shade(solid.colour, light), seen[:, :, None, :2], radii))

    def layer(hull: Array) -> NDArray[np.int32]:
        return fixed_point(hull.reshape(len(hull), -1, 2))

    layers = [(shade(colour, 0.5), layer(at + (radii + 1.5) * _CIRCLE)) for colour, at, radii in placed]
    for _, same in groupby(placed, key=lambda item: item[0]):
        group = list(same)
        for share, tone in ((1.0, 0.84), (0.76, 1.0), (0.38, 1.10)):
            ball = share * _CIRCLE + 1.9 * (1.0 - share) * _LIGHT
            layers += [(shade(colour, tone), layer(at + radii * ball)) for colour, at, radii in group]
    return _Layers(away @ view.forward - limb.nearer, tuple(layers))


def _draw_frame(
    picture: Picture, view: View, skeleton: Skeleton, limbs: list[_Layers], shaft: Array, frame: int, lifter: Lifter
) -> None:
    """Draw bar and body from far to near. shaft [n, 3] are the projected ends of the pieces of the bar."""
    points, bar, axis = skeleton.landmarks[frame], skeleton.bar[frame], skeleton.bar_axis[frame]
    jobs: list[tuple[float, Callable[[], None]]] = []

    def away(point: Array) -> float:
        return float((point - view.place) @ view.forward)

    def draw_limb(limb: _Layers) -> None:
        for colour, outlines in limb.layers:
            fill(picture, outlines[frame], colour)

    for sign, side in SIDES:
        foot = (points[INDEX[f"{side}_heel"]] + points[INDEX[f"{side}_foot_index"]]) / 2
        plate = bar + axis * (sign * sum(PLATE_X_M) / 2)
        ground_shadow(picture, view, foot, (0.14, 0.18))
        ground_shadow(picture, view, plate, (0.08, 0.20))
        jobs.append((away(plate), partial(draw_plate, picture, view, bar, axis, sign)))
    thick = max(2, round(float(0.032 * view.focal_px / shaft[:, 2].mean())))
    ends = fixed_point(shaft[:, :2]).tolist()
    for index, (begin, end) in enumerate(pairwise(ends)):
        distance = float(shaft[index : index + 2, 2].mean())
        jobs.append((distance, partial(draw_shaft, picture, begin, end, thick)))
    jobs += [(float(limb.away[frame]), partial(draw_limb, limb)) for limb in limbs]
    jobs.append((away(skeleton.head[frame]) - 0.02, partial(_draw_head, picture, view, skeleton, frame, lifter)))
    for _, job in sorted(jobs, key=lambda job: -job[0]):
        job()


def _draw_head(picture: Picture, view: View, skeleton: Skeleton, frame: int, lifter: Lifter) -> None:
    """Hair, face patch, ears, eyes, nose and mouth; what is turned away from the camera is left out."""
    tall = lifter.height_m
    middle, axes = skeleton.head[frame], skeleton.head_axes[frame]
    to_camera = view.place - middle
    to_camera = axes @ (to_camera / np.linalg.norm(to_camera))

    def place(offsets: Array) -> Array:
        """Pixels and distances [n, 3] of points given in the head's axes, in shares of body height."""
        return view.project(middle + (offsets * tall) @ axes)

    def balls(offsets: list[tuple[float, float, float]], radii: list[float], colour: Colour, edge: bool = True) -> None:
        seen = place(np.array(offsets))
        sizes = np.array(radii) * tall * view.focal_px / seen[:, 2]
        for wider, tone in ((1.2, 0.6), (0.0, 1.0)) if edge else ((0.0, 1.0),):
            outline = (seen[:, None, :2] + (sizes[:, None, None] + wider) * _CIRCLE).reshape(-1, 2)
            fill(picture, fixed_point(outline), shade(colour, tone))

    skin, dark = lifter.skin, shade(lifter.skin, 0.72)
    balls([(0, -0.004, 0.008), (0, -0.048, 0.028)], [0.052, 0.024], shade(skin, 0.93))
    balls([(0, 0.016, -0.006), (0, -0.006, -0.014)], [0.056, 0.048], lifter.hair)
    angles = np.radians(np.array([(a, e) for a in range(-72, 73, 12) for e in range(-60, 31, 10)], dtype=np.float64))
    normal = np.stack(
        [
            np.sin(angles[:, 0]) * np.cos(angles[:, 1]),
            np.sin(angles[:, 1]),
            np.cos(angles[:, 0]) * np.cos(angles[:, 1]),
        ],
        axis=1,
    )
    face = normal * np.array([0.047, 0.066, 0.055]) + np.array([0.0, -0.004, 0.004])
    visible = (normal / np.array([0.047, 0.066, 0.055])) @ to_camera > 0
    if visible.sum() > 3:
        fill(picture, fixed_point(place(face[visible])[:, :2]), skin)
    for sign, _ in SIDES:
        if sign * to_camera[0] > 0.05:
            balls([(sign * 0.046, -0.002, -0.004), (sign * 0.045, -0.014, -0.002)], [0.011, 0.008], shade(skin, 0.9))
        x, y, z = FACE["eye"]
        facing = np.array([sign * 0.35, 0.0, 0.94]) @ to_camera
        if facing > 0.12:
            wide = 0.0085 * min(1.0, 0.45 + facing)
            balls(
                [(sign * (x - wide * 0.6), y, z), (sign * (x + wide * 0.6), y, z - 0.004)],
                [0.0055] * 2,
                (248, 248, 248),
            )
            balls([(sign * x, y - 0.0005, z + 0.003)], [0.0048], (48, 34, 26), edge=False)
            brow = [(sign * (x - 0.010), y + 0.016, z + 0.003), (sign * (x + 0.011), y + 0.0155, z - 0.005)]
            balls(brow, [0.0026, 0.0022], shade(lifter.hair, 0.8), edge=False)
    if to_camera[2] > -0.15:
        balls([(0, 0.004, 0.056), (0, -0.014, 0.064)], [0.004, 0.0085], shade(skin, 0.88), edge=False)
        balls([(0, -0.011, 0.064)], [0.0055], shade(skin, 1.12), edge=False)
        if to_camera[2] > 0.05:
            balls([(-0.013, -0.033, 0.050), (0.013, -0.033, 0.050)], [0.0036] * 2, (158, 74, 70), edge=False)
            balls([(-0.008, -0.043, 0.050), (0.008, -0.043, 0.050)], [0.0022] * 2, dark, edge=False)
