"""One predictor for all networks, its test-time transforms, and the simulated user."""

from isegm.inference import brs  # noqa: F401  (registers the refinement modes)
