"""Training: data, loop, checkpoints. Recipes are put together one level up, in `sr_explore.recipes`."""

from sr_explore.training.checkpoint import Progress
from sr_explore.training.data import Patches, TrainingPhoto, add_teacher, load_training_photos
from sr_explore.training.features import FeatureMatching
from sr_explore.training.loop import Trainer
from sr_explore.training.recipe import RECIPES, Phase, Recipe, read_recipe, read_recipes, with_batches
from sr_explore.training.settings import TrainSettings

__all__ = [
    "RECIPES",
    "FeatureMatching",
    "Patches",
    "Phase",
    "Progress",
    "Recipe",
    "TrainSettings",
    "Trainer",
    "TrainingPhoto",
    "add_teacher",
    "load_training_photos",
    "read_recipe",
    "read_recipes",
    "with_batches",
]
