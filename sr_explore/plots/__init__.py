"""Records and pictures to plotly figures and tables. Draws what it is given: it never computes and knows no torch."""

from sr_explore.plots.budget import budget_plot, budget_table
from sr_explore.plots.costs import cost_map
from sr_explore.plots.curves import live_curve, ratio_curves
from sr_explore.plots.equivalence import equivalence_plot
from sr_explore.plots.family import family_plot, family_table
from sr_explore.plots.features import channel_slider, match_plot
from sr_explore.plots.files import save_figure
from sr_explore.plots.journey import journey_plot, step_names
from sr_explore.plots.kernels import field_maps, kernel_maps, tap_maps
from sr_explore.plots.latency import Crossover, crossovers, latency_plot, verdict
from sr_explore.plots.layers import layer_bars, run_bars
from sr_explore.plots.lineage import lineages, run_lineages
from sr_explore.plots.network import network_plot
from sr_explore.plots.pictures import data_uri, file_grid, picture_grid
from sr_explore.plots.profile import conv_steps_plot, profile_bars
from sr_explore.plots.pruning import pruning_bars
from sr_explore.plots.sensitivity import order_plot, sensitivity_bars, sensitivity_table
from sr_explore.plots.tables import Table, step_table

__all__ = [
    "Crossover",
    "Table",
    "budget_plot",
    "budget_table",
    "channel_slider",
    "conv_steps_plot",
    "cost_map",
    "crossovers",
    "data_uri",
    "equivalence_plot",
    "family_plot",
    "family_table",
    "field_maps",
    "file_grid",
    "journey_plot",
    "kernel_maps",
    "latency_plot",
    "layer_bars",
    "lineages",
    "live_curve",
    "match_plot",
    "network_plot",
    "order_plot",
    "picture_grid",
    "profile_bars",
    "pruning_bars",
    "ratio_curves",
    "run_bars",
    "run_lineages",
    "save_figure",
    "sensitivity_bars",
    "sensitivity_table",
    "step_names",
    "step_table",
    "tap_maps",
    "verdict",
]
