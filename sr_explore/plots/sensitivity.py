"""What each 3×3 convolution's outer taps are worth: bars, a table, and PSNR as one after the other goes."""

from collections.abc import Mapping

import plotly.graph_objects as go

from sr_explore.plots.tables import Table
from sr_explore.plots.theme import BLUE, GREEN, ORANGE, styled
from sr_explore.records import KernelOrder, KernelSensitivity, SensitivityRecord


def sensitivity_bars(record: SensitivityRecord, log: bool = True) -> go.Figure:
    """A group of bars a layer: dB lost when it alone becomes 1×1, at once and after reconstruction.

    Args:
        log: a logarithmic axis, since layers differ a thousandfold; there a bar of nothing, or of a gain, is missing.
    """
    paths = [layer.path for layer in record.layers]
    hover = [
        f"{layer.off_centre:.0%} of the response off the centre<br>{layer.macs_saved / record.macs:.1%} of the"
        " multiply-adds saved"
        for layer in record.layers
    ]
    figure = go.Figure()
    losses = {
        "at once": (ORANGE, [layer.lost_db for layer in record.layers]),
        "reconstructed": (BLUE, [layer.reconstructed_lost_db for layer in record.layers]),
    }
    for name, (colour, values) in losses.items():
        if any(value is not None for value in values):
            figure.add_bar(
                x=paths,
                y=values,
                name=name,
                marker_color=colour,
                customdata=hover,
                hovertemplate=f"<b>%{{x}}</b><br>%{{y:.3f}} dB lost {name}<br>%{{customdata}}<extra></extra>",
            )
    figure.update_xaxes(tickangle=-60, tickfont_size=10, showgrid=False)
    figure.update_yaxes(title="dB lost", type="log" if log else "linear")
    return styled(figure, f"one kernel 1×1 at a time, of {record.psnr_db:.2f} dB", height=440)


def sensitivity_table(record: SensitivityRecord) -> Table:
    """One row a layer, the least sensitive first (after reconstruction, where that was measured)."""
    rows = sorted(record.layers, key=KernelSensitivity.lost)
    cells = [
        (
            row.path,
            f"{row.off_centre:.0%}",
            f"{row.lost_db:.3f}",
            "–" if row.reconstructed_lost_db is None else f"{row.reconstructed_lost_db:.3f}",
            f"{row.params_saved:,}",
            f"{row.macs_saved / record.macs:.1%}",
        )
        for row in rows
    ]
    head = ("layer", "off centre", "dB lost", "dB lost, reconstructed", "params saved", "MACs saved")
    return Table(head, tuple(cells))


def order_plot(orders: Mapping[str, KernelOrder]) -> go.Figure:
    """PSNR over the multiply-adds left, as one kernel after the other becomes 1×1; a line for each order, by name.

    After reconstruction where that was measured. Hover names the layer that went.
    """
    figure = go.Figure()
    for (name, order), colour in zip(orders.items(), (BLUE, ORANGE, GREEN), strict=False):
        after = [step.psnr_db if step.reconstructed_db is None else step.reconstructed_db for step in order.steps]
        figure.add_scatter(
            x=[1.0, *(step.macs / order.macs for step in order.steps)],
            y=[order.psnr_db, *after],
            mode="lines+markers",
            name=name,
            line_color=colour,
            customdata=["as it was", *(step.path for step in order.steps)],
            hovertemplate="<b>%{customdata}</b><br>%{x:.0%} of the multiply-adds, %{y:.2f} dB<extra></extra>",
        )
    figure.update_xaxes(title="multiply-adds left", tickformat=".0%", autorange="reversed")
    figure.update_yaxes(title="PSNR (dB)")
    return styled(figure, "kernels made 1×1, one after the other", height=420)
