"""Records and pictures to plotly figures and tables. Draws what it is given: it never computes and knows no torch."""

from sr_explore.plots.curves import live_curve, ratio_curves
from sr_explore.plots.equivalence import equivalence_plot
from sr_explore.plots.family import family_plot, family_table
from sr_explore.plots.files import save_figure
from sr_explore.plots.journey import journey_plot, step_names
from sr_explore.plots.kernels import kernel_map
from sr_explore.plots.latency import Crossover, crossovers, latency_plot
from sr_explore.plots.layers import layer_bars, lineages
from sr_explore.plots.network import network_plot
from sr_explore.plots.pictures import data_uri, picture_grid
from sr_explore.plots.tables import Table, step_table

__all__ = [
    "Crossover",
    "Table",
    "crossovers",
    "data_uri",
    "equivalence_plot",
    "family_plot",
    "family_table",
    "journey_plot",
    "kernel_map",
    "latency_plot",
    "layer_bars",
    "lineages",
    "live_curve",
    "network_plot",
    "picture_grid",
    "ratio_curves",
    "save_figure",
    "step_names",
    "step_table",
]
