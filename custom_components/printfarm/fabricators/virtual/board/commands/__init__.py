"""Every command that the board knows, in one table made for its build."""

from ..profile import BoardProfile
from . import heat, machine, move, pause, report
from .handler import Handler, Wait

__all__ = ["Handler", "Wait", "command_table"]


def command_table(profile: BoardProfile) -> dict[str, Handler]:
    """Code to handler, without the commands that the build leaves out."""
    return {
        **machine.handlers(profile),
        **move.handlers(profile),
        **heat.handlers(profile),
        **report.handlers(profile),
        **pause.handlers(profile),
    }
