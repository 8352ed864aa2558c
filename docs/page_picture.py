"""Takes the README's picture: the real page, as Chromium draws it. `python -m docs.page_picture`.

Needs chromium; shows the demonstration, whose simulated users are the same each time.
"""

import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from urllib.error import HTTPError

from PIL import Image

PICTURE = Path(__file__).parent / "pictures/page.png"
SIZE = (1100, 1430)  # down to the end of the second row of KPIs
COLOURS = 128  # enough for text and lines, at a third of the bytes


def main() -> None:
    """Take the picture."""
    with subprocess.Popen(
        [sys.executable, "-m", "exporter", "demo", "--web.listen-address=127.0.0.1:0"],
        stdout=subprocess.PIPE,
        text=True,
    ) as demo:
        try:
            page = _address(demo)
            _await(f"{page}-/ready")
            _photograph(page)
        finally:
            demo.terminate()
    Image.open(PICTURE).convert("RGB").quantize(COLOURS).save(PICTURE, optimize=True)
    print(PICTURE)


def _address(demo: subprocess.Popen[str]) -> str:
    for line in demo.stdout or ():
        if found := re.search(r"the page +(\S+)", line):
            return found[1]
    raise SystemExit("the demonstration did not start")


def _await(url: str) -> None:
    for _ in range(120):
        try:
            urllib.request.urlopen(url, timeout=5).close()  # noqa: S310 -- our own address
        except HTTPError:
            time.sleep(0.5)
        else:
            return
    raise SystemExit(f"{url} never was")


def _photograph(page: str) -> None:
    width, height = SIZE
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [
                "/usr/bin/env",
                "chromium",
                "--headless=new",
                "--no-sandbox",  # root has none, and the page is ours
                "--hide-scrollbars",
                f"--user-data-dir={profile}",
                f"--window-size={width},{height}",
                f"--screenshot={PICTURE}",
                page,
            ],
            check=True,
            capture_output=True,
            env={"PATH": "/usr/bin:/bin", "XDG_CONFIG_HOME": profile, "HOME": profile},
        )


if __name__ == "__main__":
    main()
