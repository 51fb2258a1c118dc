"""`nearbank calibrate`: this machine's own GPU, measured, as a profile that ``--gpu`` reads."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from nearbank.plan import measure
from nearbank.report import output
from nearbank.report.progress import Progress

__all__ = ["calibrate"]


def calibrate(
    out: Annotated[Path, typer.Option("--out", help="The profile's .json file.")],
    quick: Annotated[
        bool, typer.Option("--quick", help="A coarse grid and one network: a minute, not minutes.")
    ] = False,
) -> None:
    """Measure this machine's GPU (needs torch with CUDA) and write the profile that --gpu reads.

    Example: nearbank calibrate --out profile.json
    """
    output.check_writable(out)
    bench = measure.TorchBench()
    tick = Progress("measuring")
    table = measure.calibrate(bench, measure.shapes(quick=quick), time.strftime("%Y-%m-%d"), tick)
    tick.close()
    output.write_lines(out, measure.profile_lines(table))
    print(
        f"{table['gpu']}: {len(table['grid'])} products, {len(table['ops'])} other operators, launch {table['empty_kernel_us']} us"
    )
    print(f"written to {out}; use it with --gpu {out}")
