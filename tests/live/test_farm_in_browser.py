"""A farm in a real Home Assistant, seen and used through a real browser."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
import json
import os
from pathlib import Path
import signal
import subprocess
from typing import Any

from playwright.async_api import Page, async_playwright, expect
import pytest

from scripts.dashboard import PATH, lay_out
from scripts.devhome import ROOT, RunningHome, boot, free_port, write_home
from scripts.homeclient import HomeClient
from scripts.portrait import portrayed

pytestmark = [
    pytest.mark.live,
    pytest.mark.usefixtures("socket_enabled", "unix_sockets"),
]

FILES = ROOT / "tests" / "fixtures" / "gcode"
PATIENCE = 60_000
"""Milliseconds that a page may take on a busy machine."""
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""Without a screen, as any user, and without a look at the internet."""


@asynccontextmanager
async def browser(running: RunningHome) -> AsyncIterator[Page]:
    """Open a page of this Home Assistant in headless Chromium."""
    chromium = await asyncio.to_thread(
        subprocess.check_output, [ROOT / "scripts" / "browser"], text=True
    )
    async with async_playwright() as driver:
        window = await driver.chromium.launch(
            executable_path=chromium.strip(), args=list(QUIET)
        )
        try:
            page = await window.new_page(
                base_url=running.url, viewport={"width": 1400, "height": 1000}
            )
            page.set_default_timeout(PATIENCE)
            yield page
        finally:
            await window.close()


async def furnished(client: HomeClient, speed: float = 4) -> dict[str, str]:
    """Set up a farm with one slow fabricator; gives its entity ids by key."""
    entry = await client.add_farm()
    await client.add_fabricator(
        entry, "virtual", {"name": "Left", "model": "marlin_2", "speed": speed}
    )
    await lay_out(client)
    entities = await client.ask(type="config/entity_registry/list")
    return {
        item["unique_id"].split("_", 1)[1]: item["entity_id"]
        for item in entities
        if item["platform"] == "printfarm" and ".left" in item["entity_id"]
    }


async def until(client: HomeClient, entity: str, wanted: set[str]) -> None:
    """Wait until an entity has one of these states, told by Home Assistant itself."""
    news = await client.listen(type="subscribe_entities", entity_ids=[entity])
    async with asyncio.timeout(PATIENCE / 1000):
        while True:
            event: dict[str, Any] = await news.get()
            state = event.get("a", {}).get(entity, {}).get("s") or event.get(
                "c", {}
            ).get(entity, {}).get("+", {}).get("s")
            if state in wanted:
                return


async def test_a_print_is_watched_and_paused_in_the_browser(tmp_path: Path) -> None:
    """From upload to paused print: what the person sees and presses is what happens."""
    home = write_home(tmp_path / "home", free_port())
    async with (
        await boot(home) as running,
        HomeClient.connect(running.session, running.token) as client,
    ):
        entities = await furnished(client)
        file = await asyncio.to_thread(
            portrayed, FILES / "vase.gcode", tmp_path / "vase.gcode"
        )
        await client.upload(file, queue="true")
        await until(client, entities["status"], {"preparing", "printing"})
        async with browser(running) as page:
            await page.goto("/")
            await page.wait_for_url(f"**/{PATH}/**")
            await expect(page.get_by_text("vase.gcode").first).to_be_visible()
            picture = page.locator("hui-image img").first
            await expect(picture).to_be_visible()
            assert await picture.evaluate("image => image.naturalWidth") == 400
            await (
                page.locator("hui-button-entity-row", has_text="Pause")
                .get_by_text("Press")
                .click()
            )
            await until(client, entities["status"], {"paused"})
            await expect(page.get_by_text("Paused").first).to_be_visible()
            await page.screenshot(path=tmp_path / "dashboard.png")

            await page.goto("/config/integrations/integration/printfarm")
            await page.get_by_text("Virtual 220").first.click()
            await page.wait_for_url("**/config/devices/device/**")
            for text in ("Controls", "Sensors", "Height of current layer", "Bed clear"):
                await expect(page.get_by_text(text).first).to_be_visible()
            await page.screenshot(path=tmp_path / "device.png", full_page=True)


async def test_the_add_fabricator_form_in_the_browser(tmp_path: Path) -> None:
    """A newcomer adds the farm and a virtual fabricator without reading anything."""
    home = write_home(tmp_path / "home", free_port())
    async with (
        await boot(home) as running,
        HomeClient.connect(running.session, running.token) as client,
    ):
        await client.add_farm()
        async with browser(running) as page:
            await page.goto("/config/integrations/integration/printfarm")
            await page.get_by_text("Add fabricator").first.click()
            await page.get_by_text("Virtual", exact=False).last.click()
            await page.locator("input[name=name]").fill("Bench")
            await page.screenshot(path=tmp_path / "form.png")
            await page.get_by_role("button", name="Submit").click()
            await expect(page.get_by_text("Bench").first).to_be_visible()
        devices = await client.ask(type="config/device_registry/list")
        assert "Bench" in {device["name"] for device in devices}


async def test_a_print_that_was_cut_off_goes_on_by_the_repair_in_the_browser(
    tmp_path: Path,
) -> None:
    """A person reads what happened, and decides; only then does the machine move."""
    home = write_home(tmp_path / "home", free_port())
    async with (
        await boot(home) as running,
        HomeClient.connect(running.session, running.token) as client,
    ):
        entities = await furnished(client, speed=20)
        await client.upload(FILES / "vase.gcode", queue="true")
        await until_above(client, entities["progress"], 5)
        about = home.folder / "printfarm" / "streamer" / "virtual" / "about.json"
        os.kill(json.loads(about.read_text("utf-8"))["pid"], signal.SIGKILL)
        await until(client, entities["status"], {"finished"})
        async with browser(running) as page:
            await page.goto("/config/repairs")
            await page.get_by_text("A print on Left was cut off").click()
            dialog = page.get_by_text("Streaming process ended unexpectedly")
            await expect(dialog).to_be_visible()
            await page.screenshot(path=tmp_path / "menu.png")
            await page.get_by_text("Go on with the print").click()
            await expect(page.get_by_text("will heat up and move")).to_be_visible()
            await page.screenshot(path=tmp_path / "recover.png")
            await page.get_by_role("button", name="Submit").click()
            await until(client, entities["status"], {"preparing", "printing"})
        jobs = (await client.act("get_jobs", {}))["jobs"]
        assert [job["status"] for job in jobs][1:] == ["failed"]
        assert jobs[0]["origin_id"] == jobs[1]["id"]


async def until_above(client: HomeClient, entity: str, wanted: float) -> None:
    """Wait until a number is greater than this."""
    news = await client.listen(type="subscribe_entities", entity_ids=[entity])
    async with asyncio.timeout(PATIENCE / 1000):
        while True:
            event: dict[str, Any] = await news.get()
            told = {**event.get("a", {}).get(entity, {})}
            told |= event.get("c", {}).get(entity, {}).get("+", {})
            with suppress(ValueError):
                if float(told.get("s", "")) > wanted:
                    return
