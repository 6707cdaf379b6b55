"""The page: a file a tab, the words they share, and how it is served. Layout and wiring; others do the work.

gradio is imported here and nowhere else.
"""

import os

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported: no request may leave this machine

from sr_explore.process_memory import keep_freed_memory, no_collection

keep_freed_memory()  # before gradio and torch begin their threads

with no_collection():
    import gradio as gr

    # gradio would open an upload first, and end in a traceback where it cannot; `read_photo` wants the file as it
    # came. For one object this is forgotten when gradio updates it, and for a subclass it would write an .pyi beside
    # the file.
    gr.Image.preprocess = lambda self, payload: payload and payload.path

    from sr_explore.page.serving import serve
    from sr_explore.page.whole import Page

__all__ = ["Page", "serve"]
