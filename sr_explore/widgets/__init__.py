"""Things to drag in a notebook: the only door to ipywidgets. They show what sessions compute and compute nothing."""

from sr_explore.widgets.comparer import Comparer
from sr_explore.widgets.pruning_explorer import PruningExplorer

__all__ = ["Comparer", "PruningExplorer"]
