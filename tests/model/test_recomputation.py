"""Activations that are computed again: the same gradients and statistics, in less memory."""

import copy

import pytest
import torch

from isegm.model import build_model
from isegm.model.backbones.mobile_blocks import InvertedResidual
from isegm.model.recomputation import always_recompute, set_recomputation

IMAGE = torch.rand(2, 4, 64, 64, generator=torch.Generator().manual_seed(0))
POINTS = torch.tensor([[[20.0, 30.0, 0.0], [-1.0, -1.0, -1.0]]]).expand(2, -1, -1).contiguous()


def trained(network, recompute):
    """A copy of a network after two passes with gradients: its gradients and buffers, and the bytes kept meanwhile."""
    network = copy.deepcopy(network).train()
    set_recomputation(network, recompute)
    kept = {}

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    for seed in range(2):
        torch.manual_seed(seed)  # of dropout
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            outputs = network(IMAGE, POINTS)
        (outputs["instances"].square().mean() + outputs["instances_aux"].square().mean()).backward()
    gradients = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    return gradients, dict(network.named_buffers()), sum(kept.values())


@pytest.mark.parametrize(
    ("name", "synchronised"),
    [("clickseg_mobilenetv2", False), ("clickseg_mobilenetv2", True), ("clickseg_efficientnetb0", False)],
)
def test_recomputed_activations_give_the_same_gradients_and_statistics(name, synchronised):
    torch.manual_seed(0)
    network = build_model(name)
    if synchronised:
        network = torch.nn.SyncBatchNorm.convert_sync_batchnorm(network)
    assert any(isinstance(module, InvertedResidual) for module in network.modules())
    kept, again = trained(network, False), trained(network, True)
    for mine, other in zip(kept[:2], again[:2], strict=True):
        assert mine.keys() == other.keys()
        for key in mine:
            assert torch.equal(mine[key], other[key]), key
    assert again[2] < 0.6 * kept[2]


def test_predictions_do_not_change():
    network = build_model("clickseg_mobilenetv2").eval()
    with torch.no_grad():
        expected = network(IMAGE, POINTS)["instances"]
        set_recomputation(network, True)
        assert torch.equal(network(IMAGE, POINTS)["instances"], expected)


def test_what_always_recomputes_does_so_whatever_is_set_later():
    network = build_model("clickseg_mobilenetv2")
    plain = trained(network, False)
    assert always_recompute(network)
    again = trained(network, False)
    assert again[2] < 0.6 * plain[2]
    assert all(torch.equal(value, again[0][name]) for name, value in plain[0].items())
    assert not always_recompute(torch.nn.Linear(2, 2))


def test_a_compiled_network_keeps_its_activations():
    block = InvertedResidual(4, 4, 2, stride=1, dilation=1).train()
    set_recomputation(block, True)
    compiled, x = torch.compile(copy.deepcopy(block), backend="aot_eager"), torch.rand(2, 4, 8, 8)
    torch.testing.assert_close(compiled(x), block(x))
