"""Where a network's parameters and multiply-adds are: areas, module by module."""

from collections.abc import Callable, Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from sr_explore.plots.theme import BLUE, CLEAR, GREEN, GREY, ORANGE, styled
from sr_explore.records import LayerRow, LayerTable

KINDS = {"3×3": BLUE, "1×1": ORANGE, "moves channels": GREEN}
ON_COLOUR = {BLUE: "white", ORANGE: "#111111", GREEN: "white"}
ROOT = "network"


def cost_map(table: LayerTable, depth: int = 5) -> go.Figure:
    """Parameters and multiply-adds as areas, nested as the modules are. Click on a module to enter it.

    Blue layers are 3×3 convolutions (or larger), orange ones 1×1, green ones only move channels.

    Args:
        depth: levels of modules shown at once.
    """
    height, width = table.size
    titles = [f"{table.params:,} parameters", f"{table.macs / 1e9:.2f} G multiply-adds for {width} × {height} px"]
    figure = make_subplots(1, 2, specs=[[{"type": "treemap"}] * 2], subplot_titles=titles, horizontal_spacing=0.02)
    figure.update_annotations(font={"size": 13, "color": GREY})
    counts: Sequence[Callable[[LayerRow], int]] = (lambda row: row.params, lambda row: row.macs)
    for column, (count, unit) in enumerate(zip(counts, ("parameters", "multiply-adds"), strict=True), start=1):
        figure.add_trace(_treemap(table.rows, count, unit, depth), row=1, col=column)
    styled(figure, height=440)
    return figure.update_layout(margin={"l": 0, "r": 0, "t": 36, "b": 0})


def _treemap(rows: Sequence[LayerRow], count: Callable[[LayerRow], int], unit: str, depth: int) -> go.Treemap:
    values: dict[str, int] = {}
    colours: dict[str, str] = {}
    for row in rows:
        parts = row.path.split(".")
        for length in range(len(parts) + 1):
            path = ".".join(parts[:length])
            values[path] = values.get(path, 0) + count(row)
            colours.setdefault(path, CLEAR)
        colours[row.path] = KINDS[_kind(row)]
    paths = list(values)
    return go.Treemap(
        ids=[path or ROOT for path in paths],
        labels=[path.rpartition(".")[2] or ROOT for path in paths],
        parents=[(path.rpartition(".")[0] or ROOT) if path else "" for path in paths],
        values=list(values.values()),
        branchvalues="total",
        maxdepth=depth,
        marker={"colors": [colours[path] for path in paths], "line": {"color": GREY, "width": 1}},
        texttemplate="%{label}<br>%{percentRoot:.0%}",
        hovertemplate=f"<b>%{{id}}</b><br>%{{value:,}} {unit}, %{{percentRoot:.1%}}<extra></extra>",
        pathbar={"visible": False},
        textfont={"color": [ON_COLOUR.get(colours[path], GREY) for path in paths], "size": 12},
        tiling={"pad": 1},
        sort=False,
    )


def _kind(row: LayerRow) -> str:
    if row.structural:
        return "moves channels"
    return "1×1" if row.kernel == (1, 1) else "3×3"
