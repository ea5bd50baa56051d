"""Label Studio's own addresses under the names that browsers, storages and the backend have for it.

HumanSignal/label-studio-ml-backend#904: tasks of storages have LABEL_STUDIO_HOST in their addresses.
"""

from __future__ import annotations

import pytest

from backend.labelstudio.addresses import own_path, path_prefix, public_url

INTERNAL = "http://label-studio:8080"
PUBLIC = "https://example.org/ls"
CLIP = "/data/local-files/?d=clips/a%20b.mp4"
UPLOAD = "/data/upload/1/a.mp4"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (CLIP, CLIP),
        (UPLOAD, UPLOAD),
        ("data/upload/1/a.mp4", UPLOAD),
        (f"/ls{UPLOAD}", UPLOAD),  # as Label Studio writes uploads below a path
        (f"{INTERNAL}{CLIP}", CLIP),
        (f"{PUBLIC}{CLIP}", CLIP),
        (f"https://EXAMPLE.org:443/ls{UPLOAD}", UPLOAD),
        ("https://example.org/ls/tasks/3/resolve/?fileuri=abc", "/tasks/3/resolve/?fileuri=abc"),
        (f"https://example.org{UPLOAD}", None),  # beside Label Studio, not below its path
        (f"https://example.org/lsx{UPLOAD}", None),
        (f"https://example.org/ls/..{UPLOAD}", None),
        (f"https://example.org/ls/%2E%2E{UPLOAD}", None),
        ("https://example.org/ls/videos/a.mp4", None),  # of the proxy
        (f"http://example.org/ls{UPLOAD}", None),
        (f"https://example.org:8443/ls{UPLOAD}", None),
        (f"https://example.org@evil.example/ls{UPLOAD}", None),
        (f"https://example.org.evil.example/ls{UPLOAD}", None),
        (f"//example.org/ls{UPLOAD}", None),
        ("s3://bucket/a.mp4", None),
        ("http://[broken", None),
        ("https:/host/lift.mp4", None),  # slips of the pen
        ("http:lift.mp4", None),
        ("https://", None),
        (f"http://label-\tstudio:8080{UPLOAD}", UPLOAD),  # as every client of HTTP reads it
    ],
)
def test_own_addresses_are_known_by_any_name(address: str, expected: str | None) -> None:
    assert own_path(address, INTERNAL, (PUBLIC,)) == expected


def test_below_a_path_only_what_lies_there_is_label_studio() -> None:
    url = "http://127.0.0.1:8080/ls"
    assert own_path(f"{url}/whatever", url, ()) == "/whatever"
    assert own_path("http://127.0.0.1:8080/whatever", url, ()) is None
    assert own_path(f"/ls{UPLOAD}", url, ()) == own_path(UPLOAD, url, ()) == UPLOAD


def test_a_path_that_is_called_as_one_of_label_studio_s_is_not_taken_for_it() -> None:
    assert own_path(UPLOAD, INTERNAL, ("https://example.org/data",)) == UPLOAD
    assert own_path(f"https://example.org/data{UPLOAD}", INTERNAL, ("https://example.org/data",)) == UPLOAD


@pytest.mark.parametrize(
    ("said", "taken"),
    [
        ("https://example.org/ls/", PUBLIC),
        (" http://localhost:8080 ", "http://localhost:8080"),
        ("example.org", ""),  # Label Studio takes no notice of it either
        ("/ls", ""),
        ("https://", ""),
        ("https://user:password@example.org", ""),
        ("https://example.org/?x=1", ""),
        ("https://example.org:port", ""),
        ("https://example.org/" + "x" * 400, ""),
        ("", ""),
        (None, ""),
        (5, ""),
    ],
)
def test_a_public_name_is_one_that_label_studio_takes(said: object, taken: str) -> None:
    assert public_url(said) == taken


def test_the_path_that_browsers_see_is_that_of_the_public_name() -> None:
    assert path_prefix(INTERNAL, (PUBLIC,)) == "/ls"
    assert path_prefix("http://127.0.0.1:8080/here", ()) == "/here"
    assert path_prefix(INTERNAL, ()) == path_prefix("", ()) == ""
