"""How the page is served: to this machine alone unless told otherwise, and to no page of another origin."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import gradio as gr
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse

from sr_explore.errors import UserError
from sr_explore.images import sample_photos
from sr_explore.page.look import CSS, THEME

LOOPBACK = ("127.0.0.1", "localhost", "::1")
REFUSED = "This page takes requests from its own address only.\n"
MOST_VISITORS = 40
"""Gradio keeps what each visitor was shown, up to a megabyte, for an hour, even of those who left; else of 10,000."""
ASGI = Callable[[Any, Any, Any], Awaitable[None]]


class Guard:
    """Refuses what pages of other origins send; gradio itself only withholds the answer from them.

    On this machine alone it also refuses other host names, which a foreign site can point at this machine.
    """

    def __init__(self, app: ASGI, local: bool) -> None:
        self._app, self._local = app, local

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] in ("http", "websocket") and self._is_foreign(Headers(scope=scope)):
            await PlainTextResponse(REFUSED, 403)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _is_foreign(self, headers: Headers) -> bool:
        host = headers.get("host", "")
        if self._local and urlsplit(f"//{host}").hostname not in LOOPBACK:
            return True
        origin = headers.get("origin")
        own = (host, headers.get("x-forwarded-host"))
        return origin is not None and urlsplit(origin).netloc not in own


def serve(
    demo: gr.Blocks,
    host: str = "127.0.0.1",
    port: int | None = None,
    browser: bool = False,
    auth: str | None = None,
    share: bool = False,
) -> None:
    """Serve the page on an address and a port (a free one from 7860 on if None) until it is interrupted.

    Args:
        auth: "name:password" that visitors have to give; needed beyond this machine.
        share: also at a public address, by way of gradio's servers.

    Raises:
        UserError: if the port is taken, or others could come in without a password.
    """
    local = host in LOOPBACK and not share
    name, _, password = (auth or "").partition(":")
    if auth is not None and not (name and password):
        raise UserError("--auth takes a name and a password, as --auth ada:some-long-password")
    if not local and auth is None:
        raise UserError("others can reach this page there: give a password, as --auth ada:some-long-password")
    try:
        _, url, public = demo.launch(
            server_name=host, server_port=port, inbrowser=browser, share=share, theme=THEME, css=CSS, quiet=True,
            auth=(name, password) if auth else None, max_file_size="32mb", max_threads=8, show_error=False,
            allowed_paths=[str(path.parent) for path in list(sample_photos().values())[:1]], strict_cors=True,
            ssr_mode=False, mcp_server=False, enable_monitoring=False, run_history=False, footer_links=[],
            prevent_thread_lock=True, state_session_capacity=MOST_VISITORS,
            app_kwargs={"middleware": [Middleware(Guard, local=local)]},
        )  # fmt: skip
    except OSError as error:
        raise UserError(f"port {port or 7860} cannot be used; give another one with --port") from error
    print(f"The page is open at {public or url} (Ctrl+C ends it)", flush=True)
    demo.block_thread()
