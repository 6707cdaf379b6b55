"""The page: one photo by every network, a pruning slider, and how it works. Its tabs are in `sr_explore.page`."""

import sys
from functools import partial

from sr_explore.errors import UserError
from sr_explore.page import Page, serve

page = Page()
demo = page.demo
launch_page = partial(serve, page.demo)
"""Serve the page until it is interrupted; see `serve`."""

if __name__ == "__main__":
    try:
        launch_page()
    except UserError as problem:
        sys.exit(str(problem))
