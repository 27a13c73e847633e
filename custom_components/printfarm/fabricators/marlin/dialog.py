"""Dialogues on the machine: host prompts, and how to say "go on" to them."""

from .answers import Action
from .events import Notification, Prompt, Runout

CONTINUE = "continue"
RUNOUT_WORDS = ("filament_runout", "out_of_filament", "filamentrunout", "runout")


class Dialog:
    """Collects `//action:prompt_*` lines into one prompt."""

    def __init__(self) -> None:
        """Start with no dialogue open."""
        self.prompt: Prompt | None = None
        self._text = ""
        self._buttons: list[str] = []

    def hear(self, action: Action) -> Prompt | Notification | Runout | None:
        """Take an action; give back what it means for others, if anything."""
        match action.name:
            case "prompt_begin":
                self._text, self._buttons = action.text, []
                if _is_runout(action.text):
                    return Runout(action.text)
            case "prompt_button" | "prompt_choice":
                self._buttons.append(action.text)
            case "prompt_show":
                self.prompt = Prompt(self._text, tuple(self._buttons))
                return self.prompt
            case "prompt_end":
                was_open, self.prompt = self.prompt is not None, None
                return Prompt(None) if was_open else None
            case "notification":
                return Notification(action.text)
            case name if _is_runout(name):
                return Runout(action.text or name)
        return None

    def go_on(self) -> bytes:
        """Command that answers the open dialogue, so that the machine goes on.

        `Continue` where it is offered. The last button otherwise: after a runout that
        is `DisableRunout`, and `PurgeMore` before it would only ask again.
        """
        if self.prompt is None or not self.prompt.buttons:
            return b"M108"
        buttons = [button.lower() for button in self.prompt.buttons]
        choice = buttons.index(CONTINUE) if CONTINUE in buttons else len(buttons) - 1
        return b"M876 S%d" % choice


def _is_runout(text: str) -> bool:
    return text.lower().startswith(RUNOUT_WORDS)
