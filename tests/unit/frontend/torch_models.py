"""The zoo's architectures in plain torch, and a transformer block; of any size."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

# Sandler et al., "MobileNetV2", arXiv 1801.04381, table 2: expansion, channels, repeats, stride of the first.
MOBILENET_V2 = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def conv(
    inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1, act: type[nn.Module] | None = None
):
    parts = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*parts, *([act()] if act else []))


class SqueezeExcite(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.reduce, self.expand = nn.Conv2d(channels, width, 1), nn.Conv2d(width, channels, 1)

    def forward(self, x):
        return x * torch.sigmoid(self.expand(F.silu(self.reduce(x.mean((2, 3), keepdim=True)))))


class InvertedResidual(nn.Module):
    def __init__(self, inputs, outputs, expansion, stride, kernel=3, act=nn.ReLU6, squeeze=0) -> None:
        super().__init__()
        hidden = inputs * expansion
        parts = [conv(inputs, hidden, act=act)] if expansion > 1 else []
        parts.append(conv(hidden, hidden, kernel, stride, hidden, act))
        if squeeze:
            parts.append(SqueezeExcite(hidden, squeeze))
        self.body = nn.Sequential(*parts, conv(hidden, outputs))
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x):
        return x + self.body(x) if self.residual else self.body(x)


class MobileNetV2(nn.Module):
    def __init__(self, rows=MOBILENET_V2, stem: int = 32, head: int = 1280, classes: int = 1000) -> None:
        super().__init__()
        self.stem, blocks, channels = conv(3, stem, 3, 2, act=nn.ReLU6), [], stem
        for expansion, outputs, repeats, stride in rows:
            for index in range(repeats):
                blocks.append(InvertedResidual(channels, outputs, expansion, stride if index == 0 else 1))
                channels = outputs
        self.blocks, self.head = nn.Sequential(*blocks), conv(channels, head, act=nn.ReLU6)
        self.dropout, self.fc = nn.Dropout(0.2), nn.Linear(head, classes)

    def forward(self, x):
        return self.fc(self.dropout(self.head(self.blocks(self.stem(x))).mean((2, 3))))


class Bottleneck(nn.Module):
    """He et al., arXiv 1512.03385, figure 5, with a projection beside it."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.reduce, self.conv = conv(inputs, width, act=nn.ReLU), conv(width, width, 3, stride, act=nn.ReLU)
        self.expand, self.project = conv(width, 4 * width), conv(inputs, 4 * width, stride=stride)

    def forward(self, x):
        return F.relu(self.expand(self.conv(self.reduce(x))) + self.project(x))


class Transformer(nn.Module):
    """A block that normalizes first: attention and an MLP, both with residuals."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.norm1, self.norm2 = heads, nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x):
        batch, tokens, width = x.shape
        qkv = self.qkv(self.norm1(x)).reshape(batch, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        found = F.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2])
        x = x + self.out(found.transpose(1, 2).reshape(batch, tokens, width))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


def settled(module: nn.Module, seed: int = 0) -> nn.Module:
    """In evaluation mode, with statistics as a trained network has them: none 0, none 1."""
    made = torch.Generator().manual_seed(seed)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.copy_(torch.randn(part.num_features, generator=made) * 0.1)
            part.running_var.copy_(torch.rand(part.num_features, generator=made) + 0.5)
    return module.eval()


def small(name: str) -> tuple[nn.Module, torch.Tensor, set[str]]:
    """A small network, an input, and the names of all its products."""
    torch.manual_seed(0)
    if name == "mobilenet":
        rows = ((1, 8, 1, 1), (4, 12, 2, 2))
        module: nn.Module = MobileNetV2(rows, stem=8, head=24, classes=10)
        names = {"stem.0", "blocks.0.body.1.0", "head.0", "fc"}
        names |= {f"blocks.{block}.body.{part}.0" for block in (1, 2) for part in (0, 2)}
        x = torch.randn(2, 3, 16, 16)
    elif name == "resnet":
        module, x = nn.Sequential(Bottleneck(8, 4, 2), Bottleneck(16, 4, 1)), torch.randn(1, 8, 8, 8)
        names = {f"{block}.{part}.0" for block in (0, 1) for part in ("reduce", "conv", "expand", "project")}
    elif name == "efficientnet":
        module, x = InvertedResidual(8, 8, 3, 1, 5, nn.SiLU, 4), torch.randn(1, 8, 8, 8)
        names = {"body.0.0", "body.2.reduce", "body.2.expand", "body.3.0"}
    else:
        module, x = Transformer(32, 4), torch.randn(2, 6, 32)
        names = {"qkv", "out", "up", "down"}
    return settled(module), x, names


SMALL = ("mobilenet", "resnet", "efficientnet", "transformer")
