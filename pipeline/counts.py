"""Numbers of things in words."""


def counted(number: int, noun: str) -> str:
    """As "1 video", "2 videos"."""
    return f"{number} {noun}{'s' * (number != 1)}"
