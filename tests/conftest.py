import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sr_explore.images import read_sample, write_png
from tests.browser import FLAGS


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A headless browser, driven by Playwright."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed (Debian: apt install chromium)")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of reference data beside the checkout: test sets and published checkpoints."""
    data = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    if not data.is_dir():
        pytest.skip("needs the reference data beside the checkout")
    return data


@pytest.fixture(scope="session")
def crop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    whole = read_sample("fig")
    return write_png(tmp_path_factory.mktemp("photos") / "fig crop.png", whole.rgb[200:264, 300:396])


@pytest.fixture
def text_file(tmp_path: Path) -> Path:
    path = tmp_path / "letter.png"
    path.write_text("Dear Sir or Madam")
    return path
