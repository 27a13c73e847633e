"""What is shown: every field, frozen at the end, at a pace that people can follow."""

from datetime import timedelta

import pytest

from custom_components.printfarm.fabricators.interface import (
    MachineEventType,
    MachineState,
    Result,
    Temperature,
)
from custom_components.printfarm.farm import estimate
from custom_components.printfarm.farm.farm import OFFLINE_FOR
from custom_components.printfarm.farm.view import Command, FabricatorView, FarmView

from .gcode import sliced
from .machine import FakeFabricator
from .rig import START, Rig


async def _print(rig: Rig, layers: int = 10) -> int:
    file = await rig.file(content=sliced(layers=layers))
    job = await rig.job(file=file)
    await rig.farm.start("a", job.id)
    await rig.quiet()
    return job.id


def _place(rig: Rig, share: float) -> int:
    """Give the byte at which this share of the print time is over."""
    index = rig.bay().progress.index
    assert index is not None
    return next(
        byte
        for byte in range(int(index.offsets[-1]) + 1)
        if index.at(byte).progress >= share
    )


async def test_an_idle_fabricator(rig: Rig, machine: FakeFabricator) -> None:
    """Nothing printed, nothing waiting."""
    machine.show(
        nozzles=(Temperature(21.5, 0.0),),
        bed=Temperature(22.0, 0.0),
        chamber=Temperature(25.0),
        firmware="Marlin 2.1",
        model="Ender",
        message="Ready.",
    )
    assert rig.view() == FabricatorView(
        id=1,
        key="a",
        name="Machine a",
        protocol="fake",
        status=rig.view().status,
        connected=True,
        bed_clear=True,
        auto_start=False,
        maintenance=False,
        halted=None,
        external=False,
        unsettled=False,
        problem=None,
        message="Ready.",
        prompt=None,
        gcode_log=False,
        offer=None,
        recoverable=False,
        job=None,
        file=None,
        file_name=None,
        progress=0.0,
        layer=None,
        layers=None,
        layer_height=None,
        max_layer_height=None,
        started=None,
        finish=None,
        remaining=None,
        filament_used=None,
        nozzles=(Temperature(21.5, 0.0),),
        bed=Temperature(22.0, 0.0),
        chamber=Temperature(25.0),
        capabilities=machine.capabilities,
        firmware="Marlin 2.1",
        model="Ender",
        queue_length=0,
        waiting_reason=None,
        next_job_id=None,
        completed=0,
        failed=0,
        cancelled=0,
        print_time=0.0,
        filament_length=0.0,
        filament_weight=0.0,
    )
    assert rig.view().status == "idle"
    assert rig.view().available == frozenset()
    waiting = await rig.job()
    view = rig.view()
    assert (view.queue_length, view.next_job_id) == (1, waiting.id)
    assert view.waiting_reason == "auto_start_off"
    assert view.available == {Command.START}


