"""What all tabs look at: where to compute, how exactly, and the visitor's own networks."""

import gradio as gr
import torch

from sr_explore.devices import device_name, has_fast_bfloat16, pick_device

DEVICES = [("Chosen for me", "auto"), ("Processor", "cpu"), ("GPU", "cuda")]


class Shared:
    """The line at the top, and the state that tabs hand each other."""

    def __init__(self) -> None:
        with gr.Row(elem_id="where"):
            self.runs_on = gr.Markdown(runs_on("auto"), elem_id="runs-on")
            self.device = gr.Radio(
                DEVICES, value="auto", label="Compute on", visible=torch.cuda.is_available(), elem_id="device"
            )
            self.dtype = gr.Radio(
                formats(), value="auto", show_label=False, container=False, elem_id="dtype", min_width=280
            )
        self.own = gr.State({})
        self.device.input(runs_on, self.device, self.runs_on, show_progress="hidden", api_visibility="private")


def runs_on(device: str) -> str:
    """The device in words."""
    return f"Runs on **{device_name(pick_device(device))}**, and only there: nothing leaves this machine."


def formats() -> list[tuple[str, str]]:
    """Precisions to choose from; only one where half precision would not be faster."""
    where = pick_device()
    exact = ("Exact, float32", "auto")
    if where.type == "cuda":
        return [exact, ("Fast, float16", "fast")]
    return [exact, ("Fast, bfloat16", "fast")] if has_fast_bfloat16(where) else [exact]


def visitor(request: gr.Request | None) -> str:
    """Who asks: one open page, or one client of the programming interface."""
    return (request and request.session_hash) or ""
