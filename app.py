"""The page: one photo by every network, a pruning slider, and how it works. Its tabs are in `sr_explore.page`."""

import sys

from sr_explore.errors import UserError
from sr_explore.page import Page, serve

page = Page()
demo = page.demo


def launch_page(
    host: str = "127.0.0.1",
    port: int | None = None,
    browser: bool = False,
    auth: str | None = None,
    share: bool = False,
) -> None:
    """Serve the page until it is interrupted; see `serve`."""
    serve(demo, host, port, browser, auth, share)


if __name__ == "__main__":
    try:
        launch_page()
    except UserError as problem:
        sys.exit(str(problem))
