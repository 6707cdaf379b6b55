"""The whole page: its head and its tabs."""

import threading

import gradio as gr

from sr_explore.page.how_it_works import HowTab
from sr_explore.page.prune import PruneTab
from sr_explore.page.shared import Shared
from sr_explore.page.upscale import UpscaleTab
from sr_explore.process_memory import fetch_memory, no_collection, release_memory

INTRO = """# One photo, four networks
See what cutting up a super-resolution network does to its pictures: the same photo, four times larger, by the original
network, by the ones made from it, and by plain bicubic interpolation."""

FIRST_PHOTO_BYTES = 320 * 2**20
"""About what five networks and their scores take for one of our photos."""
_fetching = threading.Lock()


class Page:
    """The page and its tabs, for those who call their handlers."""

    @no_collection()
    def __init__(self) -> None:
        with gr.Blocks(title="sr_explore", analytics_enabled=False, delete_cache=(600, 3600)) as self.demo:
            gr.Markdown(INTRO)
            self.shared = Shared()
            with gr.Tabs(selected="upscale") as tabs:
                with gr.Tab("Upscale", id="upscale"):
                    self.upscale = UpscaleTab(self.shared)
                with gr.Tab("Prune", id="prune") as pruning:
                    self.prune = PruneTab(self.shared, self.upscale, tabs)
                with gr.Tab("How it works", id="how") as telling:
                    self.how = HowTab()
            self.prune.wire(pruning)
            self.how.wire(telling)
            self._wire_first()
        self.demo.queue(max_size=16)

    def _wire_first(self) -> None:
        tab = self.upscale
        tab.wire()
        # Also loads the networks and warms them up.
        self.demo.load(
            tab.describe, [tab.photo_box, tab.mode], tab.status, show_progress="hidden", api_visibility="private"
        )
        self.demo.load(_make_room, show_progress="hidden", api_visibility="private")
        self.demo.unload(self._leave)

    def _leave(self, request: gr.Request) -> None:
        self.upscale.leave(request)
        self.prune.leave(request)
        release_memory()


def _make_room() -> None:
    """While a visitor looks at the page, or the first photo would wait for it; once for all who come together."""
    if _fetching.acquire(blocking=False):
        try:
            fetch_memory(FIRST_PHOTO_BYTES)
        finally:
            _fetching.release()
