"""A product on AiM from the command line: bias and activation in memory, and its trace of host instructions played again."""

from __future__ import annotations

import json

LAYER = ("layer", "--device", "aim-gddr6", "--pixels", 20, "--in-channels", 40, "--out-channels", 72)


def test_bias_and_function(nearbank, tmp_path):
    file = tmp_path / "layer.json"
    done = nearbank(*LAYER, "--bias", "--function", "hardswish", "--verify", "--json", file)
    assert done.status == 0
    assert "bias and hardswish in memory" in done.out
    assert "verified: 1,440 values bit-equal to the oracle" in done.out
    document = json.loads(file.read_text())
    assert (document["bias"], document["function"]) == (True, "hardswish")
    assert document["commands"]["AF16"] == document["commands"]["RDAF16"] == document["commands"]["WRMAC16"]


def test_the_trace_plays_to_the_same_clocks(nearbank, tmp_path):
    layer, traces = tmp_path / "layer.json", tmp_path / "traces.json"
    off = ("--option", "refresh=off")
    wrote = nearbank(*LAYER, *off, "--mapping", "host", "--emit", tmp_path / "out", "--format", "aim", "--json", layer)
    assert wrote.status == 0
    file = tmp_path / "out" / "program.aim"
    assert file.read_text().splitlines()[0] == "AiM WR_GB 3 0 0xf8000000"
    assert nearbank("simulate", file, "--device", "aim-gddr6", *off, "--json", traces).status == 0
    ours, played = json.loads(layer.read_text()), json.loads(traces.read_text())["traces"][0]
    assert played["commands"] == ours["commands"]
    # EOC is taken in the clock behind the last read's data, and done in the next.
    assert played["cycles"] == ours["cycles"] + 2


def test_what_is_refused(nearbank, tmp_path):
    out = tmp_path / "out"
    assert "must be host" in nearbank(*LAYER, "--emit", out, "--format", "aim").fails()
    assert "activation function; got 'swish'" in nearbank(*LAYER, "--function", "swish").fails()
    assert "leaves bias and activation to the host" in nearbank(*LAYER, "--bias", "--mapping", "serial").fails()
    assert not out.exists()
