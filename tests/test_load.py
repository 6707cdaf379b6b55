"""Twenty visitors at once, a quarter of what they send bad. Slow: only with `-m slow`."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

from sr_explore import explore
from sr_explore.images import read_photo, write_png
from sr_explore.page.serving import MOST_VISITORS
from tests.browser import free_port, wait_until_up

CLIENTS, JOBS, SIDE = 20, 10, 24
BUSY_TRIES = 600
LOSS = 0.10
LEFT_S = 20


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, psutil.Process]]:
    port, folder = free_port(), tmp_path_factory.mktemp("served")
    command = [sys.executable, "-m", "sr_explore", "app", "--port", str(port), "--no-browser"]
    environment = os.environ | {"GRADIO_TEMP_DIR": str(folder / "cache")}
    log = (folder / "log").open("w+")
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT) as process:
        try:
            wait_until_up(f"http://127.0.0.1:{port}/", process)
            yield f"http://127.0.0.1:{port}/", psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(10)
    log.seek(0)
    assert "Traceback" not in log.read()


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("SR_EXPLORE_LOAD"), reason="takes minutes; set SR_EXPLORE_LOAD=1")
def test_every_good_job_gets_its_own_right_answer(server: tuple[str, psutil.Process], tmp_path: Path):
    address, process = server
    rng = np.random.default_rng(0)
    photos = [rng.random((SIDE, SIDE, 3), np.float32) for _ in range(CLIENTS)]
    paths = [write_png(tmp_path / f"photo {index}.png", photo) for index, photo in enumerate(photos)]
    bad = tmp_path / "bad.png"
    bad.write_text("no picture at all")
    cold = process.memory_info().rss
    for _ in range(MOST_VISITORS // CLIENTS):  # threads, caches and gradio's table of visitors fill up, and stay
        _rounds(address, paths, bad, 1)
    before = process.memory_info().rss
    answers = _rounds(address, paths, bad, JOBS)
    busy = process.memory_info().rss
    after = _rss_once_they_have_left(process, before * (1 + LOSS))
    good = sum(one == "right" for one in answers)
    assert sorted(set(answers)) == ["refused", "right"], sorted(set(answers))
    assert good == sum((client + job) % 4 != 0 for client in range(CLIENTS) for job in range(JOBS))
    assert after < before * (1 + LOSS), f"{before / 1e6:.0f} MB before, {after / 1e6:.0f} MB after"
    sizes = " ".join(f"{size / 1e6:.0f}" for size in (cold, before, busy, after))
    print(f"{len(answers)} jobs, {good} good; MB cold, before, busy, after: {sizes}")


def _rss_once_they_have_left(process: psutil.Process, wanted: float) -> int:
    """Bytes; gradio notices within seconds that a visitor is gone."""
    until = time.monotonic() + LEFT_S
    while process.memory_info().rss >= wanted and time.monotonic() < until:
        time.sleep(1)
    return process.memory_info().rss


def _rounds(address: str, paths: list[Path], bad: Path, jobs: int) -> list[str]:
    wanted = [_right_answer(path) for path in paths]
    with ThreadPoolExecutor(len(paths)) as clients:
        asked = [clients.submit(_client, address, n, path, bad, wanted[n], jobs) for n, path in enumerate(paths)]
        return [answer for one in asked for answer in one.result()]


def _right_answer(path: Path) -> np.ndarray:
    photo = read_photo(path)
    *_, last = explore.compare_networks(photo, explore.JOURNEY)
    return np.floor(last.photo.rgb * 255 + 0.5).astype(np.uint8)


def _client(address: str, number: int, path: Path, bad: Path, wanted: np.ndarray, jobs: int) -> list[str]:
    from gradio_client import Client  # noqa: PLC0415 - slow to load

    client = Client(address, verbose=False)
    try:
        return [_job(client, bad if (number + job) % 4 == 0 else path, wanted) for job in range(jobs)]
    finally:
        client.close()


def _job(client: Any, path: Path, wanted: np.ndarray) -> str:
    from gradio_client import handle_file  # noqa: PLC0415

    asked = (handle_file(str(path)), "enlarge", "bicubic", "rfdn-x4", [], "auto", "auto")
    for _ in range(BUSY_TRIES):
        try:
            found = client.predict(*asked, api_name="/upscale")
            break
        except Exception as error:
            if "queue" not in str(error).lower():
                return f"error: {error}"
    else:
        return "always busy"
    told = next(str(one) for one in found if 'role="status"' in str(one))
    if "is not a PNG" in told:
        return "refused"
    tiles = next(one for one in found if isinstance(one, list) and one and isinstance(one[0], dict))
    with Image.open(tiles[-1]["image"]) as image:
        return "right" if len(tiles) == 5 and np.array_equal(np.asarray(image), wanted) else "wrong picture"
