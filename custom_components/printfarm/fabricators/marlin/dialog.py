"""Dialogues on the machine: what they ask, and how they are answered."""

from .answers import Action
from .commands import WAITS_FOR_PERSON, code
from .events import Notification, Prompt, Runout
from .wire import Line

CONTINUE = "continue"
DISMISS = ("dismiss",)
"""Buttons of a dialogue that only tells something."""
PLAIN = ("Continue",)
"""All that can be said to a board that waits for M108."""
PAUSED = "Paused"
"""What a board asks that waits without a word, in the middle of a move."""
RUNOUT_WORDS = ("filament_runout", "out_of_filament", "filamentrunout", "runout")


class Dialog:
    """Collects `//action:prompt_*` lines into one prompt.

    Boards without host prompts say in plain words what they wait for (`echo:`), and
    that they do so with their busy lines.
    """

    def __init__(self) -> None:
        """Start with no dialogue open."""
        self.prompt: Prompt | None = None
        """What the machine shows; it may stand there long after it was answered."""
        self.question: Prompt | None = None
        """What a person is asked and nobody has answered yet."""
        self._text = ""
        self._buttons: list[str] = []
        self._said: tuple[Line | None, str] | None = None
        self._waited: tuple[Line, str] | None = None

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
                self.question = self.prompt if _asks(self.prompt) else None
                return self.prompt
            case "prompt_end":
                was_open = self.prompt is not None
                self.prompt = self.question = None
                return Prompt(None) if was_open else None
            case "notification":
                return Notification(action.text)
            case name if _is_runout(name):
                return Runout(action.text or name)
        return None

    # Boards without prompts

    def overhear(self, text: str, head: Line | None) -> None:
        """Keep what is said during a line: it may tell what that line waits for."""
        if text.startswith("echo:"):
            self._said = head, text.removeprefix("echo:").strip()

    def wait(self, line: Line) -> Prompt | None:
        """A line waits for a person. Gives what it asks, if that was not known yet."""
        if self.prompt is not None and self.prompt.buttons:
            return None
        text = PAUSED
        if self._said is not None and self._said[0] is line:
            text = self._said[1]
        elif code(line.command) in WAITS_FOR_PERSON:
            text = line.command.decode("ascii", "replace")
        known = self._waited
        if known is not None and known[0] is line and known[1] == text:
            return None
        self._waited = line, text
        self.question = Prompt(text, PLAIN)
        return self.question

    # Answers

    def answer(self, choice: int) -> bytes:
        """Command that presses this button. What was asked is answered then."""
        self.question = None
        if self.prompt is None or not self.prompt.buttons:
            return b"M108"
        return b"M876 S%d" % choice

    def go_on(self) -> bytes:
        """Command that answers the open dialogue, so that the machine goes on.

        `Continue` where it is offered. The last button otherwise: after a runout that
        is `DisableRunout`, and `PurgeMore` before it would only ask again.
        """
        offered = self.prompt.buttons if self.prompt is not None else ()
        buttons = [button.lower() for button in offered]
        choice = buttons.index(CONTINUE) if CONTINUE in buttons else len(buttons) - 1
        return self.answer(choice)

    def settle(self) -> None:
        """The machine goes on: nobody is asked any more, whatever it shows."""
        self.question = self._said = self._waited = None


def _asks(prompt: Prompt) -> bool:
    """Whether an answer changes anything."""
    buttons = tuple(button.lower() for button in prompt.buttons)
    return buttons not in {(), DISMISS}


def _is_runout(text: str) -> bool:
    return text.lower().startswith(RUNOUT_WORDS)
