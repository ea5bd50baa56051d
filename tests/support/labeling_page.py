"""Drives Label Studio's labeling page in headless Chromium as an annotator would: read, correct, draw, submit,
photograph."""

from __future__ import annotations

import io
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Locator, Page, Response, Route, expect, sync_playwright

WIDE = (1600, 1000)
PATIENCE_S = 60.0
_SETTLED_MS = 200.0
# The page is nearly white beside the video: levels of 255, and the share of a column that differs where the video is.
_NEAR_BACKGROUND = 3
_MOSTLY = 0.4
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(frozen=True)
class Region:
    """A repetition as the timeline draws it; frames as Label Studio counts them: from 1, both ends inside."""

    id: str
    label: str
    start: int
    end: int


def chromium() -> str | None:
    """Path of the browser, None where there is none; the variable CHROMIUM names another one."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")


@contextmanager
def new_page(size: tuple[int, int] = WIDE) -> Iterator[Page]:
    """A page of a fresh headless browser, `size` pixels wide and high, that reaches this machine only."""
    executable = chromium()
    if executable is None:
        raise FileNotFoundError("Expected chromium on the PATH, or its path in CHROMIUM.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, headless=True, args=FLAGS)
        try:
            page = browser.new_page(viewport={"width": size[0], "height": size[1]})
            page.set_default_timeout(1000 * PATIENCE_S)
            page.route(re.compile(r"^https?://(?!127\.0\.0\.1[:/]|localhost[:/])"), Route.abort)
            yield page
        finally:
            browser.close()


def log_in(page: Page, url: str, username: str, password: str) -> None:
    """Fill in the login form; AssertionError when Label Studio does not let this account in."""
    page.goto(f"{url}/user/login/")
    page.fill("input[name=email]", username)
    page.fill("input[name=password]", password)
    page.click("button[type=submit]")
    expect(page).not_to_have_url(re.compile("/user/login"))


def open_task(page: Page, url: str, project: int, task: int) -> int:
    """Open a task's labeling page and wait until its video can be seen; the number of frames that it counts.

    The project's list comes first: Label Studio makes a new project's first tab there, and a task that is opened while
    it does so may lose its predictions in the page. A page that Label Studio cannot draw (a fractional frame number is
    enough) fails here, with what the page says.
    """
    with page.expect_response(re.compile(r"/api/tasks\?")):
        page.goto(f"{url}/projects/{project}/data")
    page.goto(f"{url}/projects/{project}/data?task={task}")
    page.wait_for_selector(".lsf-timeline, .lsf-errors, .lsf-error-boundary")
    assert page.locator(".lsf-timeline").count() == 1, page.locator("body").inner_text()
    _wait_for_picture(page)
    return int(page.evaluate("() => Htx.annotationStore.selected.names.get('video').length"))


def wait_for_regions(page: Page, count: int) -> list[Region]:
    """The regions, as soon as there are `count` of them."""
    expect(_rows(page)).to_have_count(count, timeout=1000 * PATIENCE_S)
    return regions(page)


def regions(page: Page) -> list[Region]:
    """The regions that the timeline draws, by their start."""
    drawn = [
        Region(
            id=str(row.get_attribute("data-id")),
            label=row.locator(".lsf-keypoints__name").inner_text().strip(),
            start=int(row.get_attribute("data-start") or 0),
            end=int(row.get_attribute("data-end") or 0),
        )
        for row in _rows(page).all()
    ]
    return sorted(drawn, key=lambda region: (region.start, region.end))


def region_scores(page: Page) -> list[str]:
    """The model's scores in the Regions panel, as they are written there, top to bottom."""
    return page.locator(".lsf-outliner-item__control_type_score").all_inner_texts()


def select(page: Page, region: str) -> None:
    """Click a region in the Regions panel; the video goes to its start and the controls show its values."""
    row = _row(page, region)
    number = row.locator(".lsf-keypoints__data-item").first.inner_text().strip()
    panel = page.locator(".lsf-outliner-item")
    selected = re.compile("lsf-keypoints_selected")
    if not selected.search(row.get_attribute("class") or ""):  # a second click would unselect it
        panel.filter(has=page.locator(f".lsf-outliner-item__index:text-is('{number}')")).click()
    expect(row).to_have_class(selected)
    expect(_details(page)).to_be_visible()
    _wait_for_picture(page)


def go_to_frame(page: Page, frame: int) -> None:
    """Show a frame of the video, with the frame counter below it."""
    counter = page.locator(".lsf-frames-control")
    counter.click()
    counter.locator("input").fill(str(frame))
    counter.locator("input").press("Enter")
    expect(counter).to_have_text(re.compile(rf"^{frame}\b"))
    _wait_for_picture(page)


def shown_values(page: Page) -> dict[str, Any]:
    """Of the selected region: `anomaly` (text of the number field), `faults` (ticked ones) and `note`."""
    note = page.locator(".rep [data-testid=htx-textbox-content]").all_inner_texts()
    return {
        "anomaly": page.locator(".rep .lsf-number input").input_value(),
        "faults": [box.get_attribute("name") for box in page.locator(".rep .lsf-choices input:checked").all()],
        "note": " ".join(text.strip() for text in note),
    }


def set_label(page: Page, region: str, label: str) -> None:
    """Give a region another label, with the buttons above the video."""
    select(page, region)
    page.locator(".lsf-label").filter(has=page.locator(f".lsf-label__text:text-is('{label}')")).click()
    expect(_row(page, region).locator(".lsf-keypoints__name")).to_have_text(label)


def set_start_frame(page: Page, region: str, frame: int) -> None:
    """Move a region's first frame, with the field in the Info panel."""
    _set_frame(page, region, "Start frame", frame, "data-start")


