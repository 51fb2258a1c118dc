"""``torch.compile`` with the backend: every graph that torch finds through a plan of its own, or by torch with a reason."""

from __future__ import annotations

import logging
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import torch
from torch import nn
from torch_models import SMALL, conv, settled, small

import nearbank as nb
from nearbank.errors import InputError
from nearbank.frontend import backend, dynamo

ROUNDING = 3 * 2.0**-11
ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _fresh():
    """torch forgets what other tests compiled, and so do we: regions live as long as torch keeps them."""
    torch.compiler.reset()
    dynamo._REGIONS.clear()


def compiled(module: nn.Module, **options: object):
    return torch.compile(module, backend=backend, options={"policy": "pim", **options})


def relative(ours: torch.Tensor, eager: torch.Tensor) -> float:
    return float((ours.double() - eager.double()).norm() / eager.double().norm())


def test_the_entry_point_is_the_backend():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (name, value), *rest = project["entry-points"]["torch_dynamo_backends"].items()
    assert not rest
    assert name == "nearbank"
    assert EntryPoint(name, value, "torch_dynamo_backends").load() is backend


@pytest.mark.parametrize("name", SMALL)
def test_architectures(name: str) -> None:
    module, x, products = small(name)
    fast = compiled(module, check=True)
    with torch.no_grad():
        ours, eager = fast(x), module(x)
    (region,) = nb.regions()
    # Weights have the paths of the user's model, and so have the layers that they are in.
    assert set(region.plan.offloaded) == products
    assert 0 < relative(ours, eager) < ROUNDING * len(products)
    assert (ours.shape, ours.dtype, ours.stride()) == (eager.shape, eager.dtype, eager.stride())
    report = region.report()
    assert report.errors[0].relative_l2_error == pytest.approx(relative(ours, eager), rel=1e-6)
    assert (report.calls, dict(report.fallbacks), report.graph_break) == (1, {}, "")


