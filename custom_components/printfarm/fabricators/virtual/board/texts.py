"""The longer texts: boot banner, M115 with capabilities, M503."""

from .profile import BoardProfile

_COMPILED = "Nov 20 2026"
_BLOCK_BYTES = 92
_SOURCE = "github.com/MarlinFirmware/Marlin"


def banner(profile: BoardProfile) -> list[str]:
    """Lines of the greeting after power-up and reset."""
    lines = [
        "start",
        "PowerUp",
        profile.firmware,
        f"echo: Last Updated: {profile.updated} | Author: (none, default config)",
        f"echo: Compiled: {_COMPILED}",
        "echo: Free Memory: 0  "
        f"PlannerBufferBytes: {_BLOCK_BYTES * profile.planner_blocks}",
    ]
    if not profile.eeprom:
        lines.append("echo:Hardcoded Default Settings Loaded")
    elif profile.host_actions:
        lines.append("//action:notification Stored settings retrieved")
    if profile.host_prompts:
        lines.append("//action:prompt_end")
    return lines


def firmware_info(profile: BoardProfile) -> list[str]:
    """Lines of M115."""
    lines = [
        f"FIRMWARE_NAME:{profile.firmware} ({_COMPILED} 12:00:00) "
        f"SOURCE_CODE_URL:{_SOURCE} PROTOCOL_VERSION:1.0 "
        f"MACHINE_TYPE:{profile.machine_type} EXTRUDER_COUNT:{profile.extruders} "
        f"UUID:{profile.uuid}"
    ]
    if profile.capabilities:
        lines += [
            f"Cap:{name}:{int(on)}" for name, on in _capabilities(profile).items()
        ]
        lines.append(_area(profile))
    return lines


def settings(profile: BoardProfile, acceleration: float) -> list[str]:
    """Lines of M503, as far as the board keeps such settings."""
    x, y, z, e = profile.steps_per_mm
    fx, fy, fz, fe = profile.max_feedrate
    return [
        "echo:; Linear Units:",
        "echo:  G21 ; (mm)",
        "echo:; Steps per unit:",
        f"echo:  M92 X{x:.2f} Y{y:.2f} Z{z:.2f} E{e:.2f}",
        "echo:; Max feedrates (units/s):",
        f"echo:  M203 X{fx:.2f} Y{fy:.2f} Z{fz:.2f} E{fe:.2f}",
        "echo:; Acceleration (units/s2) (P<print-accel> T<travel-accel>):",
        f"echo:  M204 P{acceleration:.2f} T{acceleration:.2f}",
    ]


def _capabilities(profile: BoardProfile) -> dict[str, bool]:
    """What the build says that it can do, in Marlin's order."""
    return {
        "SERIAL_XON_XOFF": False,
        "BINARY_FILE_TRANSFER": False,
        "EEPROM": profile.eeprom,
        "VOLUMETRIC": False,
        "AUTOREPORT_POS": profile.auto_report,
        "AUTOREPORT_TEMP": profile.auto_report,
        "PROGRESS": False,
        "PRINT_JOB": True,
        "AUTOLEVEL": profile.leveling,
        "RUNOUT": profile.runout_sensor,
        "Z_PROBE": profile.leveling,
        "LEVELING_DATA": profile.leveling,
        "BUILD_PERCENT": True,
        "SOFTWARE_POWER": False,
        "TOGGLE_LIGHTS": False,
        "CASE_LIGHT_BRIGHTNESS": False,
        "EMERGENCY_PARSER": profile.emergency_parser,
        "HOST_ACTION_COMMANDS": profile.host_actions,
        "PROMPT_SUPPORT": profile.host_prompts,
        "SDCARD": False,
        "REPEAT": False,
        "SD_WRITE": False,
        "AUTOREPORT_SD_STATUS": False,
        "LONG_FILENAME": False,
        "LFN_WRITE": False,
        "CUSTOM_FIRMWARE_UPLOAD": False,
        "EXTENDED_M20": False,
        "THERMAL_PROTECTION": True,
        "MOTION_MODES": False,
        "ARCS": profile.arcs,
        "BABYSTEPPING": False,
        "CHAMBER_TEMPERATURE": False,
        "COOLER_TEMPERATURE": False,
        "MEATPACK": False,
        "CONFIG_EXPORT": False,
    }


def _area(profile: BoardProfile) -> str:
    """The build volume as M115 prints it."""
    x, y, z = profile.build_volume
    box = f"{{min:{{x:0.00,y:0.00,z:0.00}},max:{{x:{x:.2f},y:{y:.2f},z:{z:.2f}}}}}"
    return f"area:{{full:{box},work:{box}}}"
