"""Regions: where the next picture is looked at, what is seen there, and back into the picture."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.pose.region import Region, RegionFilter, body_region, crop, in_picture, in_region, refined, turned, whole

UPRIGHT = np.array([(100.0, 80.0), (100.0, 30.0)])


def dotted(width: int, height: int, at: tuple[int, int]) -> NDArray[np.uint8]:
    """A black picture with one white square of 9 pixels around a place (x, y)."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[at[1] - 4 : at[1] + 5, at[0] - 4 : at[0] + 5] = 255
    return picture


def middle_of_light(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    light = picture[:, :, 0].astype(np.float64)
    rows, columns = np.indices(light.shape)
    return np.array([(light * columns).sum(), (light * rows).sum()]) / light.sum()


def test_the_region_of_a_standing_body_is_upright_around_its_hips() -> None:
    region = body_region(UPRIGHT)
    assert region is not None
    assert (region.x, region.y, region.side) == (100, 80, 2 * 50 * 1.25)
    assert region.rotation == pytest.approx(0)


@pytest.mark.parametrize(("head", "rotation"), [((50, 0), np.pi / 2), ((0, 50), -np.pi), ((-50, 0), -np.pi / 2)])
def test_the_region_turns_with_the_body(head: tuple[float, float], rotation: float) -> None:
    region = body_region(np.array([(100.0, 80.0), (100.0 + head[0], 80.0 + head[1])]))
    assert region is not None
    assert region.rotation == pytest.approx(rotation)


def test_a_body_without_a_size_has_no_region() -> None:
    assert body_region(np.array([(5.0, 5.0), (5.0, 5.0)])) is None


def test_a_region_without_an_area_is_refused() -> None:
    with pytest.raises(ValueError, match="with an area"):
        Region(0, 0, 0)


def test_the_whole_picture_lies_in_a_square_with_black_bars() -> None:
    picture = np.full((100, 200, 3), 255, np.uint8)
    seen = crop(picture, whole(picture), 50, is_border_black=True)
    assert seen.shape == (50, 50, 3)
    assert not seen[:12].any()
    assert (seen[13:37] == 255).all()
    assert not seen[38:].any()


def test_the_edge_of_the_picture_is_drawn_out_where_asked() -> None:
    picture = np.full((100, 200, 3), 90, np.uint8)
    assert (crop(picture, whole(picture), 50, is_border_black=False) == 90).all()


@pytest.mark.parametrize("rotation", [0.0, 0.4, -2.0, np.pi])
def test_what_is_seen_in_a_crop_is_found_again_in_the_picture(rotation: float) -> None:
    region = Region(180, 120, 160, rotation)
    seen = crop(dotted(360, 240, (200, 100)), region, 256, is_border_black=False)
    found = in_picture(middle_of_light(seen)[None] / 256, region)
    np.testing.assert_allclose(found[0], (200, 100), atol=0.2)


@pytest.mark.parametrize("change", [lambda p: p[:, ::-1], lambda p: p[::-1], lambda p: p[::2, ::2], np.asfortranarray])
def test_pictures_may_lie_in_memory_in_any_order(change: object) -> None:
    view = change(dotted(360, 240, (200, 100)))  # type: ignore[operator]
    region = Region(100, 60, 90, 0.3)
    expected = crop(np.array(view, order="C"), region, 64, is_border_black=False)
    np.testing.assert_array_equal(crop(view, region, 64, is_border_black=False), expected)


def test_directions_are_turned_back() -> None:
    region = Region(0, 0, 1, np.pi / 2)
    np.testing.assert_allclose(turned(np.array([(0.0, -1.0)]), region), [(1, 0)], atol=1e-12)


def heat_with(at: tuple[int, int], logit: float) -> NDArray[np.float32]:
    heat = np.full((64, 64, 1), -20.0, np.float32)
    heat[at[1], at[0]] = logit
    return heat


def test_a_landmark_moves_to_the_heat_around_it() -> None:
    found = refined(np.array([(30.5 / 64, 20.5 / 64)]), heat_with((33, 18), 5.0), 9, 0.5)
    np.testing.assert_allclose(found, [(33 / 64, 18 / 64)], atol=1e-4)


@pytest.mark.parametrize(("at", "logit"), [((33, 18), -1.0), ((40, 18), 5.0)])
def test_a_landmark_stays_where_little_heat_is_around_it(at: tuple[int, int], logit: float) -> None:
    place = np.array([(30.5 / 64, 20.5 / 64)])
    np.testing.assert_array_equal(refined(place, heat_with(at, logit), 9, 0.5), place)


@pytest.mark.parametrize("place", [(-0.1, 0.5), (0.5, 1.2), (1.0, 0.2), (7.0, -7.0)])
def test_a_landmark_outside_the_map_stays(place: tuple[float, float]) -> None:
    places = np.array([place])
    np.testing.assert_array_equal(refined(places, np.full((64, 64, 1), 5.0, np.float32), 9, 0.5), places)


def test_at_the_edge_of_the_map_only_what_is_on_it_counts() -> None:
    found = refined(np.array([(0.0, 0.0)]), np.full((64, 64, 1), 5.0, np.float32), 9, 0.5)
    np.testing.assert_allclose(found, [(2 / 64, 2 / 64)])


def test_the_first_points_are_taken_as_they_are() -> None:
    np.testing.assert_array_equal(RegionFilter().filtered(UPRIGHT), UPRIGHT)


def test_trembling_points_are_held() -> None:
    steadied = RegionFilter()
    rng = np.random.default_rng(0)
    for _ in range(50):
        found = steadied.filtered(UPRIGHT + rng.normal(0, 0.05, (2, 2)))
    assert np.abs(found - UPRIGHT).max() < 0.05


def test_moving_points_are_followed() -> None:
    steadied = RegionFilter()
    for step in range(50):
        found = steadied.filtered(UPRIGHT + step)
    np.testing.assert_allclose(found, UPRIGHT + 49, atol=2)


def test_a_reset_filter_knows_nothing() -> None:
    steadied = RegionFilter()
    steadied.filtered(UPRIGHT)
    steadied.reset()
    np.testing.assert_array_equal(steadied.filtered(UPRIGHT + 40), UPRIGHT + 40)


def test_places_of_a_picture_are_shares_of_a_region_and_back() -> None:
    region = Region(100.0, 60.0, 80.0, rotation=0.7)
    places = np.array([(0.0, 0.0), (640.0, 0.0), (130.5, 20.25)])
    assert in_picture(in_region(places, region), region) == pytest.approx(places)
    assert in_region(np.array([(100.0, 60.0)]), region) == pytest.approx(np.array([(0.5, 0.5)]))
