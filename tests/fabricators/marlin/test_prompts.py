"""What a machine asks of a person, and what it is answered."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from custom_components.printfarm.fabricators.interface import (
    FabricatorError,
    MachineEventType,
    MachineState,
    Prompt as Asked,
    Result,
    StartOutcome,
    Task,
)
from custom_components.printfarm.fabricators.marlin.events import (
    Ending,
    Prompt,
    RunEnded,
    RunPaused,
    RunResumed,
)
from custom_components.printfarm.fabricators.virtual.board import Faults

from .bench import Bench
from .test_course import START, WALL
from .test_driver import Shop
from .test_scripted import Talk, _line

CHANGE = [*START, *WALL[:40], "M600", *WALL[40:60]]
PARKED = Prompt("Nozzle Parked", ("Continue",))
LOADED = Prompt("Paused", ("PurgeMore", "Continue"))


@pytest.fixture
def bench() -> Bench:
    """A board that is ready."""
    bench = Bench()
    bench.ready()
    return bench


@pytest.fixture
def talk() -> Talk:
    """A board that says what it is told to say."""
    talk = Talk()
    talk.ready()
    return talk


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    """A driver on a board that is as fast as it goes."""
    shop = Shop()
    await shop.connect()
    yield shop
    await shop.fabricator.close()
    assert shop.task is not None
    await asyncio.wait_for(shop.task, 5)


def _asked(bench: Bench) -> Prompt | None:
    return bench.engine.dialog.question


def _until(bench: Bench, question: Prompt) -> None:
    bench.until(lambda: _asked(bench) == question)


def _answer(bench: Bench, choice: int) -> bytes:
    said = bench.engine.answer(choice, bench.now)
    bench.write(said)
    return said


def test_filament_change(bench: Bench) -> None:
    """As on a real board: purge once more, then go on."""
    bench.begin(CHANGE)
    _until(bench, PARKED)
    assert _answer(bench, 0) == b"M876 S0\n"
    assert _asked(bench) is None
    for choice in (0, 1):
        _until(bench, LOADED)
        assert _answer(bench, choice) == b"M876 S%d\n" % choice
    bench.until(lambda: bench.ending)
    assert bench.ending == RunEnded(Ending.COMPLETED)
    assert len(bench.of_type(RunResumed)) == 1
    assert _asked(bench) is None


def test_what_only_tells_something_is_no_question(bench: Bench) -> None:
    """A dialogue whose one button is Dismiss."""
    bench.begin(CHANGE)
    bench.until(lambda: bench.engine.dialog.prompt == Prompt("Pause", ("Dismiss",)))
    assert _asked(bench) is None


def test_a_cold_nozzle(bench: Bench) -> None:
    """After a while it has to be heated again first."""
    bench.begin(CHANGE)
    _until(bench, Prompt("HeaterTimeout", ("Reheat",)))
    _answer(bench, 0)
    _until(bench, Prompt("Reheat Done", ("Continue",)))
    _answer(bench, 0)
    _until(bench, LOADED)


def test_after_a_runout() -> None:
    """The sensor can be switched off; going on that way is told."""
    bench = Bench(faults=Faults(runout_at=60))
    bench.ready()
    bench.begin([*START, *WALL])
    _until(bench, PARKED)
    _answer(bench, 0)
    _until(bench, Prompt("Paused", ("PurgeMore", "DisableRunout")))
    _answer(bench, 1)
    bench.until(lambda: bench.ending)
    assert bench.ending == RunEnded(Ending.COMPLETED)


def test_cancel_while_it_asks(bench: Bench) -> None:
    """Also where M108 is no answer."""
    bench.begin(CHANGE)
    _until(bench, PARKED)
    _answer(bench, 0)
    _until(bench, LOADED)
    bench.write(bench.engine.cancel(bench.now))
    assert _asked(bench) is None
    bench.until(lambda: bench.ending, 600)
    assert bench.ending == RunEnded(Ending.CANCELLED)


def test_a_stop_by_hand_is_over_with_its_ok(bench: Bench) -> None:
    """Somebody may press the button on the machine itself."""
    bench.write(bench.engine.send("stop", b"M0 Look at the bed", bench.now))
    _until(bench, Prompt("Look at the bed", ("Continue",)))
    bench.board.answer(0)
    bench.until(lambda: _asked(bench) is None)


# Boards without prompts


def test_in_plain_words(talk: Talk) -> None:
    """What the board said of the line that waits is what it asks, each thing once."""
    talk.begin("M600", "G1 X1")
    talk.say("echo:Insert filament and send M108", "echo:busy: paused for user")
    asked = Prompt("Insert filament and send M108", ("Continue",))
    assert talk.events[-2:] == [RunPaused("firmware"), asked]
    talk.say("echo:busy: paused for user")
    assert sum(event == asked for event in talk.events) == 1
    talk.say("echo:Press button (or M108) to heat nozzle")
    talk.say("echo:busy: paused for user")
    assert talk.engine.dialog.question == Prompt(
        "Press button (or M108) to heat nozzle", ("Continue",)
    )
    assert talk.engine.answer(0, talk.now) == b"M108\n"
    talk.say("echo:busy: paused for user")
    assert talk.engine.dialog.question is None
    talk.say("echo:Insert filament and send M108", "echo:busy: paused for user")
    assert sum(event == asked for event in talk.events) == 2
    talk.engine.answer(0, talk.now)
    talk.say("ok", "ok")
    assert talk.say("ok") == _line(3, "G1 X1")


@pytest.mark.parametrize(
    ("command", "text"), [("M226 P1", "M226 P1"), ("G1 X1 F60", "Paused")]
)
def test_without_a_word(talk: Talk, command: str, text: str) -> None:
    """It is what was sent, unless that waits for nobody by itself."""
    talk.begin(command)
    talk.say("echo:busy: paused for user")
    assert talk.engine.dialog.question == Prompt(text, ("Continue",))
    talk.say("ok")
    assert talk.engine.dialog.question is None


def test_not_asked_while_going_on(talk: Talk) -> None:
    """Whoever has said to go on has answered all that follows."""
    talk.begin("M600", "G1 X1")
    talk.say("echo:busy: paused for user")
    talk.engine.resume(talk.now)
    talk.say("echo:Insert filament and send M108", "echo:busy: paused for user")
    assert talk.engine.dialog.question is None


def test_what_waits_for_something_older(talk: Talk) -> None:
    """A board that is held by what another program began asks nothing of ours."""
    talk.engine.send("look", b"M114", talk.now)
    talk.say("echo:busy: paused for user")
    assert talk.engine.dialog.question is None


def test_nobody_is_there_any_more(talk: Talk) -> None:
    """Neither a lost connection nor a killed board waits for an answer."""
    for end in (
        lambda: talk.engine.lost(),
        lambda: talk.say("Error:Printer halted. kill() called!"),
    ):
        talk.engine.open(talk.now)
        talk.ready()
        talk.engine.send("stop", b"M0", talk.now)
        talk.say("echo:busy: paused for user")
        assert talk.engine.dialog.question is not None
        end()
        assert talk.engine.dialog.question is None


# The driver


async def _change(shop: Shop, folder: Path) -> None:
    path = folder / "change.gcode"
    path.write_text("G28\nG1 Z5\nG1 X10\nM600\nG1 X20\n")
    task = Task(run=7, name="change", source=path, gcode=path)
    assert await shop.fabricator.start(task) is StartOutcome.STARTED


async def test_driver(shop: Shop, tmp_path: Path) -> None:
    """Each question is told once, shown until it is answered, and answered once."""

    async def asked(text: str, choices: tuple[str, ...], times: int) -> Asked:
        await shop.until(lambda: len(shop.told(MachineEventType.PROMPT)) == times)
        event = shop.told(MachineEventType.PROMPT)[-1]
        assert (event.run, event.text, event.choices) == (
            7,
            text,
            choices,
        )
        prompt = shop.fabricator.snapshot.prompt
        assert prompt == Asked(text, choices, prompt.at if prompt else 0.0)
        assert shop.fabricator.snapshot.message == text
        return prompt

    parked = ("Nozzle Parked", ("Continue",))
    loaded = ("Paused", ("PurgeMore", "Continue"))
    await _change(shop, tmp_path)
    await asked(*parked, 1)
    assert shop.fabricator.snapshot.state is MachineState.PAUSED
    for choice in (-1, 1):
        with pytest.raises(FabricatorError) as refused:
            await shop.fabricator.answer(choice)
        assert refused.value.key == "invalid_choice"
    await shop.fabricator.answer(0)
    assert shop.snapshots[-1].prompt is None
    first = await asked(*loaded, 2)
    await shop.fabricator.answer(0)
    assert first != await asked(*loaded, 3)
    await shop.fabricator.answer(1)
    assert (await shop.ended()).result is Result.COMPLETED
    assert len(shop.told(MachineEventType.PROMPT)) == 3
    assert shop.fabricator.snapshot.prompt is None


async def test_nothing_is_asked(shop: Shop) -> None:
    """Then there is nothing to be answered."""
    with pytest.raises(FabricatorError) as refused:
        await shop.fabricator.answer(0)
    assert refused.value.key == "no_prompt"


async def test_resume_answers_by_itself(shop: Shop, tmp_path: Path) -> None:
    """Nobody is asked what was answered in the same breath."""
    await _change(shop, tmp_path)
    await shop.until(lambda: shop.told(MachineEventType.PROMPT))
    await shop.fabricator.resume()
    await shop.ended()
    assert len(shop.told(MachineEventType.PROMPT)) == 1
