"""Networks as boxes and wires, above each other, one channel as tall everywhere."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from sr_explore.plots.theme import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION, styled
from sr_explore.records import Sketch, SketchBox, SketchWire

KINDS = {
    "frame": ("block, opened", "rgba(0, 114, 178, 0.16)"),
    "picture": ("picture", GREY),
    "convolution": ("convolution", SKY),
    "pointwise": ("1×1 convolution", VERMILION),
    "attention": ("attention", BLUE),
    "small block": ("small block", PURPLE),
    "block": ("block", BLUE),
    "index": ("channels moved by index", ORANGE),
    "1×1": ("channels moved by a 1×1 convolution", GREEN),
    "sum": ("sum", GREY),
}
CHANNEL_PX, ROOM, TITLE_PX = 0.95, 26.0, 30
ELBOW = 0.17
SMALLEST_LABELLED = 15.0
ON_COLOUR = {"block": "white", "small block": "#111111", "sum": "white"}


def network_plot(sketches: Sequence[Sketch]) -> go.Figure:
    """Draw networks above each other, so that what a stage changed can be seen.

    The taller a box, the more channels it puts out. A wide block shows the parts that do not touch each other. A
    dotted outline is what the same box was in the drawing above, where it was taller there.

    Raises:
        ValueError: if there is nothing to draw.
    """
    if not sketches:
        raise ValueError("there is no network to draw")
    ghosts = [{}, *(former_heights(above, below) for above, below in pairwise(sketches))]
    spans = [_span(drawing, former) for drawing, former in zip(sketches, ghosts, strict=True)]
    heights = [bottom - top for top, bottom in spans]
    total = sum(heights) * CHANNEL_PX + TITLE_PX * len(sketches) + 24
    figure = make_subplots(
        len(sketches),
        1,
        row_heights=heights,
        vertical_spacing=TITLE_PX / total,
        subplot_titles=[_title(s) for s in sketches],
    )
    figure.update_annotations(x=0, xanchor="left", font={"size": 13, "color": GREY})
    shown: set[str] = set()
    for row, drawing in enumerate(sketches, start=1):
        _draw(figure, drawing, ghosts[row - 1], row, shown)
        _add_ghosts(figure, drawing, ghosts[row - 1], row)
        top, bottom = spans[row - 1]
        figure.update_yaxes(range=(bottom, top), visible=False, fixedrange=True, row=row, col=1)
    longest = max(box.left + box.length for drawing in sketches for box in drawing.boxes)
    figure.update_xaxes(range=(-0.1, longest + 0.1), visible=False, fixedrange=True)
    styled(figure, height=round(total + 40))
    return figure.update_layout(legend={"y": -8 / total, "yanchor": "top", "x": 0, "xanchor": "left"}, margin_t=34)


def _title(sketch: Sketch) -> str:
    figures = f"{sketch.layers} convolutions, {sketch.params:,} parameters"
    return f"<b>{sketch.title}</b>  {figures}" if sketch.title else figures


def former_heights(above: Sketch, below: Sketch) -> dict[str, float]:
    """By path, how tall the boxes of `below` were in the drawing above it, where they were taller."""
    former = {box.path: box.height for box in above.boxes if box.kind not in ("picture", "frame")}
    return {
        box.path: former[box.path]
        for box in below.boxes
        if former.get(box.path, 0) > box.height and not box.path.endswith(".concat")
    }


def _span(sketch: Sketch, former: Mapping[str, float]) -> tuple[float, float]:
    edges = [box.middle + side * former.get(box.path, box.height) / 2 for box in sketch.boxes for side in (-1, 1)]
    edges += [wire.via for wire in sketch.wires if wire.via is not None]
    return min(edges) - ROOM / 4, max(edges) + ROOM


def _draw(figure: go.Figure, sketch: Sketch, former: Mapping[str, float], row: int, shown: set[str]) -> None:
    by_path = {box.path: box for box in sketch.boxes}
    _add_wires(figure, sketch.wires, by_path, row)
    for kind, (name, colour) in KINDS.items():
        if boxes := [box for box in sketch.boxes if box.kind == kind]:
            _add_boxes(figure, boxes, name, colour, row, kind not in shown and kind != "sum")
            shown.add(kind)
    for box in sketch.boxes:
        _add_labels(figure, box, row, former.get(box.path, box.height))


def _add_wires(figure: go.Figure, wires: Iterable[SketchWire], boxes: Mapping[str, SketchBox], row: int) -> None:
    xs: list[float | None] = []
    ys: list[float | None] = []
    ends: list[tuple[float, float]] = []
    for wire in wires:
        points = route(boxes[wire.source], boxes[wire.target], wire.via)
        xs += [*(x for x, _ in points), None]
        ys += [*(y for _, y in points), None]
        ends.append(points[-1])
    line = {"color": GREY, "width": 1.4}
    figure.add_scatter(x=xs, y=ys, mode="lines", line=line, showlegend=False, hoverinfo="skip", row=row, col=1)
    marker = {"symbol": "arrow", "angle": 90, "size": 8, "color": GREY, "standoff": 1}
    x, y = [x for x, _ in ends], [y for _, y in ends]
    figure.add_scatter(x=x, y=y, mode="markers", marker=marker, showlegend=False, hoverinfo="skip", row=row, col=1)


def route(source: SketchBox, target: SketchBox, via: float | None) -> list[tuple[float, float]]:
    """The corners of a wire: straight where one box's middle faces the other box, else by one or two bends."""
    start, end = source.left + source.length, target.left
    if via is not None:
        out, back = start + ELBOW, end - ELBOW
        return [
            (start, source.middle),
            (out, source.middle),
            (out, via),
            (back, via),
            (back, target.middle),
            (end, target.middle),
        ]
    for box, other in ((source, target), (target, source)):
        if abs(box.middle - other.middle) <= other.height / 2:
            return [(start, box.middle), (end, box.middle)]
    bend = end - ELBOW
    return [(start, source.middle), (bend, source.middle), (bend, target.middle), (end, target.middle)]


