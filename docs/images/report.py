"""Make report.png, the picture in the README: the head of an HTML report, as a browser shows it.

    python docs/images/report.py

Needs the extras report and dev, a Chromium, and Pillow (extra zoo) to make the file small.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

COMMAND = "run mobilenet-v2 --policy auto --device newton-gddr6-pimflow --gpu rtx2060 --no-values --html report.html"
PICTURE = Path(__file__).with_suffix(".png")


def main() -> None:
    """Run the command, open what it wrote, and keep the picture."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        start = "from nearbank.cli import main; main()"
        subprocess.run(
            [sys.executable, "-c", start, *shlex.split(COMMAND)], cwd=folder, check=True, stdout=subprocess.DEVNULL
        )
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--headless", "--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 900}, device_scale_factor=1.25)
        page.goto((Path(folder) / "report.html").as_uri())
        page.wait_for_selector("html[data-ready]", state="attached")
        end = page.locator("#schedule details").bounding_box()
        page.screenshot(path=PICTURE, full_page=True, clip={"x": 0, "y": 0, "width": 1280, "height": end["y"]})
        browser.close()
    Image.open(PICTURE).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(PICTURE, optimize=True)
    print(f"{PICTURE}: {PICTURE.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
