"""Task data behind attributes of a labeling config, as parseValue of Label Studio 1.23.2's page resolves them."""

from __future__ import annotations

from typing import Any

import pytest

from backend.labelstudio.task_data import names, place, resolve, with_value, with_value_of, without_value

# Nested task data: HumanSignal/label-studio#5610.
NESTED: dict[str, Any] = {
    "video": "a.mp4",
    "media": {"video": "b.mp4", "fps": 30, "views": [{"url": "c.mp4"}, {"url": "d.mp4"}]},
    "files": [{"url": "e.mp4", "fps": 25.0}],
    "clips": ["f.mp4"],
    "host": "https://example.org",
    "a.b": "flat",
    "a": {"b": "nested"},
    "on": True,
}


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [
        ("$video", "a.mp4"),
        (" $video ", "a.mp4"),
        ("$media.video", "b.mp4"),
        ("$media.views[1].url", "d.mp4"),
        ("$media[views][0].url", "c.mp4"),
        ("$files[0].url", "e.mp4"),
        ("$files.0.url", "e.mp4"),
        ("$clips[0]", "f.mp4"),
        ("$media", NESTED["media"]),
        ("$a.b", "flat"),  # a key of that very name comes first
        ("$host/x.mp4", "https://example.org/x.mp4"),
        ("$host/$files[0].url", "https://example.org/e.mp4"),
        ("$host/$files[0].fps/$on", "https://example.org/25/true"),
        ("x.mp4", "x.mp4"),
        ("", ""),
        ("$nothing", None),
        ("$media.nothing", None),
        ("$files[1].url", None),
        ("$files[00].url", None),
        ("$files[-1].url", None),
        ("$files.url", None),
        ("$video.url", None),
        ("$host/$nothing.mp4", None),
        ("$.video", None),
        ("$files[].url", None),
    ],
)
def test_an_attribute_means_what_the_page_makes_of_it(attribute: str, expected: object) -> None:
    assert resolve(attribute, NESTED) == expected


@pytest.mark.parametrize(
    ("attribute", "paths"),
    [
        ("$video", ["video"]),
        ("$host/$media.video", ["host", "media.video"]),
        ("video", []),
        ("$", []),
        ("$.", []),
        ("$-x", []),
    ],
)
def test_names_are_found(attribute: str, paths: list[str]) -> None:
    assert names(attribute) == paths


def test_only_a_single_name_is_a_place() -> None:
    assert (place("$media.fps"), place("$host/x"), place("30"), place("")) == ("media.fps", "", "", "")


@pytest.mark.parametrize(
    ("data", "attribute", "expected"),
    [
        ({}, "$fps", {"fps": 30}),
        ({"fps": 25, "video": "a"}, "$fps", {"fps": 30, "video": "a"}),
        ({"media": {"video": "a"}}, "$media.fps", {"media": {"video": "a", "fps": 30}}),
        ({}, "$media.fps", {"media": {"fps": 30}}),
        ({"media": None}, "$media.fps", {"media": {"fps": 30}}),
        ({"files": [{"url": "a"}]}, "$files[0].fps", {"files": [{"url": "a", "fps": 30}]}),
        ({}, "$files[0].fps", {"files": [{"fps": 30}]}),
        ({"media.fps": 25}, "$media.fps", {"media.fps": 30}),
        ({"media": "a.mp4"}, "$media.fps", None),
        ({"files": []}, "$files[1].fps", None),
        ({}, "$host/$fps", None),
        ({}, "30", None),
        ({}, "", None),
    ],
)
def test_a_value_is_put_where_it_is_looked_for(data: Any, attribute: str, expected: Any) -> None:
    assert with_value(data, attribute, 30) == expected
    if expected is not None:
        assert resolve(attribute, expected) == 30


def test_the_data_that_is_given_stays_as_it_is() -> None:
    data: dict[str, Any] = {"files": [{"url": "a", "fps": 25}]}
    with_value(data, "$files[0].fps", 30)
    without_value(data, "$files[0].fps")
    assert data == {"files": [{"url": "a", "fps": 25}]}


@pytest.mark.parametrize(
    ("data", "attribute", "expected"),
    [
        ({"fps": 25, "video": "a"}, "$fps", {"video": "a"}),
        ({"media": {"fps": 25, "video": "a"}}, "$media.fps", {"media": {"video": "a"}}),
        ({"files": [{"fps": 25}]}, "$files[0].fps", {"files": [{}]}),
        ({"rates": [25, 30]}, "$rates[0]", {"rates": [None, 30]}),
        ({"media": "a"}, "$media.fps", {"media": "a"}),
        ({"video": "a"}, "30", {"video": "a"}),
    ],
)
def test_a_value_is_taken_out(data: Any, attribute: str, expected: Any) -> None:
    assert without_value(data, attribute) == expected


def test_a_value_is_taken_over_from_other_data() -> None:
    now = {"media": {"video": "a", "fps": 60}, "lifter": "Kim"}
    assert with_value_of(now, "$media.fps", {"media": {"fps": 30}}) == {
        "media": {"video": "a", "fps": 30},
        "lifter": "Kim",
    }
    assert with_value_of(now, "$media.fps", {"media": {}}) == {"media": {"video": "a"}, "lifter": "Kim"}
    assert with_value_of(now, "30", {"media": {}}) == now
