"""How long a visitor waits. Figures mean something on an otherwise idle machine only: set SR_EXPLORE_IDLE=1."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.browser import free_port, wait_until_up

READY_S, FIVE_S, PAIR_S = 6.0, 3.0, 0.2
ROOT = Path(__file__).parents[1]
TIMER = """([click, done]) => new Promise(resolve => {
    const start = performance.now(), holds = new Function('return ' + done);
    const watch = new MutationObserver(() => holds() && end()), late = setTimeout(() => end(), 30_000);
    const end = () => {
        watch.disconnect();
        clearTimeout(late);
        resolve((performance.now() - start) / 1000);
    };
    watch.observe(document.body, {subtree: true, childList: true, characterData: true, attributes: true});
    document.addEventListener('load', () => holds() && end(), true);
    document.querySelector(click).click();
})"""
"""Seconds between a click and a condition, by the browser's own clock: ours would count the driver's errands, too.

It looks when something changes: looking at every frame would take a fifth of a core from what is timed."""


def _loaded(selector: str, name: str) -> str:
    pair = f"[...document.querySelectorAll('{selector}')]"
    return f"{pair}.some(i => i.src.includes('{name}') && i.complete && i.naturalWidth)"


def test_the_page_is_built_without_running_a_network():
    """The first run of any loads torch's compiler, which takes two seconds that a visitor would wait for."""
    code = "import sys, app; sys.exit('torch._dynamo' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(not os.environ.get("SR_EXPLORE_IDLE"), reason="times need an idle machine; set SR_EXPLORE_IDLE=1")
def test_nobody_waits_long(chromium: Any, tmp_path: Path):
    port = free_port()
    address = f"http://127.0.0.1:{port}/"
    environment = os.environ | {"GRADIO_SERVER_PORT": str(port), "GRADIO_TEMP_DIR": str(tmp_path / "cache")}
    tab = chromium.new_page(viewport={"width": 1280, "height": 900})
    tab.set_default_timeout(30_000)
    started = time.monotonic()
    with subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment) as server:
        try:
            wait_until_up(address, server)
            answers = time.monotonic() - started
            tab.goto(address)
            tab.wait_for_selector("#upscale")
            ready = time.monotonic() - started
            tab.wait_for_function("document.querySelector('#status').innerText.includes('about')")
            told = time.monotonic() - started
            done = "document.querySelector('#status').textContent.includes('All five are done')"
            five = tab.evaluate(TIMER, ["#upscale", done])
            tab.wait_for_selector("#together .js-plotly-plot")  # the first figure loads its library, up to a second
            wanted = (("Half the", "pruned"), ("Branches merged", "merged"), ("Cut into", "branched"))
            pairs = [_change_pair(tab, label, name) for label, name in wanted]
        finally:
            tab.close()
            server.terminate()
            server.wait(10)
    print(f"answers {answers:.1f} s, ready {ready:.1f} s, estimate {told:.1f} s; five {five} s; pair {pairs} s")
    assert ready <= READY_S
    assert five <= FIVE_S
    assert max(pairs) <= PAIR_S


def _change_pair(tab: Any, label: str, name: str) -> float:
    """Seconds from choosing another network in the left list until its picture is in the slider."""
    tab.click("#left input")
    option = tab.locator("#left [role=option]", has_text=label).first
    option.evaluate("(option, name) => option.setAttribute('data-chosen', name)", name)
    timer = TIMER.replace(
        "document.querySelector(click).click()",
        "document.querySelector(click).dispatchEvent(new MouseEvent('mousedown', {bubbles: true}))",
    )
    return tab.evaluate(timer, [f"[data-chosen={name}]", _loaded("#pair .content img", name)])
