"""What may be asked of the process, and what it is answered."""

from dataclasses import replace

import pytest

from custom_components.printfarm.fabricators.interface import (
    Checkpoint,
    FabricatorConfig,
    MachineState,
    Result,
    StartOutcome,
)
from custom_components.printfarm.fabricators.streamer import messages
from tests.fabricators.streamer.conftest import Next
from tests.fabricators.streamer.hosted import CONFIG, Hosted, task


async def test_adds_a_machine(following: Next) -> None:
    """Its driver is made with all that it keeps on disk, and what it sees is told."""
    hosted = await following()
    answer = await hosted.add()
    assert messages.snapshot_from_json(answer["snapshot"]).state is MachineState.OFFLINE
    assert messages.capabilities_from_json(answer["capabilities"]).pause
    driver = hosted.driver()
    assert driver.config == CONFIG
    assert driver.lost is None
    assert driver.tape is not None
    assert driver.log_path == hosted.shelf.folder / "gcode-a.log"
    assert await hosted.ask("machines") == {
        "machines": [messages.config_to_json(CONFIG)]
    }


async def test_adopts_the_same_machine_under_a_new_name(hosted: Hosted) -> None:
    """A print goes on when its fabricator is added again or renamed."""
    driver = hosted.driver()
    await hosted.start()
    answer = await hosted.add(replace(CONFIG, name="B"))
    assert answer["snapshot"]["run"] == 7
    assert hosted.driver() is driver
    assert driver.config.name == "B"
    assert not driver.closed


async def test_another_configuration_replaces_an_idle_machine(hosted: Hosted) -> None:
    """Another port means another driver."""
    old = hosted.driver()
    await hosted.add(replace(CONFIG, options={"port": "/dev/ttyUSB1"}))
    assert old.closed
    assert hosted.driver() is not old
    assert not hosted.driver().closed


async def test_another_configuration_never_disturbs_a_print(hosted: Hosted) -> None:
    """It is refused, and all stays as it is."""
    driver = hosted.driver()
    await hosted.start()
    other = replace(CONFIG, options={"port": "/dev/ttyUSB1"})
    assert await hosted.refused("add", "a", config=messages.config_to_json(other)) == (
        "busy"
    )
    assert hosted.driver() is driver
    assert not driver.closed


async def test_refuses_protocols_of_others(hosted: Hosted) -> None:
    """A process drives what it was started for."""
    config = messages.config_to_json(replace(CONFIG, protocol="bambu"))
    assert await hosted.refused("add", "b", config=config) == "unknown_protocol"


@pytest.mark.parametrize(
    ("key", "config"),
    [
        ("", CONFIG),
        ("a" * 201, CONFIG),
        ("b", replace(CONFIG, options=["port"])),  # type: ignore[arg-type]
        ("b", replace(CONFIG, options={"broken": True})),
    ],
)
async def test_a_configuration_that_makes_no_sense_adds_nothing(
    hosted: Hosted, key: str, config: FabricatorConfig
) -> None:
    """The machines that are there are not touched."""
    given = {
        "key": key,
        "name": config.name,
        "protocol": config.protocol,
        "options": config.options,
    }
    with pytest.raises((ValueError, KeyError)):
        await hosted.ask("add", key, config=given)
    assert len((await hosted.ask("machines"))["machines"]) == 1


async def test_keys_cannot_leave_the_folder(hosted: Hosted) -> None:
    """A key is a part of names of files, whatever it holds."""
    await hosted.add(replace(CONFIG, key="../../x"))
    assert (hosted.shelf.folder / "run-..%2F..%2Fx.json").exists()


async def test_removes_a_machine_and_its_files(hosted: Hosted) -> None:
    """Its run ends first, and that is told."""
    driver = hosted.driver()
    assert driver.log_path is not None
    driver.log_path.write_text("")
    await hosted.start()
    await hosted.ask("remove", "a")
    assert hosted.events() == ["started", "ended"]
    assert driver.closed
    assert list(hosted.shelf.folder.iterdir()) == []
    assert await hosted.refused("pause", "a") == "unknown_fabricator"
    await hosted.ask("remove", "a")


async def test_passes_on_what_a_machine_is_told(hosted: Hosted) -> None:
    """One operation for each method of the interface."""
    assert await hosted.ask("pause", "a") is None
    assert await hosted.ask("resume", "a") is None
    assert await hosted.ask("cancel", "a") is None
    assert await hosted.ask("answer", "a", choice=1) is None
    assert await hosted.ask("command", "a", line="M114") == {"lines": ["ok", "M114"]}
    assert await hosted.ask("set_target", "a", heater="bed", celsius=60) is None
    assert await hosted.ask("set_gcode_log", "a", on=True) is None
    said = ["pause", "resume", "cancel", "answer 1", "M114", ("bed", 60.0), True]
    assert hosted.driver().said == said
    assert await hosted.ask("wire", "a") == {"lines": ["> G28", "< ok"]}
    located = await hosted.ask(
        "locate",
        "a",
        checkpoint=messages.checkpoint_to_json(Checkpoint(position=4, at=1.0)),
    )
    assert located["checkpoint"]["position"] == 5


