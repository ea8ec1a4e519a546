"""One predictor for all networks, its test-time transforms, and the simulated user."""
