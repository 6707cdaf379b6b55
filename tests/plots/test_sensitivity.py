from typing import Any

from sr_explore.plots import order_plot, sensitivity_bars, sensitivity_table
from sr_explore.records import KernelOrder, KernelSensitivity, KernelStep, SensitivityRecord


def record(reconstructed: bool = True) -> SensitivityRecord:
    rows = (
        KernelSensitivity("head", 0.5, 4.0, 2.0 if reconstructed else None, 100, 250),
        KernelSensitivity("tail.smooth", 0.25, 1.0, 3.0 if reconstructed else None, 200, 500),
    )
    return SensitivityRecord(31.5, 1000, (20, 20), "centre", rows)


def traces(figure: Any) -> dict[str, Any]:
    return {trace.name: trace for trace in figure.data}


def test_two_bars_a_layer():
    bars = traces(sensitivity_bars(record()))
    assert {name: tuple(bar.y) for name, bar in bars.items()} == {"at once": (4.0, 1.0), "reconstructed": (2.0, 3.0)}
    assert tuple(bars["at once"].x) == ("head", "tail.smooth")
    assert "50% of the response" in bars["at once"].customdata[0]
    assert "50.0% of the multiply-adds" in bars["at once"].customdata[1]


def test_without_reconstruction_one_bar_a_layer():
    figure: Any = sensitivity_bars(record(reconstructed=False), log=False)
    assert list(traces(figure)) == ["at once"]
    assert figure.layout.yaxis.type == "linear"


def test_the_table_begins_with_what_costs_least():
    assert [row[0] for row in sensitivity_table(record()).rows] == ["head", "tail.smooth"]
    bare = sensitivity_table(record(reconstructed=False))
    assert bare.rows[0] == ("tail.smooth", "25%", "1.000", "–", "200", "50.0%")


def test_an_order_is_a_line_over_the_multiply_adds_left():
    steps = (KernelStep("head", 29.0, 31.0, 900), KernelStep("tail.smooth", 20.0, 30.0, 500))
    lines = traces(order_plot({"anew": KernelOrder(True, 32.0, 1000, steps)}))
    assert tuple(lines["anew"].x) == (1.0, 0.9, 0.5)
    assert tuple(lines["anew"].y) == (32.0, 31.0, 30.0)
    assert tuple(lines["anew"].customdata) == ("as it was", "head", "tail.smooth")
    raw = KernelOrder(False, 32.0, 1000, tuple(KernelStep(s.path, s.psnr_db, None, s.macs) for s in steps))
    assert tuple(traces(order_plot({"once": raw}))["once"].y) == (32.0, 29.0, 20.0)
