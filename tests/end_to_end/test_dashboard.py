"""The pages in Chromium: filtered, changed by button, played, in light and dark and 400 pixels wide, without an error.

Label Studio is not needed: what people do here is done in the database and the folder of models.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from dashboard_data import BROKEN, DRAWN, LOST, WAITING, add_model, fill_videos, label
from fakes import FakeExecutor
from flask import Flask
from labeling_page import new_page
from playwright.sync_api import Page, expect
from pydantic import SecretStr
from werkzeug.serving import make_server

from backend.context import context_of
from backend.models.registry import Registry
from backend.predictions.preannotator import Preannotator
from backend.settings import Settings
from backend.storage.jobs import Job, Store
from backend.storage.runs import Runs
from backend.web.app import create_app
from backend.web.services import services_of

pytestmark = pytest.mark.e2e
PASSWORD = "correct horse"
PAGES = (
    "/", "/videos", "/videos?score=0.90-0.95", f"/videos/{DRAWN}", f"/videos/{BROKEN}", "/models", "/models/1/v0001",
    "/models/1/v0001/labels", "/models/1/compare?first=v0001&second=v0002", "/labels", "/labels/repetitions",
    "/quality", "/models/1/compare", "/models/1/v0002/promote", "/projects/1/train", "/projects/1/rate",
)  # fmt: skip


@dataclass(frozen=True)
class Site:
    """A server with something on every page, and a browser page of it that notes what goes wrong."""

    url: str
    store: Store
    registry: Registry
    page: Page
    errors: list[str]
    locked_url: str
    """The same pages behind a login."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("site")
    settings = Settings(data_dir=folder)
    store = Store(settings.database_url)
    service = Preannotator(context_of(settings, store), FakeExecutor(), 0.0)
    app = create_app(settings, service, store)
    reps = fill_videos(store, folder)
    registry = services_of(app).registry
    add_model(registry, 1, 10, 2)
    add_model(registry, 2, 200, 60, passed=False, reason="Not promoted: false alarms rise from 5% to 20%.")
    label(store, 1, DRAWN, [(f"rep{n}", rep.start_s, rep.end_s, "normal") for n, rep in enumerate(reps, start=1)])
    Runs(store).request(1, "Start Training")
    guarded = settings.model_copy(update={"basic_auth_user": "coach", "basic_auth_pass": SecretStr(PASSWORD)})
    errors: list[str] = []
    with _served(app) as url, _served(create_app(guarded, service, store)) as locked_url, new_page((1280, 900)) as page:
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        yield Site(url, store, registry, page, errors, locked_url)
    service.close()
    store.close()


@contextmanager
def _served(app: Flask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def _job(site: Site, task: int) -> Job:
    return next(job for job in site.store.jobs() if job.task == task)


@pytest.fixture
def page(site: Site) -> Iterator[Page]:
    """The browser's page; afterwards nothing may have gone wrong in it."""
    site.errors.clear()
    yield site.page
    assert site.errors == []


def test_videos_are_filtered_as_soon_as_one_chooses(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/videos")
    page.get_by_label("State").select_option("failed")
    expect(page).to_have_url(re.compile(r"\?state=failed"))
    expect(page.locator("tbody tr")).to_have_count(2)
    page.get_by_label("File or task").fill("lost")
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(1)


def test_a_failed_video_is_tried_again(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/videos?state=failed")
    page.get_by_role("link", name="Try again").click()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("status")).to_have_text("It is analyzed once more.")
    assert _job(site, LOST).state == "queued"


def test_all_failed_videos_are_tried_again(site: Site, page: Page) -> None:
    site.store.fail_job(_job(site, WAITING).id, "WorkerLost", "The process that worked on this video died.")
    page.goto(site.url)
    page.get_by_role("link", name=re.compile(r"Try \d failed again")).click()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("status")).to_have_text("It is analyzed once more.")
    assert _job(site, WAITING).state == "queued"


def test_projects_renew_themselves(site: Site, page: Page) -> None:
    page.clock.install()
    page.goto(site.url)
    failed = page.locator(".tile", has_text="failed").locator("b")
    before = failed.inner_text()
    site.store.fail_job(_job(site, WAITING).id, "NotAVideo", "The file is empty.")
    page.clock.fast_forward(5000)
    expect(failed).to_have_text(str(int(before) + 1))


def test_a_model_is_promoted_and_rolled_back_by_keyboard(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/models")
    page.get_by_role("link", name="Use v0001").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".warning")).to_contain_text("too few to tell")
    page.get_by_role("button", name="Use it").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("in use from now on")
    assert site.registry.current_name(1) == "v0001"
    page.get_by_role("link", name="Go back to base").click()
    page.get_by_role("button", name="Go back").click()
    expect(page.get_by_role("status")).to_contain_text("in use again")
    assert site.registry.current_name(1) == "base"


