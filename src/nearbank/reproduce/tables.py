"""Published figures as data, and the settings in which nearbank answers them.

The published tables are ratios over a GPU alone, at batch 1 and in fp16. The settings go from theirs to an honest one, and nothing
in any of them is chosen per model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from nearbank import zoo
from nearbank.devices import device
from nearbank.errors import InputError, near_matches
from nearbank.graph import Graph, Groups, load
from nearbank.plan import board_energy, gpu, make_plan, plan_energy

__all__ = ["SUMMARIES", "TABLES", "Figure", "Row", "Setting", "reproduce", "settings"]


@dataclass(frozen=True)
class Figure:
    """A published speedup over the GPU alone: of a model under a policy, counted over a scope; and energy over that alone."""

    model: str
    policy: str
    scope: str
    published: float | None
    energy: float | None = None


@dataclass(frozen=True)
class Setting:
    """A system to plan for. ``policy`` is of every figure if not empty, else the figure's own; ``about`` says what is in it.
    ``free``: launches and joins take no time; ``charged``: adding partial sums, and finishing what the memory reads next, do."""

    name: str
    about: str
    device: str
    gpu: str = "rtx2060"
    mapping: str = "search"
    policy: str = "auto"
    free: bool = False
    charged: bool = True
    groups: Groups = "gpu"


@dataclass(frozen=True)
class Row:
    """``ours`` beside ``published`` (None where nothing is), both speedups over the GPU alone; no plan at all in this setting can
    be above ``bound``. ``energy``: of GPU board and memory over that of the board alone, None where the power is not known."""

    table: str
    model: str
    setting: str
    policy: str
    scope: str
    batch: int
    published: float | None
    ours: float
    bound: float
    gpu_us: float
    planned_us: float
    energy: float | None = None
    energy_published: float | None = None


_MOBILE = ("mobilenet-v2", "mnasnet-1.0", "efficientnet-b0")
_LETTER = "IEEE CAL 21(2), 2022: 31.6 % faster on average, 35.2 % at most"
_PIMFLOW = "PIMFlow, CGO 2023; the paper's one figure of energy, -26 %, stands beside the whole network"

TABLES: Mapping[str, tuple[str, tuple[Figure, ...]]] = {
    "cal2022": (
        f"pointwise layers of mobile networks ({_LETTER})",
        tuple(Figure(model, "newton+", "pointwise", None) for model in _MOBILE),
    ),
    "pimflow": (
        f"MobileNetV2, convolutions by policy and end to end ({_PIMFLOW})",
        (
            Figure("mobilenet-v2", "newton++", "pointwise", None),
            Figure("mobilenet-v2", "newton++", "convolutions", 1.365),
            Figure("mobilenet-v2", "pipeline", "convolutions", 1.413),
            Figure("mobilenet-v2", "split", "convolutions", 1.436),
            Figure("mobilenet-v2", "auto", "convolutions", 1.481),
            Figure("mobilenet-v2", "auto", "model", 1.38, energy=0.74),
        ),
    ),
}
"""Table -> what it is, and its figures. The letter gives no figure for a single model, but `SUMMARIES`."""

SUMMARIES: Mapping[str, tuple[tuple[str, float], ...]] = {"cal2022": (("average", 1.316), ("highest", 1.352))}
"""Table -> what is published over all of its models."""


def settings(table: str) -> tuple[Setting, ...]:
    """The settings of a table, from theirs to the honest one."""
    theirs = "newton-hbm2" if table == "cal2022" else "newton-gddr6-pimflow"
    mapping = "newton+" if table == "cal2022" else "newton++"
    real, aim, too = "newton-gddr6", "aim-gddr6", "the same, depthwise layers may go to memory"
    free, some = "launches, joins, sums and finishing free", "launches and joins free, sums and finishing charged"
    return (
        Setting("theirs", f"{theirs}, their mapping, {free}", theirs, mapping=mapping, policy="", free=True, charged=False),
        Setting("theirs, our compiler", "the same, searched mappings", theirs, free=True, charged=False),
        Setting("theirs, our compiler, depthwise too", too, theirs, free=True, charged=False, groups="all"),
        Setting("all of DRAM's rules", f"{real}, {some}", real, free=True),
        Setting("all of DRAM's rules, depthwise too", too, real, free=True, groups="all"),
        Setting("AiM", f"{aim}, {some}", aim, free=True),
        Setting("AiM, all costs", f"{aim}, launches and joins charged too", aim),
        Setting("H200, all costs", f"{real} beside a measured H200, all charged", real, gpu="h200"),
    )  # fmt: skip


def reproduce(
    table: str,
    *,
    batches: Sequence[int] = (1, 8, 32),
    only: Sequence[str] = (),
    tick: Callable[[str], None] = lambda name: None,
) -> Iterator[Row]:
    """The rows of a table, one after another, by setting, batch and figure.

    Args:
        table: one of `TABLES`.
        batches: images at a time.
        only: names of settings; all if empty.
        tick: called with what is planned, for progress.

    Raises:
        InputError: an unknown table or setting.
    """
    if table not in TABLES:
        raise InputError("unknown table", value=table, bound=near_matches(table, TABLES))
    known = {setting.name: setting for setting in settings(table)}
    for name in only:
        if name not in known:
            raise InputError("unknown setting", value=name, bound=near_matches(name, known))
    graphs: dict[tuple[str, int, str], Graph] = {}
    for setting in known.values():
        if only and setting.name not in only:
            continue
        for batch in batches:
            done: dict[tuple[str, str, str], Row] = {}
            for figure in TABLES[table][1]:
                policy = setting.policy or figure.policy
                key = (figure.model, policy, figure.scope)
                if key in done and setting.policy:
                    continue  # one policy for all: once is enough
                at = (figure.model, batch, setting.groups)
                if at not in graphs:
                    graphs[at] = load(zoo.build(figure.model), batch=batch, name=figure.model, groups=setting.groups)
                tick(f"{setting.name}, {figure.model}, batch {batch}, {policy}")
                done[key] = _row(table, setting, figure, policy, graphs[at], tick)
                yield done[key]
            yield from _summaries(table, setting, batch, list(done.values()))


def _summaries(table: str, setting: Setting, batch: int, rows: Sequence[Row]) -> Iterator[Row]:
    """Over the models: ``gpu_us`` and ``planned_us`` are sums."""
    gpu_us, planned_us = sum(row.gpu_us for row in rows), sum(row.planned_us for row in rows)
    for what, published in SUMMARIES.get(table, ()):
        over = max if what == "highest" else fmean
        yield replace(
            rows[0], model=what, published=_shown(published, setting, batch), ours=over([row.ours for row in rows]),
            bound=over([row.bound for row in rows]), energy=None, gpu_us=gpu_us, planned_us=planned_us,
        )  # fmt: skip


def _shown(published: float | None, setting: Setting, batch: int) -> float | None:
    """A published figure stands where its setting is."""
    return published if batch == 1 and setting.name == "theirs" else None


def _row(table: str, setting: Setting, figure: Figure, policy: str, graph: Graph, tick: Callable[[str], None]) -> Row:
    unit, cost, free = device(setting.device), gpu(setting.gpu), 0.0 if setting.free else None
    plan = make_plan(
        graph, unit, cost, policy=policy, scope=figure.scope, launch_us=free, join_us=free, charge_epilogue=setting.charged,
        mapping=setting.mapping, tick=tick,
    )  # fmt: skip
    published = _shown(figure.published, setting, graph.batch)
    bound = plan.gpu_only_us / plan.floor_us if plan.floor_us else 1.0
    board, memory = board_energy(plan, cost), plan_energy(plan, unit).memory.total_uj
    energy = (board.busy + board.idle + memory) / board.alone if board and board.alone else None
    return Row(
        table, figure.model, setting.name, policy, figure.scope, graph.batch, published, plan.speedup, bound, plan.gpu_only_us,
        plan.planned_us, energy, _shown(figure.energy, setting, graph.batch),
    )  # fmt: skip
