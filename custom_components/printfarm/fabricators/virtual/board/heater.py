"""A heater as a first-order system, solved exactly: no steps, no drift."""

from enum import StrEnum
from math import exp, inf, log

AMBIENT = 22.0
"""Room temperature in °C."""
MAX_POWER = 127
"""Full PWM as Marlin reports it after `@:`."""

_WATCH_PERIOD = 40.0
"""A cold heater must have warmed up noticeably within this many seconds."""
_RUNAWAY_DROP = 4.0
_RUNAWAY_PERIOD = 40.0


class ThermalFault(StrEnum):
    """Marlin's words for a heater that does not do what its power says."""

    HEATING_FAILED = "Heating failed"
    RUNAWAY = "Thermal Runaway"


class Heater:
    """One heater: full power up to its target, then exactly held there.

    `rise` is how far full power would bring it above the room in the end, `tau` its
    time constant in s, `limit` the highest target that it takes.
    """

    __slots__ = (
        "_broken",
        "_level",
        "_since",
        "fault",
        "fault_at",
        "limit",
        "name",
        "rise",
        "target",
        "tau",
    )

    def __init__(self, name: str, *, rise: float, tau: float, limit: float) -> None:
        """Start at room temperature with the power off."""
        self.name = name
        self.rise = rise
        self.tau = tau
        self.limit = limit
        self.target = 0.0
        self.fault: ThermalFault | None = None
        self.fault_at = inf
        self._broken = False
        self._level = AMBIENT
        self._since = 0.0

    def temperature(self, now: float) -> float:
        """Temperature in °C at a firmware time not before the last change."""
        decay = exp(-(now - self._since) / self.tau)
        if self._broken:
            return AMBIENT + (self._level - AMBIENT) * decay
        if self.target > self._level:
            top = AMBIENT + self.rise
            return min(self.target, top - (top - self._level) * decay)
        return max(AMBIENT + (self._level - AMBIENT) * decay, self._floor())

    def power(self, now: float) -> int:
        """PWM from 0 to 127, as printed after `@:`."""
        if self.target <= 0:
            return 0
        level = self.temperature(now)
        if level < self.target:
            return MAX_POWER
        if level > self.target:
            return 0
        return round(MAX_POWER * max(0.0, self.target - AMBIENT) / self.rise)

    def set_target(self, celsius: float, now: float) -> None:
        """Set the target, cut to what the heater may reach; 0 is off."""
        self._settle(now)
        self.target = min(max(celsius, 0.0), self.limit)
        self._watch(now)

    def fail(self, now: float) -> None:
        """Take power from now on without getting any warmer."""
        self._settle(now)
        self._broken = True
        self._watch(now)

    def within_at(self, window: float) -> float:
        """Firmware time at which the target is nearer than `window`; inf for never."""
        if abs(self._level - self.target) <= window:
            return self._since
        if self._broken:
            return inf
        if self.target > self._level:
            top = AMBIENT + self.rise
            ratio = (top - self.target + window) / (top - self._level)
        else:
            goal = self.target + window
            if goal <= AMBIENT:
                return inf
            ratio = (goal - AMBIENT) / (self._level - AMBIENT)
        return self._since - self.tau * log(ratio)

    def _floor(self) -> float:
        """Where cooling stops: at the target, or at the room."""
        return max(AMBIENT, min(self.target, self._level))

    def _settle(self, now: float) -> None:
        """Begin a new stretch at the present temperature."""
        self._level = self.temperature(now)
        self._since = now

    def _watch(self, now: float) -> None:
        """Say when the firmware's thermal protection will notice a broken heater."""
        self.fault, self.fault_at = None, inf
        if not self._broken or self.target <= AMBIENT:
            return
        above = self._level - AMBIENT
        low = self.target - _RUNAWAY_DROP - AMBIENT
        if above < low or above <= 0:
            self.fault, self.fault_at = ThermalFault.HEATING_FAILED, now + _WATCH_PERIOD
        elif low > 0:
            self.fault = ThermalFault.RUNAWAY
            self.fault_at = now + self.tau * log(above / low) + _RUNAWAY_PERIOD
