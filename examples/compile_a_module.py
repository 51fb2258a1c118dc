"""A torch module through a plan, on its own and under torch.compile."""

import torch
from torch import nn

import nearbank as nb

torch.manual_seed(0)
module = nn.Sequential(
    nn.Conv2d(16, 64, 1), nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)
).eval()
x = torch.randn(1, 16, 14, 14)

compiled = nb.compile(module, (x,), policy="pim")
with torch.no_grad():
    y = compiled(x)  # as module(x), through the memory
print(compiled.report((x,)))  # compares with eager torch

fast = torch.compile(module, backend="nearbank", options={"policy": "pim", "check": True})
with torch.no_grad():
    fast(x)
for region in nb.regions():  # a region for every graph that torch finds
    print(region.plan.offloaded, dict(region.fallbacks))
