"""Experiments: a script in ``models/`` declares a ``Recipe`` and hands it to ``train``; the rest is shared."""

from isegm.recipes.folder_data import FolderData
from isegm.recipes.training import Recipe, train

__all__ = ["FolderData", "Recipe", "train"]