def set_end_frame(page: Page, region: str, frame: int) -> None:
    """Move a region's last frame, with the field in the Info panel."""
    _set_frame(page, region, "End frame", frame, "data-end")


def set_fault(page: Page, region: str, fault: str) -> None:
    """Tick a fault of a region."""
    select(page, region)
    page.locator(f".rep .lsf-choices input[name='{fault}']").check()


def draw_region(page: Page, label: str, first: int, last: int) -> Region:
    """Draw a region with the mouse below those that are there, from its first frame to its last, which the timeline
    must have room for; the region."""
    before = {region.id for region in regions(page)}
    go_to_frame(page, first)  # the timeline scrolls there
    page.keyboard.press("Escape")  # or the label would be that of the selected region
    page.locator(".lsf-label").filter(has=page.locator(f".lsf-label__text:text-is('{label}')")).click()
    row = page.locator(".lsf-keypoints__keypoints").first.bounding_box()
    view = page.locator(".lsf-timeline-frames__background").bounding_box()
    assert row, "no timeline with a region"
    assert view, "no timeline"
    width = row["width"] / int(page.evaluate("() => Htx.annotationStore.selected.names.get('video').length"))
    x, x_end = (row["x"] + (frame - 0.5) * width for frame in (first, last))
    y = view["y"] + view["height"] - width
    assert view["x"] < x < x_end < view["x"] + view["width"], "frames that the timeline does not show"
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x_end, y, steps=8)
    page.mouse.up()
    expect(_rows(page)).to_have_count(len(before) + 1)
    (drawn,) = (region for region in regions(page) if region.id not in before)
    return drawn


def shown_picture(page: Page) -> NDArray[np.uint8]:
    """The video's picture as the page shows it: RGB [height, width, 3], of the size that it is drawn in.

    The page draws a little later than the video is there: photographed until nothing changes.
    """
    last = np.zeros((0, 0, 3), np.uint8)
    while not np.array_equal(last, found := _photograph_of_canvas(page)):
        last = found
        page.wait_for_timeout(_SETTLED_MS)
    is_picture = (np.abs(found.astype(int) - found[0, 0]).max(axis=2) > _NEAR_BACKGROUND).mean(axis=0) > _MOSTLY
    (columns,) = np.nonzero(is_picture)
    assert len(columns), "the page shows no picture"
    return found[:, columns[0] : columns[-1] + 1]


def keep_draft(page: Page, edit: Callable[[], None]) -> None:
    """Edit, and wait until Label Studio has kept a draft of it, as it does by itself."""
    with page.expect_response(re.compile(r"/api/tasks/\d+/drafts|/api/drafts/")) as answer:
        edit()
    assert answer.value.ok, answer.value.text()


def submit(page: Page) -> dict[str, Any]:
    """Press Submit; the annotation as Label Studio stored it."""
    return _press(page, "submit", "POST", r"/api/tasks/\d+/annotations")


def update(page: Page) -> dict[str, Any]:
    """Press Update, which stands where Submit was; the annotation as Label Studio stored it."""
    return _press(page, "update", "PATCH", r"/api/annotations/\d+")


def screenshot(page: Page, path: Path) -> None:
    """Photograph the page without tips and pointers over it."""
    page.mouse.move(0, 0)
    for close in page.locator(".ant-modal-close, [data-testid='onboarding-close'], [aria-label='Close tour']").all():
        if close.is_visible():
            close.click()
    expect(page.locator(".ant-tooltip:visible, [data-testid='tooltip']:visible")).to_have_count(0)
    page.screenshot(path=path, animations="disabled")


def _photograph_of_canvas(page: Page) -> NDArray[np.uint8]:
    box = page.locator(".lsf-video-segmentation canvas").first.bounding_box()
    assert box, "the page draws no video"
    taken = page.screenshot(clip=box, animations="disabled")
    return np.asarray(Image.open(io.BytesIO(taken)).convert("RGB"), np.uint8)


def _rows(page: Page) -> Locator:
    return page.locator(".lsf-keypoints_timeline")


def _row(page: Page, region: str) -> Locator:
    return page.locator(f".lsf-keypoints_timeline[data-id='{region}']")


def _details(page: Page) -> Locator:
    return page.get_by_test_id("detailed-region")


def _set_frame(page: Page, region: str, field: str, frame: int, attribute: str) -> None:
    select(page, region)
    box = _details(page).locator("label").filter(has_text=field).locator("input")
    box.fill(str(frame))
    box.press("Enter")
    expect(_row(page, region)).to_have_attribute(attribute, str(frame))


def _press(page: Page, button: str, method: str, address: str) -> dict[str, Any]:
    def is_it(response: Response) -> bool:
        return response.request.method == method and re.search(address, response.url) is not None

    with page.expect_response(is_it) as answer:
        page.get_by_test_id(f"bottombar-{button}-button").click()
    assert answer.value.ok, f"{method} {answer.value.url}: {answer.value.status} {answer.value.text()}"
    stored: dict[str, Any] = answer.value.json()
    expect(page.get_by_test_id("bottombar-update-button")).to_be_visible()  # the page loads the task anew
    _wait_for_picture(page)
    return stored


def _wait_for_picture(page: Page) -> None:
    """The video is decoded and stands at the frame that the page names.

    A video whose first picture comes late stands at that one when it was just opened, at frame 1.
    """
    page.wait_for_function(
        """() => {
            const media = document.querySelector('video');
            const tag = window.Htx?.annotationStore?.selected?.names?.get('video');
            if (!media || !tag || !tag.length || media.readyState < 2 || media.seeking) return false;
            return tag.frame === 1 || Math.abs(media.currentTime - (tag.frame - 1) / tag.framerate) < 1 / tag.framerate;
        }"""
    )
