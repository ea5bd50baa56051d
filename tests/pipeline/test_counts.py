"""Numbers of things, and several of them, in words."""

from pipeline.counts import counted, listed


def test_one_thing_is_no_plural() -> None:
    assert [counted(number, "video") for number in (0, 1, 2)] == ["0 videos", "1 video", "2 videos"]


def test_the_last_of_several_things_stands_behind_and() -> None:
    assert [listed(names) for names in (("a",), ("a", "b"), ("a", "b", "c"))] == ["a", "a and b", "a, b and c"]
