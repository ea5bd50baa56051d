"""Numbers of things in words."""

from pipeline.counts import counted


def test_one_thing_is_no_plural() -> None:
    assert [counted(number, "video") for number in (0, 1, 2)] == ["0 videos", "1 video", "2 videos"]
