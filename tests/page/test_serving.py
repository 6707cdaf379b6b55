"""Who may come in."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import gradio as gr
import pytest

from sr_explore.errors import UserError
from sr_explore.page.serving import Guard, serve


def _status(local: bool, **headers: str) -> int:
    """What the guard answers, or 200 if it lets the request pass."""
    answers: list[dict] = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: dict) -> None:
        answers.append(message)

    scope = {"type": "http", "headers": [(name.encode(), value.encode()) for name, value in headers.items()]}
    with ThreadPoolExecutor(1) as elsewhere:  # the browser of other tests has an event loop in this thread
        elsewhere.submit(asyncio.run, Guard(app, local)(scope, None, send)).result()
    return answers[0]["status"]


def test_own_requests_pass():
    assert _status(True, host="127.0.0.1:7860") == 200
    assert _status(True, host="localhost:7860", origin="http://localhost:7860") == 200
    assert _status(False, host="box.example:80", origin="http://box.example:80") == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:8000", "http://127.0.0.1.evil"])
def test_other_origins_are_refused(origin: str):
    assert _status(True, host="127.0.0.1:7860", origin=origin) == 403
    assert _status(False, host="box.example", origin=origin) == 403


def test_names_that_a_foreign_site_points_here_are_refused():
    assert _status(True, host="evil.example:7860") == 403


@pytest.mark.parametrize("where", [{"host": "0.0.0.0"}, {"share": True}, {"auth": "ada"}, {"auth": ":secret"}])
def test_beyond_this_machine_only_with_a_password(where: dict, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gr.Blocks, "launch", lambda *_, **__: pytest.fail("it was opened"))
    with pytest.raises(UserError, match="password"):
        serve(gr.Blocks(), **where)
