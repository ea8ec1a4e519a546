"""Inference: predictors, test-time transforms and refinement, and the simulated user."""

from isegm.inference import brs  # noqa: F401  (registers the refinement modes)
