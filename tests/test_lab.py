"""The notebooks as people use them: in JupyterLab, in Chromium, with a slider that is really dragged."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser import Watched, free_port, wait_until_up

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
PRUNING = "05_prune_channels.ipynb"
SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none"},  # cells out of sight are in the page, too
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}
RATIO = ".widget-hslider:has-text('pruning ratio')"
SHOWN = """() => {
    const plots = [...document.querySelectorAll('.jupyter-widgets .js-plotly-plot')];
    const sum = (trace) => [...trace.y].reduce((a, b) => a + b, 0);
    return {
        table: document.querySelector('.jupyter-widgets table').innerText,
        kept: sum(plots.find((plot) => plot.data[0].type === 'bar').data[0]),
        picture: plots.find((plot) => plot.data[0].type === 'image').data[1].source,
    };
}"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """JupyterLab with copies of the notebooks and with nobody's settings; its address."""
    folder, port = tmp_path_factory.mktemp("lab"), free_port()
    shutil.copytree(NOTEBOOKS, folder / "notebooks")
    for name, settings in SETTINGS.items():
        path = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings))
    names = {"JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces"}
    names |= {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data", "JUPYTER_RUNTIME_DIR": "runtime"}
    environment = os.environ | {name: str(folder / value) for name, value in names.items()}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", f"--port={port}", "--IdentityProvider.token="]
    command += ["--allow-root", f"--ServerApp.root_dir={folder / 'notebooks'}"]
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT) as server,
    ):
        try:
            wait_until_up(f"http://127.0.0.1:{port}/api", server)
            yield f"http://127.0.0.1:{port}/"
        finally:
            server.terminate()
            server.wait(20)


@pytest.mark.browser
@pytest.mark.slow
def test_the_pruning_slider_is_dragged_in_a_real_lab(chromium: Any, lab: str):
    tab = chromium.new_page(viewport={"width": 1280, "height": 1000})
    tab.set_default_timeout(120_000)  # ms; a busy machine is slow, not wrong
    watched = Watched(tab)
    tab.goto(f"{lab}lab/tree/{PRUNING}")
    tab.wait_for_selector(".jp-Notebook .jp-CodeCell")
    tab.wait_for_selector("text='Python 3 (ipykernel) | Idle'")  # before that it would ask for a kernel
    tab.click(".lm-MenuBar-item:has-text('Run')")
    tab.click(".lm-Menu-item:has-text('Run All Cells') >> nth=0")
    tab.wait_for_selector(RATIO)
    tab.wait_for_function("document.querySelector('.jp-Notebook').innerText.includes('of the channels gone')")
    assert tab.locator("[data-mime-type='application/vnd.jupyter.stderr']").count() == 0
    before = _settled(tab)
    _drag(tab, -150)
    tab.wait_for_function(f"before => ({SHOWN})().table !== before", arg=before["table"])
    after = _settled(tab)
    assert "70% pruned" in before["table"]
    assert "70% pruned" not in after["table"]
    assert after["kept"] > before["kept"], "a smaller ratio keeps more"
    assert after["picture"].startswith("data:image/png")
    assert after["picture"] != before["picture"]
    tab.close()
    watched.has_no_fault(lab)


def _drag(tab: Any, pixels: int) -> None:
    handle = tab.locator(f"{RATIO} .noUi-handle")
    handle.scroll_into_view_if_needed()
    box = handle.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    tab.mouse.move(x, y)
    tab.mouse.down()
    tab.mouse.move(x + pixels, y, steps=8)
    tab.mouse.up()


def _settled(tab: Any) -> dict[str, Any]:
    """What the explorer shows once nothing changes any more."""
    shown = tab.evaluate(SHOWN)
    while True:
        tab.wait_for_timeout(1500)
        if (now := tab.evaluate(SHOWN)) == shown:
            return now
        shown = now