async def test_a_print_from_begin_to_release(rig: Rig, machine: FakeFabricator) -> None:
    """Progress, layers, heights, times and filament, and what stays until released."""
    job_id = await _print(rig)
    assert rig.view().progress is None
    total = rig.bay().progress.index.at(0).remaining  # type: ignore[union-attr]
    half = _place(rig, 0.5)
    machine.show(position=0)
    rig.clock.pass_(total / 2)
    machine.show(position=half)
    await rig.quiet()
    view = rig.view()
    assert view.job is not None
    assert (view.job.id, view.file_name) == (job_id, "tower.gcode")
    assert view.file is not None
    assert view.status == "printing"
    assert view.progress == pytest.approx(50, abs=3)
    assert view.layers == 10
    assert view.layer in (5, 6)
    assert view.layer_height == pytest.approx(view.layer * 0.2)
    assert view.max_layer_height == pytest.approx(2.0)
    assert view.started == START
    assert view.remaining == pytest.approx(total / 2, rel=0.1)
    assert view.finish is not None
    assert abs(view.finish - START - timedelta(seconds=total)) < timedelta(seconds=61)
    assert view.filament_used == pytest.approx(20, abs=3)
    assert view.available == {Command.PAUSE, Command.CANCEL}
    machine.end()
    await rig.quiet()
    ended = rig.clock.utcnow()
    rig.clock.pass_(500)
    machine.show(nozzles=(Temperature(50.0, 0.0),))
    await rig.quiet()
    view = rig.view()
    assert (view.status, view.progress, view.remaining) == ("finished", 100.0, 0.0)
    assert (view.finish, view.started, view.layer) == (ended, START, 10)
    assert view.layer_height == pytest.approx(2.0)
    assert view.filament_used == pytest.approx(40.0)
    assert view.filament_length == pytest.approx(40.0)
    assert view.print_time == pytest.approx((ended - START).total_seconds())
    assert view.available == {Command.RELEASE}
    await rig.restart()
    rig.machines["a"].idle()
    again = rig.view()
    assert (again.progress, again.layer, again.layers) == (100.0, 10, 10)
    assert (again.finish, again.started) == (ended, START)
    assert again.job == view.job
    await rig.farm.release("a")
    view = rig.view()
    assert (view.job, view.file, view.progress, view.finish) == (None, None, 0.0, None)


async def test_a_failed_print_stays_where_it_was(
    rig: Rig, machine: FakeFabricator
) -> None:
    """Not at 100 %, and its filament counts by the share printed."""
    await _print(rig)
    machine.show(position=_place(rig, 0.5))
    machine.show(error="Thermal runaway")
    assert rig.view().problem == "Thermal runaway"
    machine.end(Result.FAILED)
    await rig.quiet()
    view = rig.view()
    assert view.progress == pytest.approx(50, abs=3)
    assert view.remaining is None
    assert view.filament_length == pytest.approx(20, abs=2)
    await rig.restart()
    await rig.until(lambda: rig.view().progress)
    view = rig.view()
    assert view.progress == pytest.approx(50, abs=3)
    assert (view.layer, view.layers) == (5, 10)


async def test_a_machine_that_says_progress_itself(
    rig: Rig, machine: FakeFabricator
) -> None:
    """Where no byte is reported, the machine's own words are taken."""
    await _print(rig)
    machine.show(progress=0.4, layer=3, layers=9, remaining=120.0)
    view = rig.view()
    assert (view.progress, view.layer, view.layers, view.remaining) == (40, 3, 9, 120)
    assert view.filament_used is None
    machine.show(progress=None, layer=None, layers=None, remaining=None)
    assert rig.view().progress == 40
    assert rig.view().layers == 10


async def test_a_file_without_an_index(rig: Rig, machine: FakeFabricator) -> None:
    """Then the share of bytes has to do."""
    await _print(rig)
    rig.bay().progress = type(rig.bay().progress)()
    machine.show(position=250, size=1000)
    assert rig.view().progress == 25.0


async def test_the_finish_stays_calm(rig: Rig, machine: FakeFabricator) -> None:
    """It moves when it is off by a minute, not with every breath."""
    await _print(rig)
    machine.show(remaining=600.0)
    first = rig.view().finish
    for _ in range(5):
        rig.clock.pass_(5)
        machine.show(remaining=600.0)
        assert rig.view().finish == first
    rig.clock.pass_(60)
    machine.show(remaining=600.0)
    assert rig.view().finish != first


def test_the_estimate_learns_the_machines_pace() -> None:
    """Twice as slow so far: twice as long to go, the surer the further it is."""
    assert estimate.remaining(None, 10.0, 0.0, 100.0) == 100.0
    anchor = estimate.Anchor(wall=0.0, file=0.0)
    assert estimate.remaining(anchor, 100.0, 50.0, 50.0) == 100.0
    early = estimate.remaining(anchor, 2.0, 1.0, 99.0)
    assert 99.0 < early < 198.0
    assert estimate.remaining(anchor, 0.0, 1.0, 99.0) == 99.0


