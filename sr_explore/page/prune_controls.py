"""What the pruning tab asks: the network, what is cut from it, and how that is chosen."""

from typing import Any

import gradio as gr

from sr_explore import zoo
from sr_explore.errors import UserError
from sr_explore.kernel_orders import prepared, shipped_order, spare_candidates
from sr_explore.page.words import Own, choices, label
from sr_explore.pruning_requests import PruningRequest
from sr_explore.stages.prune_channels import HIGHEST_RATIO, IMPORTANCES, SCOPES
from sr_explore.stages.prune_kernels import STARTS
from sr_explore.zoo.ladders import ladder

NETWORKS = ("rfdn-x4", "rfdn-x4-branched", "rfdn-x4-merged", "rlfn-x4")
TRAINED = "The nearest fine-tuned network instead"


class PruneControls:
    """The components, and the request they stand for."""

    def __init__(self) -> None:
        listed = shipped()
        self.network = gr.Dropdown(choices(listed), value=listed[0], label="Network", elem_id="network")
        self.ratio = gr.Slider(
            0, round(100 * HIGHEST_RATIO), 50, step=1, label="Channels to remove (%)", elem_id="ratio", buttons=[]
        )
        self.reconstruct = gr.Checkbox(True, label="Reconstruct: refit what is left, without training")
        self.trained = gr.Checkbox(False, label=TRAINED)
        with gr.Accordion("Kernels and biases", open=False, elem_id="kernels-and-biases"):
            self.kernels = gr.Slider(
                0, most_kernels(listed[0]), 0, step=1, label="Layers whose kernel becomes 1×1", elem_id="kernels",
                info="They were 3×3; those that are missed least go first.", buttons=[],
            )  # fmt: skip
            self.start = gr.Dropdown(
                list(STARTS), value="centre", label="A 1×1 kernel starts as", elem_id="start",
                info="The centre tap, the mean of all, or what fits the features best. It matters without Reconstruct.",
            )  # fmt: skip
            self.drop_biases = gr.Checkbox(
                False, label="Drop biases", elem_id="biases", info="The first layer and the attention keep theirs."
            )
        with gr.Accordion("How channels are chosen", open=False):
            self.importance = gr.Dropdown(list(IMPORTANCES), value="taylor", label="Importance")
            self.scope = gr.Dropdown(
                list(SCOPES), value="local", label="Scope", info="local: the same share of every layer"
            )
            self.largest_first = gr.Checkbox(False, label="Most important first, to see that it matters")

    @property
    def former(self) -> list[Any]:
        """What stands before device and precision in the programming interface, the network aside."""
        return [self.ratio, self.importance, self.scope, self.largest_first, self.reconstruct, self.trained]

    @property
    def later(self) -> list[Any]:
        """What stands at the end there."""
        return [self.kernels, self.start, self.drop_biases]

    def listed(self, own: Own) -> Any:
        """The list of networks, with the visitor's own."""
        return gr.Dropdown(choices((*shipped(), *own), own))

    def fit(self, network: str, kernels: int) -> Any:
        """The slider of the kernels, as long as another network has such layers."""
        try:
            most = most_kernels(network)
        except UserError:  # said by what comes next, which prunes
            return gr.skip()
        return gr.Slider(maximum=max(most, 1), value=min(kernels, most), interactive=most > 0)


def shipped() -> list[str]:
    """The shipped networks that are offered."""
    return [name for name in NETWORKS if name in zoo.cards()]


def most_kernels(network: str) -> int:
    """How many layers of a network can be made 1×1 and save something.

    Raises:
        UserError: if there is no such network.
    """
    return len(shipped_order(network)) or len(spare_candidates(prepared(network)))


def asked(
    network: str,
    percent: float,
    how: tuple[str, str, bool, bool, bool],
    cut: tuple[float, str, bool],
    own: Own,
) -> PruningRequest:
    """The request that controls stand for.

    Args:
        percent: of the channels. how: importance, scope, largest first, reconstruct, trained.
        cut: kernels, their start, whether biases go.

    Raises:
        UserError: if a fine-tuned network is wanted where none is shipped, or a part of a kernel.
    """
    kernels, start, drop_biases = cut
    if how[-1] and not ladder(network):
        raise UserError(f"No fine-tuned networks are shipped for {label(network, own)}; untick “{TRAINED}”.")
    if kernels != int(kernels):
        raise UserError(f"kernels is {kernels}; give a whole number of layers")
    return PruningRequest(percent / 100, *how, int(kernels), start, drop_biases)
