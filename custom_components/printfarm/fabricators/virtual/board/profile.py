"""Which board is emulated: firmware build, machine size and habits on the wire."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

_MACHINE_UUID = "cede2a2f-41a2-4748-9b12-c55c62f367ff"


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardProfile:
    """One firmware build on one machine. Lengths in mm, times in s, speeds in mm/s.

    The switches are Marlin's build options of the same meaning; a command whose
    option is off is answered as an unknown command, as the real firmware does.
    """

    title: str
    machine_type: str
    firmware: str = "Marlin 2.1.2"
    updated: str = "2022-12-17"
    uuid: str = _MACHINE_UUID
    build_volume: tuple[float, float, float] = (220.0, 220.0, 250.0)
    extruders: int = 1

    planner_blocks: int = 16
    """BLOCK_BUFFER_SIZE: one less than this can wait or be under way."""
    queue_size: int = 4
    """BUFSIZE: commands read from the wire, counting the one being executed."""
    rx_buffer: int = 128
    """RX_BUFFER_SIZE: bytes that the firmware holds and the emergency parser sees."""
    flow_control: bool = True
    """True: what does not fit waits in the link (native USB). False: it is lost (UART)."""
    max_line: int = 96
    """MAX_CMD_SIZE: longer lines are cut."""

    boot_time: float = 0.003
    """From reset to `start`; what arrives before that is lost."""
    reset_on_open: bool = False
    """Opening the port resets the board, as DTR does on most AVR boards."""

    separate_extruder_mode: bool = False
    """Marlin 1: G90 and G91 leave what M82 and M83 have set; relative if either says so."""
    drop_repeats: bool = True
    """A line numbered like the last or the one before is dropped without a word."""
    resend_ok: bool = True
    """False: no `ok` behind `Resend`, as some firmware forgets it."""
    capabilities: bool = True
    """EXTENDED_CAPABILITIES_REPORT: `Cap:` lines and the area in M115."""
    auto_report: bool = True
    busy_interval: float = 2.0
    """HOST_KEEPALIVE_FEATURE; 0 for a build without busy lines."""
    wait_interval: float = 0.0
    """NO_TIMEOUTS: `wait` while nothing is to do; 0 for a build without it."""
    advanced_ok: bool = False
    emergency_parser: bool = True
    host_actions: bool = True
    host_prompts: bool = True
    advanced_pause: bool = True
    runout_sensor: bool = True
    eeprom: bool = True
    arcs: bool = True
    leveling: bool = False
    report_fan_change: bool = False

    steps_per_mm: tuple[float, float, float, float] = (80.0, 80.0, 400.0, 500.0)
    max_feedrate: tuple[float, float, float, float] = (300.0, 300.0, 5.0, 25.0)
    acceleration: float = 3000.0
    home: tuple[float, float, float] = (0.0, 0.0, 5.0)
    """Where G28 leaves the nozzle."""
    nozzle_max: float = 260.0
    bed_max: float = 110.0
    """Highest targets; a higher one is cut to this."""
    min_extrude: float = 170.0


DEFAULT_MODEL = "marlin_2"

PROFILES: Mapping[str, BoardProfile] = MappingProxyType(
    {
        "marlin_2": BoardProfile(
            title="Marlin 2, 220 x 220 x 250 mm", machine_type="Virtual 220"
        ),
        "marlin_2_plain": BoardProfile(
            title="Marlin 2 as it comes, 200 x 200 x 200 mm",
            machine_type="Virtual 200",
            build_volume=(200.0, 200.0, 200.0),
            emergency_parser=False,
            host_actions=False,
            host_prompts=False,
            advanced_pause=False,
            runout_sensor=False,
            eeprom=False,
        ),
        "marlin_1": BoardProfile(
            title="Marlin 1.1 on an AVR board, 200 x 200 x 180 mm",
            machine_type="Virtual 180",
            firmware="Marlin 1.1.9",
            updated="2018-07-31",
            build_volume=(200.0, 200.0, 180.0),
            flow_control=False,
            boot_time=1.5,
            reset_on_open=True,
            separate_extruder_mode=True,
            drop_repeats=False,
            capabilities=False,
            auto_report=False,
            busy_interval=0.0,
            wait_interval=1.0,
            emergency_parser=False,
            host_actions=False,
            host_prompts=False,
            advanced_pause=False,
            runout_sensor=False,
            arcs=False,
            acceleration=1000.0,
        ),
        "idex": BoardProfile(
            title="Marlin 2 with two extruders, 300 x 300 x 300 mm",
            machine_type="Virtual IDEX",
            build_volume=(300.0, 300.0, 300.0),
            extruders=2,
            queue_size=32,
            rx_buffer=1024,
            advanced_ok=True,
        ),
        "large": BoardProfile(
            title="Marlin 2 with bed leveling, 400 x 400 x 450 mm",
            machine_type="Virtual 400",
            build_volume=(400.0, 400.0, 450.0),
            planner_blocks=32,
            home=(200.0, 200.0, 5.0),
            leveling=True,
            report_fan_change=True,
            acceleration=1500.0,
        ),
    }
)
