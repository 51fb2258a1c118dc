import json
from importlib import resources

import pytest

from nearbank.devices.gpu import load_profile, load_spec, parse_profile, spec_names
from nearbank.devices.gpu.spec import parse_spec
from nearbank.errors import DeviceError
from nearbank.plan.gpu import gpu, gpu_names

CONV = {"op": "conv", "input": [1, 8, 4, 4], "output": [1, 8, 4, 4], "kernel": [3, 3], "stride": [1, 1]}


def small(**changes):
    table = {
        "about": "a test", "gpu": "none", "torch": "2", "fp16_tflops": 100.0, "copy_tb_s": 1.0, "empty_kernel_us": 1.0,
        "grid": [[16, 16, 16, 2.0, 3.0], [64, 16, 16, 4.0, 3.0]],
        "layers": {"net": {"1": [{**CONV, "groups": 1, "us": 5.0}]}},
        "ops": [["add", 1024, 1.5], ["dw", [1, 8, 4, 3, 1], 2.5], ["gap", [1, 8, 4], 3.5]],
    }  # fmt: skip
    table.update(changes)
    return json.dumps({k: v for k, v in table.items() if v is not None})


def test_a_users_profile_is_used(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(small(date="2026-01-02", driver="580", versions={"cudnn": "9"}))
    model = gpu(f"{path}:best")
    assert (model.name, model.date, model.versions) == (str(path), "2026-01-02", "torch 2, cudnn 9, driver 580")
    assert model.matmul_us(pixels=16, in_channels=16, out_channels=16) == 2.0
    assert model.matmul_us(pixels=64, in_channels=16, out_channels=16) == 3.0
    assert model.conv(1, 8, 8, 4, 4, 3).us == 5.0
    assert gpu(path).matmul_us(pixels=16, in_channels=16, out_channels=16) == 3.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"grdi": []}, "unknown key; got 'grdi'; did you mean grid"),
        ({"grid": None}, "missing key; got 'grid'"),
        ({"grid": []}, "grid: bad value .* at least one row"),
        ({"grid": [[16, 16, 16, 2.0]]}, r"grid\[0\].*us cuDNN"),
        ({"grid": [[16, 16, 16, 2.0, 0]]}, r"grid\[0\].*got 0; must be a positive number"),
        ({"grid": [[16, 16, 16, 2.0, float("nan")]]}, r"grid\[0\].*positive number"),
        ({"grid": [[16.5, 16, 16, 2.0, 2.0]]}, r"grid\[0\].*positive integer"),
        ({"grid": [[True, 16, 16, 2.0, 2.0]]}, r"grid\[0\].*positive integer"),
        ({"grid": [[16, 16, 16, 2.0, 2.0]] * 2}, "1 repeated points"),
        ({"grid": [[i, i, i, 2.0, 2.0] for i in range(1, 101)]}, "1000000 cells.*at most 100000"),
        ({"empty_kernel_us": -1}, "empty_kernel_us.*got -1"),
        ({"about": 3}, "about.*a text"),
        ({"ops": [["gap", 4, 1.0]]}, r"ops\[0\].*shape of 3 sizes"),
        ({"layers": []}, "layers.*object"),
        ({"layers": {"net": {"1": [{"op": "pool"}]}}}, r"net\.1\[0\].*'pool'.*conv or linear"),
        ({"layers": {"net": {"1": [{**CONV, "us": 1.0}]}}}, r"net\.1\[0\].*the keys"),
        ({"layers": {"net": {"1": [{**CONV, "groups": 3, "us": 1.0}]}}}, "divisor"),
        ({"layers": {"net": {"1": [{**CONV, "kernel": [1, 3], "groups": 1, "us": 1.0}]}}}, "square"),
        ({"whole_model_us": [1]}, "whole_model_us.*object"),
        ({"whole_model_us": {"net": {"batch 1": {"eager": 0}}}}, r"eager.*positive number"),
        ({"versions": "x"}, "versions.*object"),
        ({"power_w": [70]}, "power_w.*object"),
        ({"power_w": {"idle": "x"}}, "power_w.idle.*got .x.; must be a positive number"),
        ({"clocks_mhz": {"sm": 0}}, "clocks_mhz.sm.*positive number"),
        ({"layers": {"net": {"1": [{**CONV, "groups": 1, "us": 1.0, "cublas_us": 1.0}]}}}, "the keys"),
    ],
)
def test_a_bad_profile_says_where(changes, message):
    with pytest.raises(DeviceError, match=message):
        parse_profile("p.json", small(**changes))


@pytest.mark.parametrize("text", ["{", "[]", "3"])
def test_not_a_profile(text):
    with pytest.raises(DeviceError, match=r"p\.json"):
        parse_profile("p.json", text)


def test_names_and_near_matches(tmp_path):
    assert gpu_names() == ("h100", "h200", "h200-analytic", "rtx2060")
    with pytest.raises(DeviceError, match=r"did you mean.*rtx2060"):
        gpu("rtx2080")
    with pytest.raises(DeviceError, match=r"cannot read the GPU profile: No such file"):
        gpu(tmp_path / "none.json")
    with pytest.raises(DeviceError, match="unknown library"):
        gpu("h200", library="cublas")
    with pytest.raises(DeviceError, match="did you mean h200"):
        load_profile("h20")
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DeviceError, match="not a text file"):
        gpu(tmp_path / "bytes.json")


def spec_table():
    import tomllib

    text = resources.files("nearbank.devices.gpu").joinpath("rtx2060.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def test_every_number_of_an_analytic_gpu_has_a_source():
    for name in spec_names():
        spec = load_spec(name)
        assert all(spec.sources.values())
        assert len(spec.sources) == 27


@pytest.mark.parametrize(
    ("key", "entry", "message"),
    [
        ("sms", {"value": 0, "source": "x"}, "sms.*got 0; must be positive"),
        ("sms", {"value": 30}, "needs its source"),
        ("sms", 30, "needs its source"),
        ("split_clocks", {"value": -1, "source": "x"}, "at least 0"),
        ("k_step", {"value": 1.5, "source": "x"}, "an integer"),
        ("tiles", {"value": [], "source": "x"}, "list of positive integers"),
        ("smz", {"value": 1, "source": "x"}, "did you mean sms"),
    ],
)
def test_a_bad_analytic_gpu_says_where(key, entry, message):
    with pytest.raises(DeviceError, match=message):
        parse_spec("mine", {**spec_table(), key: entry})


def test_a_missing_number():
    table = spec_table()
    del table["sms"]
    with pytest.raises(DeviceError, match="missing key; got 'sms'"):
        parse_spec("mine", table)
    with pytest.raises(DeviceError, match="unknown analytic GPU"):
        load_spec("rtx2080")