async def test_a_pause_does_not_count_as_slowness(
    rig: Rig, machine: FakeFabricator
) -> None:
    """Two hours at lunch do not make the rest of the print longer."""
    await _print(rig)
    machine.show(position=_place(rig, 0.1))
    machine.show(position=_place(rig, 0.5))
    machine.paused()
    await rig.quiet()
    before = rig.view().remaining
    rig.clock.pass_(7200)
    machine.show()
    machine.resumed()
    await rig.quiet()
    machine.show(position=_place(rig, 0.52))
    after = rig.view().remaining
    assert before is not None
    assert after is not None
    assert after <= before * 1.1


async def test_milestones_are_told_once(rig: Rig, machine: FakeFabricator) -> None:
    """25, 50 and 75 %, in order, also over a restart."""
    job_id = await _print(rig)
    for share in (0.1, 0.26, 0.27, 0.24, 0.52):
        machine.show(position=_place(rig, share))
        await rig.quiet()
    await rig.restart()
    again = rig.machines["a"]
    again.outcomes[job_id] = None
    again.printing(job_id)
    await rig.until(lambda: rig.bay().progress.index is not None)
    for share in (0.55, 0.3, 0.8, 0.99):
        again.show(position=_place(rig, share))
        await rig.quiet()
    told = [event for event in rig.events if event.type == "print_progress"]
    assert [event.progress for event in told] == [25, 50, 75]  # type: ignore[attr-defined]


async def test_loss_and_return_are_told_after_a_while(
    rig: Rig, machine: FakeFabricator
) -> None:
    """A flapping connection makes no storm; a lost machine is told once, and back once."""
    for _ in range(30):
        machine.offline()
        await rig.pass_(OFFLINE_FOR / 2)
        machine.show(MachineState.CONNECTING)
        machine.idle()
        await rig.quiet()
    assert rig.told("printer_offline", "printer_online") == []
    machine.offline()
    await rig.pass_(OFFLINE_FOR + 1)
    machine.show(MachineState.CONNECTING)
    await rig.pass_(OFFLINE_FOR + 1)
    assert rig.told("printer_offline", "printer_online") == ["printer_offline"]
    machine.idle()
    await rig.quiet()
    assert rig.told()[-2:] == ["printer_offline", "printer_online"]


async def test_a_machine_that_was_never_there_is_no_loss(rig: Rig) -> None:
    """Off when we start: a state, not an event."""
    machine = await rig.add(idle=False)
    machine.show(MachineState.CONNECTING)
    await rig.pass_(60)
    machine.idle()
    await rig.quiet()
    assert rig.told() == []


async def test_runout_and_error_are_told(rig: Rig, machine: FakeFabricator) -> None:
    """With the job that they befell; a prompt is only shown."""
    job_id = await _print(rig)
    machine.say(MachineEventType.FILAMENT_RUNOUT, job_id, text="No filament")
    machine.say(MachineEventType.ERROR, job_id, reason="heater_fault", text="T0")
    machine.say(MachineEventType.PROMPT, job_id, text="Insert filament")
    await rig.quiet()
    runout, error = rig.events[-2:]
    assert (runout.type, runout.job_id, runout.text) == (
        "filament_runout",
        job_id,
        "No filament",
    )
    assert (error.type, error.reason) == ("printer_error", "heater_fault")


