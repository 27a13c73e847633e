"""What machines ask of a person, and the answers that they are given."""

from ..fabricators.interface import FabricatorError, Prompt
from .bay import Bay
from .errors import ConflictError
from .model import Job


async def answer(bay: Bay, choice: int | str) -> Job | None:
    """Answer what the machine asks; it may have changed its mind meanwhile."""
    prompt = bay.prompt
    if prompt is None:
        raise ConflictError("no_prompt", name=bay.config.name)
    number = _number(prompt, choice)
    if number is None:
        raise _refusal(bay, prompt, "invalid_choice")
    try:
        await bay.driver.answer(number)
    except FabricatorError as err:
        if err.key in {"invalid_choice", "no_prompt", "not_supported"}:
            raise _refusal(bay, bay.prompt or prompt, err.key) from err
        raise
    return bay.held


def _number(prompt: Prompt, choice: int | str) -> int | None:
    """Give the place of a choice that is named by its text, or by its place from 0."""
    if isinstance(choice, int):
        return choice if 0 <= choice < len(prompt.choices) else None
    texts = [text.casefold() for text in prompt.choices]
    wanted = choice.strip().casefold()
    return texts.index(wanted) if wanted in texts else None


def _refusal(bay: Bay, prompt: Prompt, key: str) -> ConflictError:
    return ConflictError(key, name=bay.config.name, choices=", ".join(prompt.choices))
