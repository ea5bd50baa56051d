"""The person detector's outputs: anchors, scores and overlapping answers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.pose.person_detection import SIZE, anchors, best_person

PLACES = anchors()


def answers(*found: tuple[int, float, float]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Outputs of the network in which anchors (index, logit, shift in pixels) see a person.

    Each has a box of 40 pixels, its hips at the middle of it, and the point on the circle 20 pixels above.
    """
    raw, logits = np.zeros((len(PLACES), 12), np.float32), np.full(len(PLACES), -50.0, np.float32)
    for index, logit, shift in found:
        raw[index] = (shift, shift, 40, 40, shift, shift, shift, shift - 20, 0, 0, 0, 0)
        logits[index] = logit
    return raw, logits


def test_anchors_lie_in_the_middles_of_their_cells() -> None:
    assert PLACES.shape == (2254, 2)
    np.testing.assert_allclose(PLACES[0], 4 / SIZE)
    np.testing.assert_allclose(PLACES[2], (12 / SIZE, 4 / SIZE))
    np.testing.assert_allclose(PLACES[-1], 208 / SIZE)


def test_nobody_is_found_where_no_answer_is_sure() -> None:
    raw, logits = answers((700, -0.1, 0))
    assert best_person(raw, logits, PLACES, 0.5) is None


def test_the_threshold_is_a_probability() -> None:
    raw, logits = answers((700, np.log(9), 0))
    assert best_person(raw, logits, PLACES, 0.89) is not None
    assert best_person(raw, logits, PLACES, 0.91) is None


def test_the_points_are_counted_from_the_anchor() -> None:
    raw, logits = answers((700, 3, 7))
    found = best_person(raw, logits, PLACES, 0.5)
    assert found is not None
    np.testing.assert_allclose(found, [PLACES[700] + 7 / SIZE, PLACES[700] + (7 / SIZE, -13 / SIZE)])


def test_the_surest_of_two_people_is_taken() -> None:
    raw, logits = answers((0, 2, 0), (1500, 4, 0))
    found = best_person(raw, logits, PLACES, 0.5)
    assert found is not None
    np.testing.assert_allclose(found[0], PLACES[1500])


def test_answers_for_the_same_person_are_averaged_by_their_scores() -> None:
    raw, logits = answers((700, 20, 0), (701, 0, 9))  # two anchors at one place, sure and half sure
    np.testing.assert_array_equal(PLACES[700], PLACES[701])
    found = best_person(raw, logits, PLACES, 0.5)
    assert found is not None
    np.testing.assert_allclose(found[0], PLACES[700] + 3 / SIZE, atol=1e-6)


def test_answers_with_an_impossible_box_are_left_out() -> None:
    raw, logits = answers((700, 20, 0))
    raw[700, 2] = -40
    assert best_person(raw, logits, PLACES, 0.5) is None


def test_a_box_without_an_area_still_tells_where_somebody_is() -> None:
    raw, logits = answers((700, 20, 0))
    raw[700, 2:4] = 0
    found = best_person(raw, logits, PLACES, 0.5)
    assert found is not None
    np.testing.assert_allclose(found[0], PLACES[700])