def test_a_training_is_ended(site: Site, page: Page) -> None:
    page.goto(site.url)
    page.get_by_role("link", name="End it").click()
    page.get_by_role("button", name="End it").click()
    expect(page.get_by_role("status")).to_contain_text("The training ends")
    assert [run.state for run in Runs(site.store).runs()] == ["cancelled"]


def test_a_training_is_asked_for(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/models")
    page.get_by_role("link", name="Train now").click()
    page.get_by_role("button", name="Train").click()
    expect(page.get_by_role("status")).to_contain_text("A training was asked for")
    assert Runs(site.store).runs()[0].state == "queued"


def test_two_models_are_compared(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/models")
    page.get_by_role("radio", name="Compare v0001").check()
    page.get_by_role("radio", name="with v0002").check()
    page.get_by_role("button", name="Compare A with B").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("v0001 beside v0002")


def test_numbers_lead_to_what_they_count(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/quality")
    page.get_by_role("link", name="0.90 to 0.95: 1").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.locator(".chip").get_by_role("link", name="any").click()
    expect(page.locator("tbody tr")).not_to_have_count(1)
    page.goto(f"{site.url}/labels")
    page.get_by_role("row", name=re.compile("user 3|3")).get_by_role("link").last.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Labelled repetitions")


def test_one_logs_in(site: Site, page: Page) -> None:
    page.goto(f"{site.locked_url}/videos?state=failed")
    assert violations(page) == []
    page.get_by_label("User").fill("coach")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    site.errors.clear()  # the answer was 401, which the browser notes
    page.get_by_label("User").fill("coach")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_label("State")).to_have_value("failed")


def test_the_skeleton_moves_with_the_slider(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/videos/{DRAWN}")
    bone = page.locator(".skeleton line").first
    expect(bone).to_have_attribute("x1", re.compile(r"\d"))
    before = bone.get_attribute("y1"), page.locator(".controls output").inner_text()
    slider = page.get_by_label("Moment of the video in seconds")
    slider.focus()
    for _ in range(8):
        page.keyboard.press("ArrowRight")
    assert (bone.get_attribute("y1"), page.locator(".controls output").inner_text()) != before


def test_a_repetition_plays_to_its_end(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/videos/{DRAWN}")
    expect(page.get_by_role("button", name="Show it").first).to_be_visible()
    page.get_by_role("button", name="Show it").first.click()
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    expect(page.get_by_role("button", name="Play")).to_be_visible()


def violations(page: Page) -> list[str]:
    """What people who see little, or use a screen reader or a keyboard, cannot do on a page, by axe-core."""
    found = Axe().run(page).response["violations"]
    return [f"{one['id']} ({one['impact']}): {node['html']}" for one in found for node in one["nodes"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_a_phone_and_is_readable(site: Site, page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": 400, "height": 800})
    grounds = set()
    for address in PAGES:
        page.goto(site.url + address)
        assert page.evaluate("document.documentElement.scrollWidth") <= 400, address
        assert violations(page) == [], address
        grounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert grounds == {"rgb(21, 24, 28)" if scheme == "dark" else "rgb(255, 255, 255)"}
