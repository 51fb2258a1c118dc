"""Energy of plans against sums made by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.e2e.models import convolution, network

import nearbank as nb
from nearbank.devices import device
from nearbank.errors import DeviceError
from nearbank.plan import plan_energy
from nearbank.plan.energy import Traffic, traffic
from nearbank.sim.energy import Energy, energy, read_energy


def test_traffic_by_hand(tmp_path):
    # 3x3, stride 2, pads 1: 5 x 7 x 7 in, 6 x 4 x 4 out, 6 x 5 x 9 weights and 6 biases.
    graph = nb.load(convolution(tmp_path / "c.onnx", strides=(2, 2), pads=(1, 1, 1, 1)))
    assert traffic(graph, ("conv",)) == Traffic(270 + 6, 245, 96)
    # A pointwise convolution of stride 3 reads the pixels it uses: 3 x 3 of 7 x 7.
    graph = nb.load(convolution(tmp_path / "p.onnx", kernel=(1, 1), strides=(3, 3)))
    assert traffic(graph, ("conv",)) == Traffic(30 + 6, 5 * 9, 6 * 9)
    # What a fused kernel makes for itself moves nowhere: convolution and ReLU read 3 and write 8 channels of 36 pixels.
    graph = nb.load(network(tmp_path / "n.onnx"))
    assert traffic(graph, ("conv0", "relu0")) == Traffic(24 + 8, 108, 288)
    assert traffic(graph, ("conv0",)) == Traffic(24 + 8, 108, 288)


def test_groups_move_their_own_weights(tmp_path):
    path = convolution(tmp_path / "g.onnx", shape=(1, 12, 5, 5), out_channels=9, groups=3)
    for groups in ("gpu", "block-diagonal"):
        assert traffic(nb.load(path, groups=groups), ("conv",)) == Traffic(9 * 4 * 9 + 9, 300, 81)


def test_rows_and_sums(tmp_path):
    memory = device("newton-gddr6")
    graph = nb.load(network(tmp_path / "n.onnx", channels=(16, 32, 8)))
    plan = nb.make_plan(graph, memory, nb.gpu("h200"), policy="pim", channels=2, mapping="resident")
    spent = plan_energy(plan, memory)
    first = spent.layers[0]
    timed = nb.time_product(memory, nb.Product(36, 16, 32), 2, "resident")
    assert first.memory == energy(memory, timed.timing)
    # 36 x 16 in, 16 x 32 weights and 32 biases read, 36 x 32 written; 2 B each.
    assert first.bus == read_energy(memory, 2 * (36 * 16 + 16 * 32 + 32), write_bytes=2 * 36 * 32)
    assert first.bus_weights == read_energy(memory, 2 * (16 * 32 + 32))
    assert spent.memory == spent.layers[0].memory + spent.layers[1].memory
    assert spent.bus == spent.layers[0].bus + spent.layers[1].bus
    assert spent.gpu_bus == Energy()


def test_layers_on_the_gpu_have_the_bus_alone(tmp_path):
    memory = device("aim-gddr6")
    graph = nb.load(network(tmp_path / "n.onnx"))
    spent = plan_energy(nb.make_plan(graph, memory, nb.gpu("h200"), policy="gpu-only"), memory)
    assert spent.layers[0].memory is None
    assert (spent.memory, spent.bus) == (Energy(), Energy())
    assert spent.gpu_bus == spent.layers[0].bus
    with pytest.raises(DeviceError, match="no energy model"):
        plan_energy(nb.make_plan(graph, memory, nb.gpu("h200")), replace(memory, energy=()))
