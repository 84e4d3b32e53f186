"""The pages in a real browser: they refresh, fit, obey their own security policy, and do without
scripts.
"""

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from holdfast.control.report.gather import report_of
from holdfast.control.report.page import html

pytestmark = pytest.mark.browser

MODEL = "flight-delay"
PAGES = ("/", f"/models/{MODEL}", "/models/churn", "/models/fares", f"/models/{MODEL}/history",
         f"/models/{MODEL}/rollback", "/incidents/inc-closed", "/incidents/inc-open", "/sign-in",
         f"/models/{MODEL}/pause", f"/models/{MODEL}/versions/5/card",
         f"/models/{MODEL}/report")  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("there is no chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def site(registered: Any, run: Any) -> Iterator[str]:
    """Address of the running application."""
    with run(registered.container) as client:
        yield str(client.base_url).rstrip("/")


@pytest.fixture
def page(browser: Browser, site: str) -> Iterator[Page]:
    """A page at 1440 px that fails the test when the browser complains, as of its policy."""
    context = browser.new_context(base_url=site, viewport={"width": 1440, "height": 900})
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert complaints == []


def test_a_change_refreshes_the_page_and_leaves_open_what_was_open(
    page: Page, registered: Any
) -> None:
    page.goto(f"/models/{MODEL}")
    expect(page.locator("#live-state")).to_have_text("live")
    page.locator("#verdict-5 summary").click()
    expect(page.get_by_text("1 of 9 behaviour checks")).to_be_visible()
    registered.tell("test.event", "something new happened")
    expect(page.get_by_text("something new happened")).to_be_visible()
    expect(page.get_by_text("1 of 9 behaviour checks")).to_be_visible()


def test_an_open_dialog_is_left_alone_and_a_closed_one_follows(page: Page, registered: Any) -> None:
    page.goto(f"/models/{MODEL}")
    expect(page.locator("#live-state")).to_have_text("live")
    page.get_by_role("link", name="Roll back version 4").click()
    reason = page.get_by_label("Reason")
    reason.fill("half a sen")
    registered.clock.time += timedelta(hours=1)
    registered.route(MODEL, registered.arm(MODEL, 4), reason="version 4 went live")
    expect(page.get_by_text("version 4 100%; version 4 went live")).to_be_visible()
    expect(reason).to_have_value("half a sen")
    page.get_by_role("dialog").get_by_role("link", name="Cancel").click()
    registered.tell("test.event", "something new happened")
    expect(page.get_by_text("something new happened")).to_be_visible()
    expect(page.locator("#rollback")).to_contain_text("Version 3 will be live")


def test_rolling_back_asks_first_and_says_how_long_it_took(page: Page, registered: Any) -> None:
    registered.serve(MODEL, "edge-1", "edge-2", epoch=99)  # servers that are never late
    page.goto("/")
    page.get_by_role("link", name=MODEL).click()
    page.get_by_role("link", name="Roll back version 4").click()
    dialog = page.get_by_role("dialog", name=f"Roll back {MODEL}")
    expect(dialog).to_be_visible()
    expect(dialog).to_contain_text("Version 3 stays live")
    page.keyboard.press("Escape")
    expect(dialog).not_to_be_visible()
    page.get_by_role("link", name="Roll back version 4").click()
    dialog.get_by_label("Version that will be live").select_option("2")
    dialog.get_by_label("Reason").fill("too slow")
    dialog.get_by_role("button", name="Roll back").click()
    flash = page.locator(".flash")
    expect(flash).to_contain_text(
        "Version 2 is live, in place of version 3. Every server confirmed"
    )
    expect(page.get_by_role("table").filter(has_text="route.changed")).to_contain_text("too slow")


def test_everything_works_without_scripts(browser: Browser, site: str, registered: Any) -> None:
    registered.serve(MODEL, "edge-1", "edge-2", epoch=99)
    context = browser.new_context(base_url=site, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"/models/{MODEL}")
    page.locator("#verdict-5 summary").click()
    expect(page.get_by_text("1 of 9 behaviour checks")).to_be_visible()
    page.get_by_role("link", name="Roll back version 4").click()
    expect(page).to_have_url(f"{site}/models/{MODEL}/rollback")
    page.get_by_role("button", name="Roll back").click()
    expect(page.locator(".flash")).to_contain_text("The release of version 4 was stopped")
    context.close()


@pytest.mark.parametrize("width", [390, 1440])
def test_pages_fit_their_window(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    for path in PAGES:
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        outside = page.evaluate(
            """width => [...document.querySelectorAll("main *")]
                 .filter(e => e.checkVisibility())
                 .filter(e => !e.closest(".scroll, .wide-table, svg, .hidden, thead"))
                 .filter(e => e.getBoundingClientRect().right > width + 1)
                 .map(e => e.outerHTML.slice(0, 80))""",
            width,
        )
        assert outside == [], path


def test_one_can_get_anywhere_with_the_keyboard(page: Page) -> None:
    page.goto(f"/models/{MODEL}")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to content")).to_be_focused()
    names = []
    for _ in range(6):
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.textContent.trim()"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert "Roll back version 4" in names


def test_the_loop_is_paused_and_goes_on_by_a_dialog(page: Page) -> None:
    page.goto(f"/models/{MODEL}")
    page.get_by_role("link", name="Pause", exact=True).click()
    dialog = page.get_by_role("dialog", name=f"Pause the loop of {MODEL}")
    dialog.get_by_label("Note").fill("moving house")
    dialog.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("The loop is paused: moving house.")).to_be_visible()
    page.get_by_role("link", name="Resume", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Resume").click()
    expect(page.get_by_text("The loop is paused")).not_to_be_visible()


def test_one_click_puts_an_earlier_version_live(page: Page, registered: Any) -> None:
    registered.serve(MODEL, "edge-1", "edge-2", epoch=99)
    page.goto(f"/models/{MODEL}")
    page.get_by_role("button", name="Go back to version 1").click()
    expect(page.locator(".flash")).to_contain_text("Version 1 is live, in place of version 3.")


def test_what_is_typed_into_a_form_stays_when_the_page_follows(page: Page, registered: Any) -> None:
    page.goto("/incidents/inc-open")
    expect(page.locator("#live-state")).to_have_text("live")
    name = page.get_by_label("Your name")
    name.fill("an")
    registered.clock.time += timedelta(minutes=1)
    registered.tell("release.moved", "something new happened")
    expect(page.get_by_text("something new happened")).to_be_visible()
    expect(name).to_have_value("an")
    page.get_by_role("button", name="I look after it").click()
    expect(page.locator(".facts")).to_contain_text("an")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_report_stands_alone_and_prints_light(
    browser: Browser, registered: Any, tmp_path: Path, scheme: Any
) -> None:
    file = tmp_path / "report.html"
    file.write_text(html(report_of(registered.container, MODEL)), encoding="utf-8")
    context = browser.new_context(color_scheme=scheme, offline=True)
    page = context.new_page()
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda said: complaints.append(said.text))
    page.goto(file.as_uri())
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Report on {MODEL}")
    expect(page.get_by_role("img", name="Drift over time").first).to_be_visible()
    assert asked == [file.as_uri()]
    assert complaints == []
    page.emulate_media(media="print", color_scheme=scheme)
    page.set_viewport_size({"width": 703, "height": 900})
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == "rgb(255, 255, 255)"
    assert page.evaluate("document.documentElement.scrollWidth") <= 703
    assert page.pdf(format="A4").startswith(b"%PDF")
    context.close()
