"""Records and pictures to plotly figures and tables. Draws what it is given: it never computes and knows no torch."""

from sr_explore.plots.equivalence import equivalence_plot
from sr_explore.plots.family import family_plot, family_table
from sr_explore.plots.files import save_figure
from sr_explore.plots.journey import journey_plot, step_names
from sr_explore.plots.layers import layer_bars, lineages
from sr_explore.plots.pictures import data_uri, picture_grid
from sr_explore.plots.tables import Table, step_table

__all__ = [
    "Table",
    "data_uri",
    "equivalence_plot",
    "family_plot",
    "family_table",
    "journey_plot",
    "layer_bars",
    "lineages",
    "picture_grid",
    "save_figure",
    "step_names",
    "step_table",
]
