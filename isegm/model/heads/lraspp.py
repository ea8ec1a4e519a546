"""LR-ASPP, the head of light networks."""

from torch import Tensor, nn

from isegm.model.layers import composed, resize


class LRASPP(nn.Module):
    """Lite reduced atrous spatial pyramid pooling (Howard et al. 2019, figure 10), with a gate on a 2 x 2 grid."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.b0 = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True)
        )
        self.b1 = nn.Sequential(
            nn.AdaptiveAvgPool2d((2, 2)), nn.Conv2d(in_channels, out_channels, 1, bias=False), nn.Sigmoid()
        )

    def behind(self, projection: nn.Conv2d) -> None:
        """Read, for inference, the input of a 1x1 convolution instead of its output; BatchNorm is folded already."""
        for branch, position in ((self.b0, 0), (self.b1, 1)):
            conv = branch[position]
            assert isinstance(conv, nn.Conv2d)
            branch[position] = composed(projection, conv)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, out_channels, h, w) from ``x`` (B, in_channels, h, w)."""
        features = self.b0(x)  # (B, C, h, w)
        return features * resize(self.b1(x), features.shape[2:])
