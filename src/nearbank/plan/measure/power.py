"""Watts, clocks and driver version from NVML, where its Python binding is installed; nothing otherwise."""

from __future__ import annotations

import importlib
from types import TracebackType
from typing import Any

__all__ = ["Meter"]


class Meter:
    """A context that reads the GPU of that UUID, or the first; a reading is None or empty where NVML cannot be reached."""

    def __init__(self, uuid: str | None = None) -> None:
        self.driver = ""
        self._uuid = uuid
        self._nvml: Any = None
        self._gpu: Any = None

    def __enter__(self) -> Meter:
        try:
            self._nvml = importlib.import_module("pynvml")
            self._nvml.nvmlInit()
            self.driver = str(self._nvml.nvmlSystemGetDriverVersion())
            if self._uuid is None:
                self._gpu = self._nvml.nvmlDeviceGetHandleByIndex(0)
            else:  # NVML counts GPUs that CUDA_VISIBLE_DEVICES hides
                self._gpu = self._nvml.nvmlDeviceGetHandleByUUID(self._uuid)
        except Exception:  # ImportError, or one of NVML's own errors, whose base is known only once it is imported
            self._gpu = None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._gpu is not None:
            self._nvml.nvmlShutdown()
            self._gpu = None

    def watts(self) -> float | None:
        """Power of the board now (on data center GPUs: its average over the last second)."""
        milliwatts = self._read("nvmlDeviceGetPowerUsage")
        return None if milliwatts is None else milliwatts / 1000

    def clocks_mhz(self) -> dict[str, float]:
        """Clocks now, in MHz: ``sm`` and ``memory``; and ``sm_max``, the highest that ``sm`` may reach."""
        kinds = {"sm": "NVML_CLOCK_SM", "memory": "NVML_CLOCK_MEM"}
        read = {
            name: self._read("nvmlDeviceGetClockInfo", getattr(self._nvml, kind, None)) for name, kind in kinds.items()
        }
        read["sm_max"] = self._read("nvmlDeviceGetMaxClockInfo", getattr(self._nvml, kinds["sm"], None))
        return {name: mhz for name, mhz in read.items() if mhz is not None}

    def _read(self, name: str, *args: Any) -> float | None:
        if self._gpu is None:
            return None
        try:
            return float(getattr(self._nvml, name)(self._gpu, *args))
        except self._nvml.NVMLError:
            return None
