"""`nearbank.compile`: the module's outputs through a plan, in the form that the module gives them."""

from __future__ import annotations

import logging

import pytest
import torch
from torch import nn
from torch_models import SMALL, Bottleneck, MobileNetV2, conv, settled, small

import nearbank as nb
from nearbank import zoo
from nearbank.errors import InputError, ModelError

# One rounding to float16 is off by at most 2**-11. Both operands of every product are rounded, and results at each read.
ROUNDING = 3 * 2.0**-11


def pim(module: nn.Module, *args: object, **options: object):
    return nb.compile(module, args, policy="pim", **options)


def relative(ours: torch.Tensor, eager: torch.Tensor) -> float:
    return float((ours.double() - eager.double()).norm() / eager.double().norm())


@pytest.mark.parametrize("name", SMALL)
def test_architectures(name: str) -> None:
    module, x, products = small(name)
    compiled = pim(module, x)
    with torch.no_grad():
        ours, eager = compiled(x), module(x)
    assert set(compiled.plan.offloaded) == products
    assert 0 < relative(ours, eager) < ROUNDING * len(products)
    assert (ours.shape, ours.dtype, ours.stride()) == (eager.shape, eager.dtype, eager.stride())
    assert not compiled.fallbacks
    error = compiled.report(x).errors[0]
    assert error.relative_l2_error == pytest.approx(relative(ours, eager), rel=1e-6)
    assert error.max_abs_error == pytest.approx(float((ours - eager).abs().max()), rel=1e-6)


def test_the_whole_mobilenet_is_the_zoo_s():
    torch.manual_seed(0)
    module, x = settled(MobileNetV2()), torch.randn(1, 3, 224, 224)
    compiled = pim(module, x, mapping="resident")
    graph = nb.load(zoo.build("mobilenet-v2", weights="random"), name="mobilenet-v2")
    plan = nb.make_plan(graph, nb.device("newton-gddr6"), nb.gpu("h200"), policy="pim", mapping="resident")

    def rows(work):
        return [(w.kind, w.pixels, w.in_channels, w.out_channels, w.activation) for w in work]

    assert rows(compiled.plan.graph.work) == rows(graph.work)
    assert len(compiled.plan.offloaded) == len(graph.work) == 36
    assert compiled.plan.planned_us == pytest.approx(plan.planned_us, rel=1e-9)
    assert compiled.plan.gpu_only_us == pytest.approx(plan.gpu_only_us, rel=1e-9)
    error = compiled.report(x).errors[0]
    assert 0 < error.relative_l2_error < ROUNDING * 36


def test_what_stays_on_the_gpu_is_exact_and_said_so():
    x = torch.randn(2, 3, 5, 5)
    compiled = pim(nn.Sequential(nn.ReLU(), nn.MaxPool2d(2)).eval(), x)
    assert compiled.plan.offloaded == ()
    with torch.no_grad():
        assert torch.equal(compiled(x), compiled.module(x))
    report = compiled.report()
    assert (report.calls, report.errors, dict(report.fallbacks)) == (1, None, {})
    assert "0 of 2 layers in memory" in str(report)
    assert "not compared with eager torch" in str(report)


def test_the_report_says_it_all():
    x = torch.randn(2, 8)
    compiled = pim(nn.Sequential(nn.Linear(8, 4)).eval(), x, check=True)
    assert compiled.report().errors is None
    with torch.no_grad():
        compiled(x)
    compiled(x)
    report = compiled.report()
    assert (report.calls, list(report.fallbacks.values())) == (1, [1])
    text = str(report)
    error = report.errors[0].relative_l2_error
    words = [
        "newton-gddr6 (16 of 32 channels",
        "h200",
        "policy pim",
        "speedup",
        "1 of 1 layers in memory: 0",
        "requires grad",
    ]
    for word in (*words, f"relative L2 error {error:.3g}", "1 calls through the plan, 1 by torch"):
        assert word in text


