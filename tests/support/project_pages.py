"""Drives the pages around labeling: the table of tasks (Data Manager) and the project's model settings."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from labeling_page import PATIENCE_S
from playwright.sync_api import Page, Response, expect


def show_columns(page: Page, url: str, project: int, titles: list[str]) -> None:
    """Open the table of tasks and tick the columns of these titles, which Label Studio then remembers."""
    page.goto(f"{url}/projects/{project}/data")
    page.wait_for_selector("[data-testid=table-row]")
    page.get_by_role("button", name="Columns").click()
    for title in titles:
        entry = page.locator(".lsf-menu-dm__item").filter(has=page.locator(f"label:has-text('{title}')"))
        box = entry.locator("input[type=checkbox]")
        if not box.is_checked():
            with page.expect_response(
                lambda answer: answer.request.method == "PATCH" and "/api/dm/views" in answer.url
            ):
                entry.locator("label").click()
    page.keyboard.press("Escape")


def table(page: Page, url: str, project: int, tab: int | None = None) -> list[dict[str, str]]:
    """The table of tasks, read anew: of each row the text in every column that has a title.

    tab: which one to open, by its number; else the one that Label Studio opens.
    """
    with page.expect_response(re.compile(r"/api/tasks\?")):
        page.goto(f"{url}/projects/{project}/data" + ("" if tab is None else f"?tab={tab}"))
    page.wait_for_selector("[data-testid=table-row]")
    titles = [
        head.locator(".lsf-th-content").first.inner_text().strip() if head.locator(".lsf-th-content").count() else ""
        for head in page.locator(".lsf-table-head .lsf-table__cell").all()
    ]
    rows = []
    for row in page.get_by_test_id("table-row").all():
        cells = [cell.inner_text().strip() for cell in row.locator(".lsf-table__cell").all()]
        rows.append({title: cell for title, cell in zip(titles, cells, strict=False) if title})
    return rows


def tab_titles(page: Page, url: str, project: int) -> list[str]:
    """The titles of the tabs above the table of tasks, in order."""
    page.goto(f"{url}/projects/{project}/data")
    page.wait_for_selector("[data-testid=table-row]")
    return [title.strip() for title in page.locator(".lsf-tabs-dm__item").all_inner_texts()]


def start_training(page: Page, url: str, project: int) -> float:
    """Press Start Training in the menu of the model's card and in the dialog that it opens; how many seconds the
    dialog took to say that the request was sent."""
    page.goto(f"{url}/projects/{project}/settings/ml")
    page.get_by_label("Machine learning model options").click()
    page.locator("[class*=menu]").get_by_text("Start Training", exact=True).click()
    begun = time.monotonic()
    with page.expect_response(_is_of("POST", r"/api/ml/\d+/train")) as answer:
        page.get_by_role("button", name="Start Training", exact=True).click()
    assert answer.value.ok, f"{answer.value.status} {answer.value.text()}"
    expect(page.get_by_text("Request Sent!")).to_be_visible()
    return time.monotonic() - begun


def predicted_versions(page: Page, url: str, project: int) -> str:
    """The text of the settings' list of predictions, one card per model version."""
    page.goto(f"{url}/projects/{project}/settings/predictions")
    cards = page.locator("main, .lsf-sidebar-menu__content")
    expect(cards.first).to_contain_text("Last prediction created", timeout=1000 * PATIENCE_S)
    return cards.first.inner_text()


def _is_of(method: str, address: str) -> Callable[[Response], bool]:
    return lambda answer: answer.request.method == method and re.search(address, answer.url) is not None
