"""What tests of the engine share."""

import pytest
import torch


@pytest.fixture
def batch():
    """Four samples with one box as the object, and one positive click each."""
    labels = torch.zeros(4, 1, 16, 20)
    labels[:, :, 4:12, 5:15] = 1
    points = torch.full((4, 8, 3), -1.0)
    points[:, 0] = torch.tensor([8.0, 10.0, 100.0])
    return {"images": torch.rand(4, 3, 16, 20), "instances": labels, "points": points}
