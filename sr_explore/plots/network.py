"""Networks drawn as boxes, as high as they are wide in channels, above each other on one scale."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from sr_explore.plots.theme import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, styled
from sr_explore.records import Sketch, SketchBox, SketchWire

COLOURS = {"head": SKY, "entry": ORANGE, "block": BLUE, "order": GREY, "tail": PURPLE, "upsample": GREEN}
TALLEST_PX, LABEL_PX, TITLE_PX, DETOUR_PX = 170, 17, 30, 26
BOX_WIDTH = 0.62  # of a column


def network_plot(sketches: Mapping[str, Sketch]) -> go.Figure:
    """Draw networks above each other: a box is as high as the channels that it puts out, all on the same scale.

    The bars inside a box are the layers that features pass on their way through it, each as high as its own output
    channels. Bands are features that flow on; dotted lines go around boxes.

    Args:
        sketches: by title, from `sr_explore.analysis.sketch`.

    Raises:
        ValueError: if there is none.
    """
    if not sketches:
        raise ValueError("there is no network to draw")
    channels = max(width for drawing in sketches.values() for box in drawing.boxes for width in _all_widths(box))
    px = TALLEST_PX / channels
    figure, top = go.Figure(), 0.0
    for title, drawing in sketches.items():
        place = _Place.of(drawing, px, top + TITLE_PX)
        _title(figure, title, drawing, top)
        _draw(figure, drawing, place)
        top = place.bottom
    columns = max(box.column for drawing in sketches.values() for box in drawing.boxes) + 1
    hidden = {"visible": False, "fixedrange": True}
    figure.update_xaxes(range=(-0.1, columns - 0.25), **hidden)
    figure.update_yaxes(range=(top, 0), **hidden)
    figure.update_layout(hovermode="closest", showlegend=False)
    styled(figure, height=round(top) + 16)
    return figure.update_layout(margin={"t": 8, "b": 8})


@dataclass(frozen=True)
class _Place:
    """Where boxes stand: y in px, downwards; `lanes` gives the middle of each, `middle` that of the whole."""

    px: float
    lanes: dict[int, float]
    top: float
    middle: float
    end: float
    bottom: float

    @classmethod
    def of(cls, drawing: Sketch, px: float, top: float) -> "_Place":
        over = any(wire.way == "over" for wire in drawing.wires)
        under = any(wire.way == "under" for wire in drawing.wires)
        top += DETOUR_PX * over
        heights: dict[int, float] = {}
        for item in [*drawing.boxes, *(wire for wire in drawing.wires if wire.way == "lane")]:
            if item.lane is not None:
                heights[item.lane] = max(heights.get(item.lane, 0), item.channels * px)
        parallel = sum(heights.values()) + LABEL_PX * len(heights)
        spanning = [max(_all_widths(box)) * px + LABEL_PX for box in drawing.boxes if box.lane is None]
        height = max([parallel, *spanning])
        lanes, y = {}, top + (height - parallel) / 2
        for lane, own in sorted(heights.items()):
            lanes[lane] = y + LABEL_PX + own / 2
            y += LABEL_PX + own
        end = top + height
        return cls(px, lanes, top, top + (height + LABEL_PX) / 2, end, end + DETOUR_PX * under + 10)

    def y(self, lane: int | None) -> float:
        return self.middle if lane is None else self.lanes[lane]

    def span(self, lane: int | None, channels: int) -> tuple[float, float]:
        half = channels * self.px / 2
        return self.y(lane) - half, self.y(lane) + half


def _all_widths(box: SketchBox) -> list[int]:
    return [box.channels, *box.widths.values()]


def _title(figure: go.Figure, title: str, drawing: Sketch, top: float) -> None:
    text = f"<b>{title}</b>  {drawing.params:,} parameters"
    style = {"showarrow": False, "xanchor": "left", "yanchor": "top", "font": {"color": GREY, "size": 14}}
    figure.add_annotation(x=-0.08, y=top + 6, text=text, **style)


def _draw(figure: go.Figure, drawing: Sketch, place: _Place) -> None:
    boxes = {box.path: box for box in drawing.boxes}
    for wire in drawing.wires:
        if wire.way in ("over", "under"):
            _detour(figure, wire, boxes[wire.source], boxes[wire.target], place)
        else:
            _band(figure, wire, boxes, drawing.wires, place)
    for box in drawing.boxes:
        _box(figure, box, place)
    tops = [place.span(box.lane, max(_all_widths(box)))[0] for box in drawing.boxes]
    centres = [box.column + BOX_WIDTH / 2 for box in drawing.boxes]
    figure.add_scatter(
        x=centres,
        y=tops,
        mode="text",
        text=[f"{box.label} <b>{box.channels}</b>" for box in drawing.boxes],
        textposition="top center",
        textfont={"size": 11, "color": GREY},
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=centres,
        y=[place.y(box.lane) for box in drawing.boxes],
        mode="markers",
        marker={"size": 30, "opacity": 0, "color": [COLOURS[box.kind] for box in drawing.boxes]},
        text=[_story(box) for box in drawing.boxes],
        hovertemplate="%{text}<extra></extra>",
    )


def _box(figure: go.Figure, box: SketchBox, place: _Place) -> None:
    colour, left = COLOURS[box.kind], box.column
    y0, y1 = place.span(box.lane, max(_all_widths(box)))
    frame = {"color": colour, "width": 1.5}
    figure.add_shape(type="rect", name=box.path, x0=left, x1=left + BOX_WIDTH, y0=y0, y1=y1, line=frame)
    widths = list(box.widths.values())
    step = BOX_WIDTH / max(len(widths), 1)
    for index, width in enumerate(widths):
        bar0, bar1 = place.span(box.lane, width)
        x0 = left + index * step
        gap = 0.12 * step if len(widths) > 1 else 0
        fill = {"fillcolor": colour, "line_width": 0, "opacity": 0.75}
        figure.add_shape(type="rect", x0=x0 + gap, x1=x0 + step - gap, y0=bar0, y1=bar1, **fill)


def _band(
    figure: go.Figure, wire: SketchWire, boxes: Mapping[str, SketchBox], wires: Sequence[SketchWire], place: _Place
) -> None:
    """What flows from one box's right edge to its share of the next one's left edge."""
    source, target = boxes[wire.source], boxes[wire.target]
    x0, x1 = source.column + BOX_WIDTH, target.column
    bands = [other for other in wires if other.way in ("direct", "lane")]
    a0, a1 = _share(source, wire, [other for other in bands if other.source == wire.source], place)
    b0, b1 = _share(target, wire, [other for other in bands if other.target == wire.target], place)
    near = far = ""
    if wire.way == "lane":
        y0, y1 = place.span(wire.lane, wire.channels)
        left, right = x0 + (1 - BOX_WIDTH) / 2, x1 - (1 - BOX_WIDTH) / 2
        near, far = f"L {left} {y0} L {right} {y0} ", f"L {right} {y1} L {left} {y1} "
    path = f"M {x0} {a0} {near}L {x1} {b0} L {x1} {b1} {far}L {x0} {a1} Z"
    fill = {"fillcolor": GREY, "opacity": 0.25, "line_width": 0, "layer": "below"}
    figure.add_shape(type="path", name=f"{wire.source} → {wire.target}", path=path, **fill)


def _share(box: SketchBox, wire: SketchWire, wires: Sequence[SketchWire], place: _Place) -> tuple[float, float]:
    """The part of a box's edge that is this wire's: its channels among all that arrive or leave, from the top."""
    y0, y1 = place.span(box.lane, box.channels)
    order = sorted(wires, key=lambda other: other.way != "lane")
    total = sum(other.channels for other in order)
    before = sum(other.channels for other in order[: order.index(wire)])
    if not total:
        return y0, y1
    return y0 + (y1 - y0) * before / total, y0 + (y1 - y0) * (before + wire.channels) / total


def _detour(figure: go.Figure, wire: SketchWire, source: SketchBox, target: SketchBox, place: _Place) -> None:
    """Out of the source's middle, around everything, into the target."""
    x0, x1 = source.column + BOX_WIDTH + 0.08, target.column + BOX_WIDTH / 2
    if wire.way == "over":
        clear = place.top - DETOUR_PX / 2
        enters = place.span(target.lane, target.channels)[0] - LABEL_PX
    else:
        clear = place.end + DETOUR_PX / 2
        enters = place.span(target.lane, target.channels)[1]
    path = f"M {x0} {place.y(source.lane)} L {x0} {clear} L {x1} {clear} L {x1} {enters}"
    line = {"color": GREY, "width": 1.5, "dash": "dot"}
    figure.add_shape(type="path", name=f"{wire.source} → {wire.target}", path=path, line=line)


def _story(box: SketchBox) -> str:
    inside = "<br>".join(f"{path}: {width}" for path, width in box.widths.items())
    more = f"<br>output channels inside<br>{inside}" if len(box.widths) > 1 else ""
    return f"<b>{box.path}</b><br>{box.channels} channels out<br>{box.params:,} parameters{more}"
