"""What the firmware writes to the host, and the dialogues that it holds there."""

from .profile import BoardProfile


class Console:
    """Lines on their way out, and the host's part of a dialogue."""

    def __init__(self, profile: BoardProfile) -> None:
        """Start with nothing written and no dialogue open."""
        self._profile = profile
        self._lines: list[str] = []
        self.forget()

    def forget(self) -> None:
        """Leave all dialogues, as a reset does; what was written stays written."""
        self.waiting_for_user = False
        """A command goes on when this becomes false."""
        self.paused_for_user = False
        """The busy lines say that a person is waited for."""
        self._answer: int | None = None

    def take(self) -> bytes:
        """Give what was written since the last call."""
        if not self._lines:
            return b""
        written = "\n".join(self._lines)
        self._lines.clear()
        return f"{written}\n".encode("ascii", "replace")

    def write(self, line: str) -> None:
        """Write one line to the host."""
        self._lines.append(line)

    def action(self, text: str) -> None:
        """Tell the host what to do or know, on builds with host actions."""
        if self._profile.host_actions:
            self.write(f"//action:{text}")

    def prompt(self, text: str, *buttons: str) -> None:
        """Open a dialogue on the host, in place of the one before."""
        if not self._profile.host_prompts:
            return
        self.action("prompt_end")
        self.action(f"prompt_begin {text}")
        for button in buttons:
            self.action(f"prompt_button {button}")
        self.action("prompt_show")

    def choose(self, button: int) -> None:
        """Take the host's choice in a dialogue."""
        self._answer = button
        self.waiting_for_user = False

    def take_answer(self) -> int | None:
        """Give the choice that has come in since the last call, if any."""
        button, self._answer = self._answer, None
        return button
