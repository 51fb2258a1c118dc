"""The published speedups in their own setting: with their mapping within a tenth; with ours above what is required.

PIMFlow (CGO 2023): MobileNetV2, convolutions 1.365 (each layer where it is faster), 1.413 (in stages), 1.436 (divided), 1.481
(both), the whole network 1.38. Between theirs and ours stands the model of the GPU, which is fitted to one total.
"""

from __future__ import annotations

import pytest

from nearbank.reproduce import reproduce


def test_pimflow_in_its_own_setting():
    rows = list(reproduce("pimflow", batches=(1,), only=("theirs",)))
    published = [row for row in rows if row.published]
    assert [row.published for row in published] == [1.365, 1.413, 1.436, 1.481, 1.38]
    for row in published:
        assert row.ours == pytest.approx(row.published, rel=0.1), (row.policy, row.scope)
        assert row.ours <= row.bound
    by_policy = {row.policy: row.ours for row in published if row.scope == "convolutions"}
    assert by_policy["auto"] >= max(by_policy.values())


def test_pimflow_setting_with_our_compiler():
    rows = {row.scope: row for row in reproduce("pimflow", batches=(1,), only=("theirs, our compiler",))}
    assert rows["pointwise"].ours >= 3
    assert rows["model"].ours >= 2


def test_pimflow_setting_with_depthwise_layers_in_memory():
    only = ("theirs, our compiler, depthwise too",)
    rows = {row.scope: row for row in reproduce("pimflow", batches=(1,), only=only)}
    assert rows["convolutions"].ours >= 2.5
