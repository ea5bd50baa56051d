"""Reasons: what carries a distance, weighed by what a person would see of it."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline import synthetic
from pipeline.anomaly.explanations import heat_over_walk, reasons, visible
from pipeline.anomaly.features import PARTS_OF_WALK, Blocks, blocks_of, landmarks_of_rows
from pipeline.config import EncodeConfig
from pipeline.landmarks import INDEX, LANDMARKS
from pipeline.records import Floats, Pose, Rep
from pipeline.skelemotion import Encoded, encode

LENGTH = 48
PARTS = ("head", "back", "hips", "feet")


def cells(**where: tuple[int, float]) -> list[tuple[tuple[str, ...], Floats]]:
    """One block of four parts and twelve pieces of time; each named part has one cell (piece, value)."""
    values = np.zeros((len(PARTS), 12), np.float32)
    for part, (piece, value) in where.items():
        values[PARTS.index(part), piece] = value
    return [(PARTS, values)]


def weights(**less: float) -> list[Floats]:
    return [np.array([less.get(part, 1.0) for part in PARTS], np.float32)]


def encoded(pose: Pose, rep: Rep) -> tuple[Blocks, Encoded]:
    one = encode(pose, rep, EncodeConfig())
    return blocks_of(one.image[None]), one


def shown(pose: Pose, rep: Rep, block: int, part: str) -> float:
    """The largest weight of a part's rows in a block."""
    blocks, one = encoded(pose, rep)
    return max(
        float(weight)
        for weight, name in zip(visible(blocks, one)[block], blocks[block].parts, strict=True)
        if name == part
    )


@pytest.fixture(scope="module")
def drawn() -> tuple[Pose, Rep]:
    plan = synthetic.LiftPlan((synthetic.RepPlan(),))
    times = np.arange(0.0, synthetic.timeline_of(plan).duration_s, 0.1)
    return synthetic.pose_of(plan, times), synthetic.reps_of(plan)[0]


def test_strongest_cell_comes_first() -> None:
    found = reasons(cells(hips=(0, 3.0), back=(11, 5.0)), weights(), LENGTH)
    assert [(one.body_part, one.phase) for one in found] == [("back", "lowering"), ("hips", "pull")]


@pytest.mark.parametrize(("head", "first"), [(4.0, "hips"), (5.0, "head")])
def test_the_head_that_goes_along_does_not_come_before_what_moves_it(head: float, first: str) -> None:
    found = reasons(cells(hips=(0, 3.0), head=(1, head)), weights(), LENGTH)
    assert found[0].body_part == first


def test_shares_are_of_the_whole() -> None:
    found = reasons(cells(hips=(0, 3.0), back=(11, 5.0)), weights(), LENGTH)
    assert [one.share for one in found] == pytest.approx([5 / 8, 3 / 8])


def test_small_shares_are_not_named() -> None:
    found = reasons(cells(hips=(0, 99.0), back=(11, 1.0)), weights(), LENGTH)
    assert [one.body_part for one in found] == ["hips"]


def test_nothing_unusual_has_no_reasons() -> None:
    assert reasons(cells(), weights(), LENGTH) == ()


def test_what_is_hardly_seen_is_not_named_first() -> None:
    found = reasons(cells(hips=(0, 3.0), back=(11, 5.0)), weights(back=0.1), LENGTH)
    assert found[0].body_part == "hips"


def test_heat_is_where_the_cells_are() -> None:
    heat = heat_over_walk(cells(hips=(0, 3.0)), weights(), LENGTH)
    rows = {PARTS_OF_WALK[row] for row in np.flatnonzero(heat[:, 0])}
    assert rows == {"hips"}
    assert heat[:, 4:].max() == 0.0


def test_back_is_hot_at_its_ends() -> None:
    heat = heat_over_walk(cells(back=(0, 3.0)), weights(), LENGTH)
    assert {PARTS_OF_WALK[row] for row in np.flatnonzero(heat[:, 0])} == {"shoulders", "hips"}


def test_heat_follows_the_weights_too() -> None:
    heat = heat_over_walk(cells(hips=(0, 3.0), back=(11, 5.0)), weights(back=0.0), LENGTH)
    assert heat[:, -4:].max() == 0.0


def test_hidden_landmarks_weigh_as_they_are_seen(drawn: tuple[Pose, Rep]) -> None:
    pose, rep = drawn
    wrists = synthetic.occlude(pose, ("left_wrist", "right_wrist", "left_elbow", "right_elbow"), 0.3)
    assert shown(wrists, rep, 1, "arms") == pytest.approx(0.3, abs=0.01)
    assert shown(pose, rep, 1, "arms") == pytest.approx(1.0, abs=0.2)


def test_standing_feet_hardly_weigh(drawn: tuple[Pose, Rep]) -> None:
    assert shown(synthetic.add_jitter(drawn[0]), drawn[1], 1, "feet") < 0.1


def test_foot_that_steps_is_named(drawn: tuple[Pose, Rep]) -> None:
    pose, rep = drawn
    foot = [INDEX["left_ankle"], INDEX["left_heel"], INDEX["left_foot_index"]]
    image = pose.image.copy()
    later = pose.time > rep.top_s
    image[np.ix_(later, foot)] += np.array([0.6 * torso(pose), 0.0], np.float32)
    stepped = synthetic.add_jitter(type(pose)(**{**vars(pose), "image": image}))
    assert shown(stepped, rep, 1, "feet") > 0.6


def torso(pose: Pose) -> float:
    middle = pose.image[:, [INDEX["left_shoulder"], INDEX["right_shoulder"]]].mean(axis=1)
    hips = pose.image[:, [INDEX["left_hip"], INDEX["right_hip"]]].mean(axis=1)
    return float(np.linalg.norm(middle - hips, axis=-1).max())


def test_every_row_knows_its_landmarks(drawn: tuple[Pose, Rep]) -> None:
    for block in encoded(*drawn)[0]:
        rows = landmarks_of_rows(block)
        assert len(rows) == len(block.parts)
        feet = {LANDMARKS[i] for row, part in zip(rows, block.parts, strict=True) if part == "feet" for i in row}
        assert {"left_ankle", "right_ankle"} <= feet