def _add_boxes(figure: go.Figure, boxes: Sequence[SketchBox], name: str, colour: str, row: int, legend: bool) -> None:
    xs: list[float | None] = []
    ys: list[float | None] = []
    for box in boxes:
        for top, bottom in part_edges(box):
            left, right = box.left, box.left + box.length
            xs += [left, right, right, left, left, None]
            ys += [top, top, bottom, bottom, top, None]
    figure.add_scatter(
        x=xs,
        y=ys,
        mode="lines",
        fill="toself",
        fillcolor=colour,
        line={"color": colour, "width": 1},
        name=name,
        legendgroup=name,
        showlegend=legend,
        hoverinfo="skip",
        row=row,
        col=1,
    )
    figure.add_scatter(
        x=[box.left + box.length / 2 for box in boxes],
        y=[box.middle for box in boxes],
        mode="markers",
        marker={"size": 26, "color": colour, "opacity": 0},
        customdata=[_story(box) for box in boxes],
        hovertemplate="%{customdata}<extra></extra>",
        name=name,
        legendgroup=name,
        showlegend=False,
        row=row,
        col=1,
    )


def part_edges(box: SketchBox) -> list[tuple[float, float]]:
    """(top, bottom) of every part of a box, with a slit between two."""
    slit = 1.5 if len(box.parts) > 1 else 0.0
    top, edges = box.middle - box.height / 2, []
    for part in box.parts:
        bottom = top + box.height * part / sum(box.parts)
        edges.append((top + slit / 2, bottom - slit / 2))
        top = bottom
    return edges


def _story(box: SketchBox) -> str:
    if box.kind == "picture":
        return f"<b>{box.path}</b><br>RGB picture"
    lines = [f"<b>{box.path}</b>", f"{box.channels} channels out"]
    if len(box.parts) > 1:
        lines.append(f"in {len(box.parts)} parts of {', '.join(map(str, box.parts))}")
    if box.layers:
        lines.append(f"{box.layers} convolution{'s' if box.layers > 1 else ''}, {box.params:,} parameters")
    if box.detail:
        lines.append(box.detail)
    return "<br>".join(lines)


def _add_labels(figure: go.Figure, box: SketchBox, row: int, outline: float) -> None:
    inside = box.kind in ON_COLOUR
    centre = box.left + box.length * (0.36 if "block" in box.kind else 0.5)
    for label, (top, bottom) in zip(box.labels, part_edges(box), strict=True):
        if not label or (inside and bottom - top < SMALLEST_LABELLED):
            continue
        figure.add_annotation(
            x=centre if inside else box.left + box.length / 2,
            y=(top + bottom) / 2 if inside else box.middle + outline / 2,
            yanchor="middle" if inside else "top",
            text=label,
            showarrow=False,
            font={"size": 13 if inside else 11, "color": ON_COLOUR.get(box.kind, GREY)},
            row=row,
            col=1,
        )


def _add_ghosts(figure: go.Figure, sketch: Sketch, former: Mapping[str, float], row: int) -> None:
    for box in sketch.boxes:
        if box.path in former:
            x = {"x0": box.left, "x1": box.left + box.length}
            y = {"y0": box.middle - former[box.path] / 2, "y1": box.middle + former[box.path] / 2}
            figure.add_shape(type="rect", **x, **y, line={"color": GREY, "width": 1, "dash": "dot"}, row=row, col=1)
