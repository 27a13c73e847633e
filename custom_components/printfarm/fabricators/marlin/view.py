"""What the engine knows, in the words of the farm. Pure functions."""

from collections.abc import Mapping

from ..interface import Capabilities, MachineState, Prompt, Temperature
from .answers import Reading
from .engine import Engine
from .events import Firmware, Prompt as Question
from .session import Phase

_STATES = {
    Phase.CLOSED: MachineState.OFFLINE,
    Phase.GREETING: MachineState.CONNECTING,
    Phase.IDENTIFYING: MachineState.CONNECTING,
    Phase.READY: MachineState.IDLE,
    Phase.STARTING: MachineState.PREPARING,
    Phase.PRINTING: MachineState.PRINTING,
    Phase.PAUSING: MachineState.PRINTING,
    Phase.PAUSED: MachineState.PAUSED,
    Phase.RESUMING: MachineState.PAUSED,
    Phase.FINISHING: MachineState.PRINTING,
    Phase.CANCELLING: MachineState.PRINTING,
    Phase.HALTED: MachineState.ERROR,
}


def state(engine: Engine) -> MachineState:
    """State of the machine; a print counts as prepared until its first move."""
    if engine.phase is Phase.PRINTING and not engine.moved:
        return MachineState.PREPARING
    return _STATES[engine.phase]


def nozzles(readings: Mapping[str, Reading]) -> tuple[Temperature, ...]:
    """Nozzles in the order of their tools.

    `T` is the tool in use, so it counts only where the board numbers none, or numbers
    them from the second on (Smoothie).
    """
    numbered = {
        int(name[1:]): reading
        for name, reading in readings.items()
        if name[0] == "T" and name[1:]
    }
    if "T" in readings:
        numbered.setdefault(0, readings["T"])
    return tuple(_temperature(numbered[tool]) for tool in sorted(numbered))


def heater(readings: Mapping[str, Reading], name: str) -> Temperature | None:
    """One heater by the firmware's letter; None if the machine has none."""
    return _temperature(readings[name]) if name in readings else None


def prompt(question: Question, at: float) -> Prompt:
    """What a person is asked, and since when."""
    return Prompt(question.text or "", question.buttons, at)


def capabilities(
    firmware: Firmware | None, readings: Mapping[str, Reading], *, logs: bool = False
) -> Capabilities:
    """What the board said it can do. Older firmware says little: then nothing is ruled out."""
    if firmware is None:
        return Capabilities(gcode_log=logs)
    return Capabilities(
        build_volume=firmware.volume,
        tools=firmware.extruders,
        bed="B" in readings or not readings,
        chamber="CHAMBER_TEMPERATURE" in firmware.capabilities,
        gcode_log=logs,
    )


def _temperature(reading: Reading) -> Temperature:
    return Temperature(reading.actual, reading.target)