def test_a_wrong_plan_shows_in_the_error(monkeypatch):
    x = torch.randn(2, 8)
    compiled = pim(nn.Linear(8, 4).eval(), x)
    run = compiled._planned.run
    monkeypatch.setattr(compiled._planned, "run", lambda args, kwargs: run(args, kwargs) * 1.5)
    assert compiled.report(x).errors[0].relative_l2_error == pytest.approx(0.5, rel=1e-2)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_comes_back_as_it_went_in(dtype: torch.dtype) -> None:
    module, x, _ = small("efficientnet")
    module, x = module.to(dtype), x.to(dtype)
    compiled = pim(module, x)
    with torch.no_grad():
        ours, eager = compiled(x), module(x)
    assert ours.dtype == eager.dtype == dtype
    # Eager torch rounds after every operator, to 8 bits in bfloat16: its own error is what is seen.
    assert relative(ours, eager) < (0.005 if dtype == torch.float16 else 0.03)
    assert compiled.report(x).errors[0].dtype == str(dtype).removeprefix("torch.")
    with torch.no_grad():
        assert compiled(x.float().to(dtype)).dtype == dtype
        with pytest.raises(RuntimeError, match="type"):  # what the module itself says to inputs of another type
            compiled(x.float())
    assert list(compiled.fallbacks) == [f"input 0 has dtype torch.float32, compiled for {dtype}"]


def test_memory_formats_are_torch_s_own():
    module, x = settled(nn.Sequential(Bottleneck(8, 4, 2))), torch.randn(2, 8, 6, 6)
    last = x.to(memory_format=torch.channels_last)
    compiled = pim(module, x)
    with torch.no_grad():
        for value in (x, last, x):
            ours, eager = compiled(value), module(value)
            assert ours.stride() == eager.stride()
            assert relative(ours, eager) < 4 * ROUNDING
        assert compiled(last).is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(compiled(last), compiled(x))
    assert not compiled.fallbacks


def test_training_and_gradients_are_torch_s(caplog):
    module, x = settled(conv(4, 8, act=nn.ReLU)), torch.randn(2, 4, 3, 3)
    compiled = pim(module, x)
    with caplog.at_level(logging.WARNING, "nearbank.frontend"):
        for _ in range(2):
            compiled(x).sum().backward()
    assert module[0].weight.grad is not None
    (reason,) = compiled.fallbacks
    assert "requires grad" in reason
    assert compiled.fallbacks[reason] == 2
    assert len([record for record in caplog.records if record.name == "nearbank.frontend"]) == 1
    assert reason in caplog.text
    before = module[1].num_batches_tracked.clone()
    module.train()
    with torch.no_grad():
        compiled(x)
    assert compiled.fallbacks["training mode"] == 1
    assert module[1].num_batches_tracked == before + 1
    with pytest.raises(InputError, match="training mode"):
        pim(module, x)
    with pytest.raises(InputError, match="nothing to compare: training mode"):
        compiled.report(x)


def test_inputs_that_require_grad_and_inference_mode():
    layer, x = nn.Linear(8, 4).eval().requires_grad_(False), torch.randn(2, 8)
    compiled = pim(layer, x)
    assert not compiled(x).requires_grad
    assert not compiled.fallbacks
    assert compiled(x.clone().requires_grad_()).requires_grad
    assert "input 0 requires grad" in next(iter(compiled.fallbacks))
    with torch.inference_mode():
        assert compiled(x.clone()).is_inference()
        assert pim(layer, torch.randn(2, 8)).report(torch.randn(2, 8)).errors
    assert sum(compiled.fallbacks.values()) == 1


def test_autocast_and_other_batches_are_torch_s():
    layer, x = nn.Linear(8, 4).eval().requires_grad_(False), torch.randn(2, 8)
    compiled = pim(layer, x)
    with torch.autocast("cpu", torch.bfloat16):
        assert compiled(x).dtype == torch.bfloat16
    assert compiled(x[:1]).shape == (1, 4)
    assert "autocast is on, which changes types on the way" in compiled.fallbacks
    assert "input 0 has shape (1, 8), compiled for (2, 8)" in compiled.fallbacks


def test_changed_weights_are_not_mistaken_for_the_old():
    layer, x = nn.Linear(8, 4).eval(), torch.randn(2, 8)
    compiled = pim(layer, x)
    with torch.no_grad():
        layer.weight.data.mul_(-1)  # behind autograd's back: no version counter moves
        assert torch.equal(compiled(x), layer(x))
        assert list(compiled.fallbacks) == ["the weights have changed since it was compiled; compile it again"]
        layer.weight.data.mul_(-1)
        compiled(x)
    assert sum(compiled.fallbacks.values()) == 1