class Broken(nn.Module):
    """Three graphs: torch cannot look behind a print of values, nor behind a branch on them."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 4)

    def forward(self, x):
        y = self.a(x)
        torch._dynamo.graph_break()
        y = self.b(y)
        return self.c(y) if y.sum() > -1e9 else y


def test_graph_breaks():
    module, x = Broken().eval(), torch.randn(2, 8)
    fast = compiled(module)
    with torch.no_grad():
        assert relative(fast(x), module(x)) < 3 * ROUNDING
    regions = nb.regions()
    assert [region.plan.offloaded for region in regions] == [("a",), ("b",), ("c",)]
    assert "torch._dynamo.graph_break()" in regions[0].graph_break
    assert "generic_jump" in regions[1].graph_break
    assert regions[2].graph_break == ""
    assert "torch broke the graph behind it: Call to" in str(regions[0].report())


def test_a_graph_that_cannot_be_translated_is_torch_s(caplog):
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(8, 8)

        def forward(self, x):
            return torch.linalg.svdvals(self.a(x))

    module, x = Odd().eval(), torch.randn(4, 8)
    fast = compiled(module)
    with caplog.at_level(logging.WARNING, "nearbank.frontend"), torch.no_grad():
        for _ in range(3):
            assert torch.equal(fast(x), module(x))
    (region,) = nb.regions()
    assert region.plan is None
    ((reason, count),) = region.fallbacks.items()
    assert "translating to ONNX failed: No ONNX function found" in reason
    assert count == 3
    assert len([r for r in caplog.records if r.name == "nearbank.frontend"]) == 1
    assert f"by torch, 3 times: {reason}" in str(region.report())


def test_training_is_torch_s():
    module, x = settled(conv(4, 8, act=nn.ReLU)), torch.randn(2, 4, 3, 3)
    fast = compiled(module.train())
    fast(x).sum().backward()
    assert module[0].weight.grad is not None
    with torch.no_grad():
        before = module[1].running_mean.clone()
        fast(x)
        assert not torch.equal(module[1].running_mean, before)
    reasons = [reason for region in nb.regions() for reason in region.fallbacks]
    assert "requires grad" in reasons[0]
    assert "training mode" in reasons[1]
    assert all(region.plan is None for region in nb.regions())
    module.eval()
    assert fast(x).requires_grad
    with torch.no_grad():
        assert relative(fast(x), module(x)) < ROUNDING
    assert nb.regions()[-1].plan is not None


def test_batches_dtypes_and_memory_formats():
    module, x, products = settled(conv(4, 8, 3, act=nn.ReLU)), torch.randn(1, 4, 5, 5), {"0"}
    fast = compiled(module)
    with torch.no_grad():
        for batch in (1, 2, 3, 2):  # from the second on, torch asks for a graph of any batch
            value = x.repeat(batch, 1, 1, 1)
            ours = fast(value)
            assert relative(ours, module(value)) < ROUNDING * len(products)
        last = x.to(memory_format=torch.channels_last)
        assert fast(last).stride() == module(last).stride()
        half = module.half()
        assert fast(x.half()).dtype == torch.float16
        assert relative(fast(x.half()), half(x.half())) < 0.005
    plans = [plan for region in nb.regions() for plan in region.plans]
    assert {plan.graph.batch for plan in plans} == {1, 2, 3}
    assert all(set(plan.offloaded) == products for plan in plans)
    assert not any(region.fallbacks for region in nb.regions())


def test_new_weights_make_a_new_plan(monkeypatch):
    monkeypatch.setattr(dynamo, "MAX_PLANS", 2)
    module, x = nn.Linear(8, 4).eval(), torch.randn(2, 8)
    fast = compiled(module)
    with torch.no_grad():
        for factor in (1, -1, 1, 1):
            module.weight.mul_(factor)
            assert relative(fast(x), module(x)) < ROUNDING
        (region,) = nb.regions()
        assert (len(region.plans), dict(region.fallbacks)) == (2, {})
        module.weight.mul_(3)
        assert torch.equal(fast(x), module(x))
    assert dict(region.fallbacks) == {"more than 2 sets of sizes and weights": 1}


def test_functions_have_no_weights():
    weight = nn.Parameter(torch.randn(4, 8), requires_grad=False)

    @torch.compile(backend=backend, options={"policy": "pim"})
    def product(x, other):
        return x @ weight.T + other, other

    x, other = torch.randn(2, 8), torch.randn(4)
    ours, same = product(x, other)
    assert relative(ours, x @ weight.T + other) < ROUNDING
    assert same is other
    assert len(nb.regions()[0].plan.offloaded) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"options": {"polcy": "pim"}}, "backend nearbank: unknown option; got 'polcy'; did you mean policy"),
        ({"options": {"channels": "16"}}, "option 'channels'; got '16'; must be a whole number"),
        ({"mode": "reduce-overhead"}, "mode of torch.compile; got 'reduce-overhead'; must be left out"),
    ],
)
def test_options_are_checked(arguments: dict[str, object], words: str) -> None:
    fast = torch.compile(nn.Linear(8, 4).eval(), backend=backend, **arguments)
    with pytest.raises(torch._dynamo.exc.BackendCompilerFailed) as refused:
        fast(torch.randn(2, 8))
    assert isinstance(refused.value.inner_exception, InputError)
    assert words in str(refused.value.inner_exception)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"policy": "pin"}, "unknown policy; got 'pin'"),
        ({"groups": "none"}, "groups; got 'none'"),
        ({"channels": 33}, "channels; got 33; must be 1 to 32"),
    ],
)
def test_values_that_do_not_exist_are_no_reason_to_fall_back(options: dict[str, object], words: str) -> None:
    fast = compiled(nn.Linear(8, 4).eval(), **options)
    with pytest.raises(InputError) as refused, torch.no_grad():
        fast(torch.randn(2, 8))
    assert words in str(refused.value)


def test_numbers_of_the_model_are_planned_with_when_sizes_are_dynamic():
    """Told to expect any size, torch passes a batch normalization's eps as a tensor."""
    module = settled(nn.Sequential(nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8), nn.ReLU()))
    fast = torch.compile(module, backend=backend, dynamic=True, options={"policy": "pim", "mapping": "resident"})
    with torch.no_grad():
        for batch in (2, 3):
            x = torch.randn(batch, 3, 6, 6)
            assert relative(fast(x), module(x)) < ROUNDING
    assert [dict(region.fallbacks) for region in nb.regions()] == [{}] * len(nb.regions())
    assert sum(region.report().calls for region in nb.regions()) == 2
