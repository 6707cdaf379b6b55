"""The tab that draws what every stage does to a network, and checks its promises on this machine."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from sr_explore import journey
from sr_explore.page.words import html_table, note
from sr_explore.plots import network_plot
from sr_explore.records import Step
from sr_explore.streaming import Streamed

STAGES = {
    "branch": (
        "Branch",
        "The row of blocks is cut into branches that run side by side. All but one begin with a small block that stands"
        " for what came before it. This changes the pictures; training makes up for most of it.",
    ),
    "merge-branches": (
        "Merge branches",
        "The branches become one wide network: their kernels are put on the diagonal of larger ones, with zeros beside."
        " Same function, fewer layers, more work.",
    ),
    "concat-to-conv": (
        "Concat to conv",
        "Where channels are moved by index, a 1×1 convolution of zeros and ones moves them instead. Same function, and"
        " now a pruner can cut it like any other layer.",
    ),
    "prune-channels": (
        "Prune channels",
        "Half of the channels are removed, those that matter least. The dotted outlines show what was there. This"
        " changes the pictures.",
    ),
    "fold": (
        "Fold",
        "The 1×1 convolutions that only move channels are multiplied into their neighbours. Same function, and the"
        " scaffolding is gone.",
    ),
}
NAMES = {name: words[0] for name, words in STAGES.items()} | {"reconstruct": "Reconstruct"}
FIRST = "merge-branches"
HEAD = ("Stage", "Promise", "Kept?", "Largest difference", "Parameters", "Layers", "PSNR Y (dB)", "Seconds")


class HowTab:
    """Components and what they do."""

    def __init__(self) -> None:
        gr.Markdown(
            "A network is cut into branches, merged, rewritten, pruned and folded. Taller boxes have more channels."
        )
        listed = [(words[0], name) for name, words in STAGES.items()]
        self.stage = gr.Radio(listed, value=FIRST, show_label=False, container=False, elem_id="stage")
        self.told = gr.Markdown(STAGES[FIRST][1], elem_id="stage-told")
        self.drawing = gr.Plot(show_label=False, elem_id="drawing")
        gr.Markdown("### Is it true? Checked on this machine, in double precision, when you press the button")
        self.button = gr.Button("Run all stages and check them", variant="primary", elem_id="check")
        self.status = gr.HTML(elem_id="check-status", elem_classes="said", padding=False)
        self.table = gr.HTML(elem_id="check-table", elem_classes="figures", padding=False)

    def wire(self, tab: gr.Tab) -> None:
        """Connect what is clicked with what it does; `tab` is this one."""
        drawn: dict[str, Any] = {"inputs": self.stage, "outputs": [self.told, self.drawing], "show_progress": "hidden"}
        self.stage.input(self.draw, **drawn, api_name="drawing")
        tab.select(self.draw, **drawn, api_visibility="private")
        self.button.click(
            self.check, None, [self.table, self.status], api_name="check", concurrency_id="torch", concurrency_limit=1,
            show_progress_on=[self.status],
        )  # fmt: skip

    def draw(self, stage: str) -> dict[Any, Any]:
        """The network before the stage and after it."""
        return {self.told: STAGES[stage][1], self.drawing: network_plot(journey.drawings()[stage])}

    def check(self) -> Iterator[dict[Any, Any]]:
        """Run the stages one after the other; every row appears as soon as its stage is done."""
        running: Streamed[Step, Any] = Streamed(journey.check)
        rows: list[list[str]] = []
        yield {self.status: note("Merging the branches …"), self.table: ""}
        for step in running:
            rows.append(_row(step))
            names = list(journey.STAGES)
            told = f"{NAMES[names[len(rows)]]} …" if len(rows) < len(names) else _verdict(rows)
            yield {self.table: html_table(HEAD, rows), self.status: note(told)}


def _row(step: Step) -> list[str]:
    check = step.equivalence
    promise = "same function" if step.exact else "smaller, not the same"
    kept = ("yes" if check.equal else "NO") if check else "—"
    apart = _small(check.float64.relative) if check else "—"
    psnr = f"{step.quality.psnr_y:.2f}" if step.quality else "—"
    layers = str(len(step.table.rows))
    return [NAMES[step.stage], promise, kept, apart, f"{step.params:,}", layers, psnr, f"{step.seconds:.1f}"]


def _small(figure: float) -> str:
    return f"{figure:.0e}" if figure else "0"


def _verdict(rows: list[list[str]]) -> str:
    broken = [row[0] for row in rows if row[2] == "NO"]
    if broken:
        return f"Broken promises: {', '.join(broken)}."
    return "Every promise was kept. Differences are shares of the picture's range; 2e-16 is the round-off of one sum."
