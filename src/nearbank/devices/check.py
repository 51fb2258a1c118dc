"""A device against itself and against what every DRAM needs: findings with the arithmetic. Changes and refuses nothing."""

from __future__ import annotations

from dataclasses import dataclass

from nearbank.devices.check_energy import check_energy
from nearbank.devices.check_rules import check_rules
from nearbank.devices.check_sizes import check_refresh, check_sizes
from nearbank.devices.check_timing import check_needed, check_timing
from nearbank.devices.finding import SEVERITIES, Finding, Severity
from nearbank.devices.model import PimDevice
from nearbank.tabular import Table, Tabular

__all__ = ["DeviceCheck", "check_device"]

_CHECKS = (check_timing, check_needed, check_rules, check_refresh, check_sizes, check_energy)


@dataclass(frozen=True)
class DeviceCheck(Tabular):
    """All findings on one device, the gravest first."""

    device: PimDevice
    findings: tuple[Finding, ...]

    def of(self, severity: Severity) -> tuple[Finding, ...]:
        """Those of one severity."""
        return tuple(x for x in self.findings if x.severity == severity)

    @property
    def ok(self) -> bool:
        """Whether there is no error."""
        return not self.of("error")

    @property
    def summary(self) -> str:
        """``2 errors, 1 warning, 7 notes``."""
        counts = ((len(self.of(severity)), severity) for severity in SEVERITIES)
        return ", ".join(f"{n} {what}{'' if n == 1 else 's'}" for n, what in counts)

    def table(self) -> Table:
        """A row a finding."""
        rows = tuple((x.severity, x.where, x.what, x.numbers, x.bound) for x in self.findings)
        return Table(f"{self.device.name}: {self.summary}", ("severity", "where", "what", "numbers", "bound"), rows)


def check_device(device: PimDevice) -> DeviceCheck:
    """Check ``device``. The order of findings is fixed: by severity, then as the checks come."""
    found = [finding for check in _CHECKS for finding in check(device)]
    return DeviceCheck(device, tuple(sorted(found, key=lambda x: SEVERITIES.index(x.severity))))