async def test_an_event_that_cannot_be_taken_in_does_not_stop_the_rest(
    rig: Rig, machine: FakeFabricator, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, and the next one is taken in."""
    job_id = await _print(rig)
    machine.say("nonsense", job_id)  # type: ignore[arg-type]
    machine.end()
    await rig.quiet()
    assert "Could not take in" in caplog.text
    assert rig.view().status == "finished"


async def test_watchers_see_changes_at_a_walking_pace(
    rig: Rig, machine: FakeFabricator
) -> None:
    """Once a second; a new status at once; nothing where nothing changes."""
    seen: list[FabricatorView] = []
    end = rig.farm.watch("a", seen.append)
    await rig.pass_(2)
    machine.show(message="first")
    await rig.pass_(0)
    assert [view.message for view in seen] == ["first"]
    for number in range(50):
        machine.show(message=f"{number}")
        await rig.pass_(0)
    assert len(seen) == 1
    await rig.pass_(1.1)
    assert [view.message for view in seen] == ["first", "49"]
    machine.show(message="shortly before")
    machine.show(MachineState.ERROR)
    await rig.pass_(0)
    assert seen[-1].status == "error"
    assert len(seen) == 3
    await rig.pass_(5)
    assert len(seen) == 3
    end()
    end()
    machine.idle()
    await rig.pass_(2)
    assert len(seen) == 3


async def test_watchers_of_the_farm(rig: Rig, machine: FakeFabricator) -> None:
    """The farm's numbers, once a second at most, and also when a fabricator leaves."""
    seen: list[FarmView] = []
    end = rig.farm.watch_farm(seen.append)
    await rig.job()
    await rig.pass_(1.1)
    assert seen[-1].queue_length == 1
    before = len(seen)
    for _ in range(20):
        machine.show()
    await rig.pass_(0)
    assert len(seen) <= before + 1
    await rig.remove("a")
    await rig.pass_(1.1)
    assert seen[-1].fabricators == 0
    end()
    end()


async def test_a_watcher_that_fails(
    rig: Rig, machine: FakeFabricator, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged; one whose fabricator is gone ends quietly."""

    def broken(_: FabricatorView) -> None:
        raise ZeroDivisionError

    end = rig.farm.watch("a", broken)
    machine.show(MachineState.ERROR)
    await rig.pass_(1)
    assert "Could not show a" in caplog.text
    machine.show(message="soon")
    await rig.remove("a")
    end()
    await rig.pass_(2)
    rig.machines["a"] = machine


async def test_the_farm_in_numbers(rig: Rig) -> None:
    """Who prints, who needs a person, and when somebody is free."""
    assert rig.farm.farm_view() == FarmView(
        fabricators=0,
        queue_length=0,
        printing=0,
        needs_attention=0,
        next_free=None,
        completed=0,
        failed=0,
        cancelled=0,
        print_time=0.0,
        filament_length=0.0,
        filament_weight=0.0,
    )
    for key in "abc":
        await rig.add(key)
    jobs = await rig.jobs(4)
    assert rig.farm.farm_view().next_free == START
    for key, job in zip("abc", jobs, strict=False):
        await rig.farm.start(key, job.id)
    await rig.quiet()
    rig.machines["a"].show(remaining=600.0)
    rig.machines["b"].show(remaining=300.0)
    rig.machines["c"].end(Result.FAILED)
    await rig.quiet()
    view = rig.farm.farm_view()
    assert (view.fabricators, view.queue_length, view.printing) == (3, 1, 2)
    assert (view.needs_attention, view.failed) == (1, 1)
    assert view.next_free == START + timedelta(seconds=300)
    rig.machines["a"].paused()
    await rig.quiet()
    assert rig.farm.farm_view().needs_attention == 2
    assert [view.key for view in rig.farm.views()] == ["a", "b", "c"]
    assert rig.farm.key_of(rig.view("b").id) == "b"


async def test_queue_empty_is_told_with_the_last_end(
    rig: Rig, machine: FakeFabricator
) -> None:
    """Not while anything waits or prints elsewhere."""
    other = await rig.add("b")
    jobs = await rig.jobs(2)
    for key, job in zip("ab", jobs, strict=True):
        await rig.farm.start(key, job.id)
    await rig.quiet()
    machine.end()
    await rig.quiet()
    assert rig.told("queue_empty") == []
    other.end()
    await rig.quiet()
    assert rig.told("queue_empty") == ["queue_empty"]