class Everything(nn.Module):
    """Structures in and out: names, constants, one result twice, an input, a buffer, nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(8, 4)
        self.register_buffer("table", torch.arange(3))

    def forward(self, x, *, scale: int = 1, bias=None):
        y = self.fc(x) * scale
        return {"y": y, "again": [y, x], "bias": bias, "table": self.table, "largest": y.argmax(-1)}


def test_structures():
    module, x = Everything().eval(), torch.randn(2, 8)
    compiled = nb.compile(module, x, {"scale": 3}, policy="pim")
    with torch.no_grad():
        ours, eager = compiled(x, scale=3), module(x, scale=3)
        assert list(ours) == list(eager)
        assert relative(ours["y"], eager["y"]) < ROUNDING
        assert torch.equal(ours["again"][0], ours["y"])
        assert ours["again"][1] is x
        assert ours["bias"] is None
        assert torch.equal(ours["table"], eager["table"])
        assert torch.equal(ours["largest"], eager["largest"])
        compiled(x, scale=2)
        compiled(x)
    assert "input 1 has value 2, compiled for 3" in compiled.fallbacks
    assert "arguments of another structure than compiled for" in compiled.fallbacks


class Lambda(nn.Module):
    def __init__(self, function) -> None:
        super().__init__()
        self.function, self.fc = function, nn.Linear(8, 4)
        self.register_buffer("count", torch.zeros(()))

    def forward(self, x):
        return self.function(self, x)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda m, x: m.fc(x) + m.count.add_(1), "it changes 'count' in place"),
        (lambda m, x: m.fc(x.add_(1)), "it changes 'x' in place"),
        (lambda m, x: m.fc(x) + torch.rand(4), "random numbers: aten.rand"),
        (lambda m, x: nn.functional.dropout(m.fc(x), 0.5, True), "training mode: aten.dropout"),
        (lambda m, x: m.fc(x) if x.sum() > 0 else x, "torch.export failed"),
        (lambda m, x: torch.linalg.svdvals(m.fc(x)), "translating to ONNX failed"),
        (lambda m, x: (m.fc(x), 3), "output is no tensor; got 3"),
    ],
)
def test_what_is_no_pure_function_is_refused(function, words: str, capsys) -> None:
    x = torch.randn(2, 8)
    with pytest.raises(ModelError) as refused:
        pim(Lambda(function).eval(), x)
    assert words in str(refused.value)
    assert str(refused.value).startswith("Lambda")
    assert "\n" not in str(refused.value)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"polcy": "pim"}, "unknown option; got 'polcy'; did you mean policy"),
        ({"channels": "16"}, "option 'channels'; got '16'; must be a whole number"),
        ({"channels": True}, "option 'channels'; got True; must be a whole number"),
        ({"check": 1}, "option 'check'; got 1; must be True or False"),
        ({"gpu": 3}, "option 'gpu'; got 3"),
        ({"policy": "pin"}, "unknown policy; got 'pin'"),
        ({"channels": 33}, "channels; got 33; must be 1 to 32"),
    ],
)
def test_options_are_checked(options: dict[str, object], words: str) -> None:
    with pytest.raises(InputError) as refused:
        nb.compile(nn.Linear(8, 4).eval(), torch.randn(2, 8), **options)
    assert words in str(refused.value)


def test_a_system_of_one_s_own():
    unit, gpu = nb.device("newton-hbm2"), nb.gpu("rtx2060")
    compiled = nb.compile(nn.Linear(8, 4).eval(), torch.randn(2, 8), device=unit, gpu=gpu, channels=4, launch_us=2)
    system = compiled.plan.system
    assert (system.device, system.gpu, system.channels, system.launch_us) == ("newton-hbm2", "rtx2060", 4, 2)


def test_a_function_is_no_module():
    with pytest.raises(
        InputError, match=r"got 'function'; must be a torch.nn.Module; of a function, torch.compile takes backend="
    ):
        nb.compile(lambda x: x, torch.ones(1))


class _Branches(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if x.sum().item() > 0 else -x


def test_what_cannot_be_exported_is_one_error_and_no_graph_on_the_terminal(capfd):
    with pytest.raises(ModelError, match=r"torch.export failed: Could not guard on data-dependent expression"):
        nb.compile(_Branches().eval(), torch.ones(3))
    assert capfd.readouterr() == ("", "")