async def test_passes_on_why_a_machine_cannot(hosted: Hosted) -> None:
    """The driver's own word."""
    assert await hosted.refused("command", "a", line="M999") == "not_connected"


@pytest.mark.parametrize("op", ["dance", "_pause", "busy", None, 7, ["add"]])
async def test_refuses_what_it_does_not_know(hosted: Hosted, op: object) -> None:
    """Also operations of the process that are asked of a machine."""
    assert await hosted.refused(op, "a") == "unknown_op"


async def test_a_machine_that_was_not_added_is_unknown(hosted: Hosted) -> None:
    """Nothing is made for a mere question."""
    assert await hosted.refused("start", "x", task=messages.task_to_json(task())) == (
        "unknown_fabricator"
    )
    assert await hosted.refused("pause", None) == "unknown_op"
    assert (await hosted.end_of(3, "x"))["result"] == "unknown"
    assert await hosted.ask("forget", "x", run=3) is None


async def test_a_task_without_a_number_is_none(hosted: Hosted) -> None:
    """A run is told from others by its number alone."""
    given = messages.task_to_json(task()) | {"run": "7"}
    with pytest.raises(TypeError):
        await hosted.ask("start", "a", task=given)
    assert hosted.driver().starts == []


async def test_says_what_is_under_way(hosted: Hosted) -> None:
    """With how far it is, where that is known."""
    assert await hosted.ask("busy") == {"runs": [], "release": "0.3.0"}
    await hosted.start()
    run = {"key": "a", "name": "A", "run": 7, "file": "7.gcode", "progress": None}
    assert (await hosted.ask("busy"))["runs"] == [run]
    hosted.driver().report(position=25, size=100)
    assert (await hosted.ask("busy"))["runs"] == [run | {"progress": 0.25}]


async def test_quits_only_without_a_print(hosted: Hosted) -> None:
    """Unless it is forced to."""
    await hosted.start()
    assert await hosted.refused("quit") == "busy"
    assert await hosted.refused("quit", force="yes") == "busy"
    assert hosted.quits == 0
    await hosted.ask("quit", force=True)
    assert hosted.quits == 1
    hosted.driver().end()
    await hosted.until(lambda: not hosted.host.busy)
    await hosted.ask("quit")
    assert hosted.quits == 2


async def test_nothing_begins_while_it_ends(hosted: Hosted) -> None:
    """Whoever asks too late is told so; what never changes is still answered."""
    await hosted.close()
    assert await hosted.refused("pause", "a") == "not_connected"
    assert (await hosted.ask("busy"))["runs"] == []


# What became of a run


async def test_a_run_that_was_never_heard_of_was_not_started(hosted: Hosted) -> None:
    """The process keeps every run before it touches it."""
    await hosted.start(7)
    assert (await hosted.end_of(8))["result"] == Result.NOT_STARTED


async def test_where_nothing_was_ever_printed_nobody_knows(hosted: Hosted) -> None:
    """It may have been printed before this process was introduced, or elsewhere."""
    assert (await hosted.end_of(8))["result"] == Result.UNKNOWN


async def test_tells_what_became_of_a_run(hosted: Hosted) -> None:
    """Also after it was forgotten, as long as it was the last one."""
    await hosted.start()
    assert await hosted.end_of(7) is None
    hosted.driver().end(Result.CANCELLED, reason="user")
    await hosted.until(lambda: "ended" in hosted.events())
    assert (await hosted.end_of(7))["result"] == "cancelled"
    await hosted.ask("forget", "a", run=6)
    await hosted.ask("forget", "a", run=7)
    assert (await hosted.end_of(7))["result"] == "cancelled"


@pytest.mark.parametrize(
    ("outcome", "result"),
    [
        (StartOutcome.REFUSED, Result.NOT_STARTED),
        (StartOutcome.UNKNOWN, Result.UNKNOWN),
    ],
)
async def test_tells_what_became_of_a_start_that_was_not_seen(
    hosted: Hosted, outcome: StartOutcome, result: Result
) -> None:
    """Nothing is announced of it: whoever asked was answered, or comes to ask."""
    hosted.driver().outcome_of_start = outcome
    assert await hosted.start() == outcome
    assert (await hosted.end_of(7))["result"] == result
    assert not hosted.host.busy
    assert hosted.events() == []
    await hosted.add()
    assert hosted.events() == []
