"""What machines ask of a person: told once, shown while it is open, answered."""

from datetime import UTC, datetime

import pytest

from custom_components.printfarm.fabricators.interface import (
    FabricatorError,
    MachineState,
    Prompt,
)
from custom_components.printfarm.farm.errors import ConflictError
from custom_components.printfarm.farm.events import PrinterPrompt

from .machine import FakeFabricator
from .rig import Rig

LOADED = ("Paused", "PurgeMore", "Continue")


async def _print(rig: Rig) -> int:
    job = await rig.job()
    await rig.farm.start("a", job.id)
    await rig.quiet()
    return job.id


def _asked(rig: Rig) -> list[PrinterPrompt]:
    return [event for event in rig.events if isinstance(event, PrinterPrompt)]


async def test_told_and_shown(rig: Rig, machine: FakeFabricator) -> None:
    """With the job, the machine's words and the answers; asked again, told again."""
    job_id = await _print(rig)
    for _ in range(2):
        machine.ask(*LOADED)
        await rig.quiet()
    first, second = _asked(rig)
    assert (first.type, first.job_id, first.text) == (
        "printer_prompt",
        job_id,
        "Paused",
    )
    assert first.choices == second.choices == ("PurgeMore", "Continue")
    assert first.id != second.id
    assert rig.view().prompt == Prompt("Paused", ("PurgeMore", "Continue"), 2.0)
    assert first.at == datetime.fromtimestamp(1.0, UTC)
    assert rig.farm.farm_view().needs_attention == 1
    stored = [one for one in await rig.log(job_id) if one.type == "printer_prompt"]
    assert [one.data["choices"] for one in stored] == [["PurgeMore", "Continue"]] * 2
    machine.show(prompt=None)
    assert rig.view().prompt is None
    assert rig.farm.farm_view().needs_attention == 0


async def test_told_by_the_next_farm(rig: Rig, machine: FakeFabricator) -> None:
    """What was stored and not told before a crash comes as it was."""
    await _print(rig)
    rig.farm.hold()
    machine.ask(*LOADED)
    await rig.quiet()
    assert _asked(rig) == []
    await rig.crash()
    await rig.quiet()
    (told,) = _asked(rig)
    assert told.choices == ("PurgeMore", "Continue")


async def test_not_told_again_after_a_restart(
    rig: Rig, machine: FakeFabricator
) -> None:
    """The question is still open, and no news."""
    job_id = await _print(rig)
    machine.ask(*LOADED)
    await rig.quiet()
    asked = rig.view().prompt
    await rig.restart()
    again = rig.machines["a"]
    again.outcomes[job_id] = None
    again.printing(job_id, prompt=asked)
    await rig.quiet()
    assert rig.view().prompt is not None
    assert len(_asked(rig)) == 1
    await rig.farm.answer("a", "Continue")
    assert again.log[-1] == ("answer", 1)


async def test_asked_while_nobody_listened(rig: Rig, machine: FakeFabricator) -> None:
    """The event of it is lost, the question is not."""
    job_id = await _print(rig)
    await rig.restart()
    again = rig.machines["a"]
    again.outcomes[job_id] = None
    again.printing(job_id, prompt=Prompt("Paused", ("Continue",), 5.0))
    await rig.quiet()
    (told,) = _asked(rig)
    assert (told.text, told.choices) == ("Paused", ("Continue",))


async def test_answered_while_nobody_listened(
    rig: Rig, machine: FakeFabricator
) -> None:
    """That is no question any more."""
    await _print(rig)
    machine.ask(*LOADED)
    machine.show(prompt=None)
    await rig.quiet()
    assert _asked(rig) == []


@pytest.mark.parametrize(
    ("choice", "number"),
    [("PurgeMore", 0), ("continue", 1), (" CONTINUE ", 1), (0, 0), (1, 1)],
)
async def test_answer(
    rig: Rig, machine: FakeFabricator, choice: int | str, number: int
) -> None:
    """By its text in any case, or by its place."""
    job_id = await _print(rig)
    machine.ask(*LOADED)
    job = await rig.farm.answer("a", choice)
    assert job is not None
    assert job.id == job_id
    assert machine.log[-1] == ("answer", number)


@pytest.mark.parametrize("choice", ["Reheat", "", 2, -1])
async def test_no_such_choice(
    rig: Rig, machine: FakeFabricator, choice: int | str
) -> None:
    """The refusal says what there is."""
    machine.ask(*LOADED)
    with pytest.raises(ConflictError, match="invalid_choice") as refused:
        await rig.farm.answer("a", choice)
    assert refused.value.placeholders == {
        "name": "Machine a",
        "choices": "PurgeMore, Continue",
    }
    assert machine.told("answer") == 0


async def test_nothing_is_asked(rig: Rig, machine: FakeFabricator) -> None:
    """Nor is anything known to be, where nobody can see the machine."""
    with pytest.raises(ConflictError, match="no_prompt"):
        await rig.farm.answer("a", 0)
    machine.ask(*LOADED)
    machine.show(MachineState.UNKNOWN)
    assert rig.view().prompt is None
    with pytest.raises(ConflictError, match="no_prompt"):
        await rig.farm.answer("a", 0)


@pytest.mark.parametrize("key", ["no_prompt", "invalid_choice", "not_supported"])
async def test_the_machine_knows_better(
    rig: Rig, machine: FakeFabricator, key: str
) -> None:
    """It may ask something else by now, or take no answers at all."""
    machine.ask(*LOADED)
    machine.answer_answer = FabricatorError(key)
    with pytest.raises(ConflictError, match=key):
        await rig.farm.answer("a", 0)


async def test_an_answer_that_does_not_arrive(
    rig: Rig, machine: FakeFabricator
) -> None:
    """Other troubles are told as they are."""
    machine.ask(*LOADED)
    machine.answer_answer = FabricatorError("not_connected")
    with pytest.raises(FabricatorError, match="not_connected"):
        await rig.farm.answer("a", 0)
