"""The board's heaters and how it prints their temperatures."""

from math import inf

from .heater import Heater
from .profile import BoardProfile

_NOZZLE_RISE, _NOZZLE_TAU = 360.0, 180.0
"""From the room to 200 °C in about two minutes."""
_BED_RISE, _BED_TAU = 130.0, 300.0
"""From the room to 60 °C in about 100 s."""


class Thermal:
    """All heaters of one board. Temperatures outlive a reset, targets do not."""

    def __init__(self, profile: BoardProfile) -> None:
        """Build cold nozzles and a cold bed."""
        self.nozzles = tuple(
            Heater(
                f"E{tool}", rise=_NOZZLE_RISE, tau=_NOZZLE_TAU, limit=profile.nozzle_max
            )
            for tool in range(profile.extruders)
        )
        self.bed = Heater("bed", rise=_BED_RISE, tau=_BED_TAU, limit=profile.bed_max)
        self.heaters = (*self.nozzles, self.bed)
        self._by_name = {heater.name: heater for heater in self.heaters}

    def named(self, name: str) -> Heater:
        """The heater called `E0`, `E1` or `bed`; KeyError for any other name."""
        return self._by_name[name]

    def off(self, now: float) -> None:
        """Take the power off all heaters."""
        for heater in self.heaters:
            heater.set_target(0.0, now)

    def fault_at(self) -> float:
        """When the thermal protection strikes next; inf for never."""
        return min((heater.fault_at for heater in self.heaters), default=inf)

    def report(self, tool: int, now: float) -> str:
        """Write the line as M105 has it, without leading blank or `ok`."""
        active = self.nozzles[tool]
        parts = [self._state("T", active, now), self._state("B", self.bed, now)]
        several = len(self.nozzles) > 1
        if several:
            parts += [
                self._state(f"T{index}", nozzle, now)
                for index, nozzle in enumerate(self.nozzles)
            ]
        parts += [f"@:{active.power(now)}", f"B@:{self.bed.power(now)}"]
        if several:
            parts += [
                f"@{index}:{nozzle.power(now)}"
                for index, nozzle in enumerate(self.nozzles)
            ]
        return " ".join(parts)

    @staticmethod
    def _state(label: str, heater: Heater, now: float) -> str:
        return f"{label}:{heater.temperature(now):.2f} /{heater.target:.2f}"
