"""People are told when a streaming process cannot be spoken to, and when it can again."""

from collections.abc import Callable

from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir

from custom_components.printfarm.const import DOMAIN
from custom_components.printfarm.fabricators.streamer.process import Trouble
from custom_components.printfarm.issues import watch_streamers

OUTDATED = Trouble("serial", "streamer_outdated", ("Ada: vase.gcode", "Bob: a.gcode"))
FAILED = Trouble("serial", "streamer_failed")
UNPROVEN = Trouble("virtual", "streamer_unproven")


class Streamers:
    """Stands for the processes, with troubles as a test wants them."""

    def __init__(self, *troubles: Trouble) -> None:
        """Begin with these."""
        self.troubles = troubles
        self.listeners: list[Callable[[], None]] = []

    def on_trouble(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Keep the listener until the end of it."""
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)

    def change(self, *troubles: Trouble) -> None:
        """Have other troubles."""
        self.troubles = troubles
        for listener in self.listeners:
            listener()


def _issues(hass: HomeAssistant) -> dict[str, ir.IssueEntry]:
    return {
        issue_id: issue
        for (domain, issue_id), issue in ir.async_get(hass).issues.items()
        if domain == DOMAIN
    }


async def test_troubles_come_and_go(hass: HomeAssistant) -> None:
    """Each process has its own; what is over is taken back."""
    streamers = Streamers(OUTDATED)
    end = watch_streamers(hass, streamers)
    (issue,) = _issues(hass).values()
    assert issue.translation_key == "streamer_outdated"
    assert not issue.is_fixable
    assert issue.translation_placeholders == {
        "kind": "serial",
        "prints": "- Ada: vase.gcode\n- Bob: a.gcode",
    }
    streamers.change(FAILED, UNPROVEN)
    assert set(_issues(hass)) == {
        "streamer_failed_serial",
        "streamer_unproven_virtual",
    }
    streamers.change()
    assert _issues(hass) == {}
    streamers.change(FAILED)
    end()
    assert _issues(hass) == {}
    assert streamers.listeners == []
