"""Stopping: bounded, twice, in the middle of anything; and what a start puts right."""

import asyncio
import logging

import pytest

from custom_components.printfarm.fabricators.interface import (
    FabricatorError,
    MachineState,
    Result,
    StartOutcome,
)
from custom_components.printfarm.farm import fleet
from custom_components.printfarm.farm.bay import CLOSE_WITHIN, Edge
from custom_components.printfarm.farm.errors import StorageError
from custom_components.printfarm.farm.model import JobStatus
from custom_components.printfarm.farm.whole import whole

from .machine import FakeFabricator
from .rig import Rig


async def test_close_twice_and_at_once(rig: Rig, machine: FakeFabricator) -> None:
    """Whoever closes waits for the one closing that there is."""
    await asyncio.gather(rig.farm.close(), rig.farm.close())
    await rig.farm.close()
    assert machine.told("leave") == 1
    with pytest.raises(StorageError, match="storage_closed"):
        await rig.farm.set_auto_start("a", True)


async def test_close_with_a_driver_that_hangs(
    rig: Rig, machine: FakeFabricator, caplog: pytest.LogCaptureFixture
) -> None:
    """It gets its time; the others and the store do not wait longer."""
    other = await rig.add("b")
    machine.closing.shut()
    closing = asyncio.create_task(rig.farm.close())
    await rig.until(lambda: machine.waiting and other.left)
    rig.clock.pass_(CLOSE_WITHIN + 0.1)
    await asyncio.wait_for(closing, 5)
    assert "Machine a did not let go in time" in caplog.text
    with pytest.raises(StorageError):
        await rig.storage.load()


async def test_close_with_a_driver_that_cannot_be_stopped(
    rig: Rig, machine: FakeFabricator, caplog: pytest.LogCaptureFixture
) -> None:
    """A driver that swallows its cancellation is left behind."""
    bay = rig.bay()
    release = asyncio.Event()

    async def stubborn() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    task = asyncio.create_task(stubborn())
    bay.tasks.append(task)
    await asyncio.sleep(0)
    closing = asyncio.create_task(rig.farm.close())
    await rig.until(lambda: machine.left)
    for _ in range(20):
        rig.clock.pass_(0.5)
        await asyncio.sleep(0.001)
    await asyncio.wait_for(closing, 5)
    assert "Machine a does not stop" in caplog.text
    release.set()
    await task


async def test_close_with_a_driver_that_breaks(
    rig: Rig, machine: FakeFabricator, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, and the store is closed."""

    async def broken() -> None:
        raise ZeroDivisionError

    machine.leave = broken  # type: ignore[method-assign]
    await rig.farm.close()
    assert "failed while closing" in caplog.text


async def test_closing_writes_down_what_the_driver_says_in_parting(
    rig: Rig, machine: FakeFabricator
) -> None:
    """A streamed print cannot go on without us."""
    job = await rig.job()
    await rig.farm.start("a")
    await rig.quiet()

    async def leave() -> None:
        machine.end(Result.FAILED, "stopped")

    machine.leave = leave  # type: ignore[method-assign]
    await rig.restart()
    over = await rig.stored(job.id)
    assert (over.status, over.reason) == (JobStatus.FAILED, "stopped")
    assert (await rig.types(job.id)).count("print_failed") == 1
    assert rig.told("print_failed") == ["print_failed"]


async def test_closing_while_a_file_is_on_its_way(
    rig: Rig, machine: FakeFabricator
) -> None:
    """The job is back in its place, nothing is halted, and it may start again."""
    machine.transferring.shut()
    machine.transfer_answer = FabricatorError("not_connected")
    job = await rig.job()
    await rig.farm.start("a")
    await rig.until(lambda: machine.waiting)

    async def leave() -> None:
        machine.show(MachineState.OFFLINE)
        machine.transferring.open()
        await asyncio.sleep(0)

    machine.leave = leave  # type: ignore[method-assign]
    await rig.restart()
    back = await rig.stored(job.id)
    assert (back.status, back.reason) == (JobStatus.QUEUED, "restarted")
    assert rig.view().halted is None
    assert machine.starts == []
    rig.machines["a"].idle()
    await rig.farm.start("a")
    await rig.quiet()
    assert rig.machines["a"].starts == [job.id]


async def test_closing_while_a_start_is_unanswered(
    rig: Rig, machine: FakeFabricator
) -> None:
    """Only the machine can tell, and it is asked."""
    machine.starting.shut()
    job = await rig.job()
    await rig.farm.start("a")
    await rig.until(lambda: machine.waiting)
    await rig.restart()
    assert (await rig.stored(job.id)).status is JobStatus.STARTING
    again = rig.machines["a"]
    again.outcomes[job.id] = None
    again.printing(job.id)
    await rig.quiet()
    assert (await rig.stored(job.id)).status is JobStatus.PRINTING
    assert again.starts == []


async def test_a_print_that_paused_while_we_were_away(
    rig: Rig, machine: FakeFabricator
) -> None:
    """The job agrees with its machine."""
    job = await rig.job()
    await rig.farm.start("a")
    await rig.quiet()
    await rig.restart()
    again = rig.machines["a"]
    again.outcomes[job.id] = None
    again.show(MachineState.PAUSED, run=job.id)
    await rig.quiet()
    assert (await rig.stored(job.id)).status is JobStatus.PAUSED
    await rig.restart()
    again = rig.machines["a"]
    again.outcomes[job.id] = None
    again.printing(job.id)
    await rig.quiet()
    assert (await rig.stored(job.id)).status is JobStatus.PRINTING


async def test_a_start_that_is_stopped_before_it_could_answer(
    rig: Rig, machine: FakeFabricator
) -> None:
    """Whoever asked for it hears that it is off."""
    await rig.job()
    async with rig.bay().lock:
        starting = asyncio.create_task(rig.farm.start("a"))
        await rig.until(lambda: rig.bay().dispatching)
        rig.bay().dispatching.cancel()  # type: ignore[union-attr]
        with pytest.raises(Exception, match="cancelled"):
            await starting
    await rig.quiet()
    assert machine.log == []


async def test_a_bug_in_a_claim_is_logged(
    rig: Rig, machine: FakeFabricator, caplog: pytest.LogCaptureFixture
) -> None:
    """It does not go by in silence, and the next start works."""

    async def broken(**_: object) -> None:
        raise ZeroDivisionError

    job = await rig.job()
    rig.storage.commit = broken  # type: ignore[method-assign]
    with pytest.raises(Exception, match="cancelled"):
        await rig.farm.start("a")
    await rig.quiet()
    assert "broke off" in caplog.text
    del rig.storage.commit
    await rig.farm.start("a")
    await rig.quiet()
    assert machine.starts == [job.id]


async def test_a_bug_in_a_transfer_gives_the_job_back(
    rig: Rig, machine: FakeFabricator, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing was sent, so the job is where it was."""
    machine.transfer_answer = ZeroDivisionError()
    job = await rig.job()
    await rig.farm.start("a")
    await rig.quiet()
    back = await rig.stored(job.id)
    assert (back.status, back.reason) == (JobStatus.QUEUED, "start_failed")
    machine.transfer_answer = FabricatorError("no_answer", "silence")
    await rig.farm.start("a")
    await rig.quiet()
    back = await rig.stored(job.id)
    assert (back.reason, back.reason_text) == ("no_answer", "silence")
    machine.transfer_answer = OSError(5, "Input/output error")
    await rig.farm.start("a")
    await rig.quiet()
    assert (await rig.stored(job.id)).reason == "file_unreadable"
    assert rig.view().halted == "file_unreadable"


async def test_an_automatic_claim_that_the_store_refuses(
    rig: Rig, machine: FakeFabricator, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged once, and tried again when the store is trusted again."""
    await rig.farm.set_auto_start("a", True)
    commit = rig.storage.commit

    async def full(**changes: object) -> object:
        if any(job.status is JobStatus.STARTING for job in changes["jobs"]):  # type: ignore[attr-defined]
            raise StorageError("storage_full")
        return await commit(**changes)  # type: ignore[arg-type]

    rig.storage.commit = full  # type: ignore[method-assign, assignment]
    job = await rig.job()
    await rig.quiet()
    assert machine.starts == []
    assert caplog.text.count("did not get a job") == 1
    del rig.storage.commit
    await rig.pass_(31)
    machine.idle()
    await rig.pass_(61)
    machine.idle()
    await rig.quiet()
    assert machine.starts == [job.id]


async def test_a_caller_that_goes_away_leaves_no_half_change(
    rig: Rig, machine: FakeFabricator
) -> None:
    """Memory and store stay the same, whenever the request is dropped."""
    for pause in range(12):
        adding = asyncio.create_task(rig.job())
        for _ in range(pause * 3):
            await asyncio.sleep(0)
        adding.cancel()
        await asyncio.wait([adding])
    await rig.quiet()
    stored = [job.id for job in await rig.all_jobs()]
    assert [item.job.id for item in rig.farm.queue()] == stored


@pytest.mark.parametrize("failure", [None, ValueError("spoilt"), "cancelled"])
async def test_whole_does_not_give_in(failure: Exception | str | None) -> None:
    """However often the caller is cancelled, and however the work ends, it does end."""
    begun, allowed, over = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        try:
            await allowed.wait()
            if failure == "cancelled":
                raise asyncio.CancelledError
            if isinstance(failure, Exception):
                raise failure
        finally:
            over.set()

    task = asyncio.create_task(whole(work()))
    await begun.wait()
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not task.done()
    allowed.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert over.is_set()


async def test_whole_lets_nothing_half_done() -> None:
    """The work ends before the cancellation gets through."""
    begun, go_on = asyncio.Event(), asyncio.Event()
    done: list[str] = []

    async def work() -> str:
        begun.set()
        await go_on.wait()
        done.append("done")
        return "answer"

    task = asyncio.create_task(whole(work()))
    await begun.wait()
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == ["done"]
    assert await whole(work()) == "answer"


async def test_a_print_without_its_file_is_followed_all_the_same(
    rig: Rig,
    machine: FakeFabricator,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its layers are not known, but its end is."""
    job = await rig.job()
    await rig.farm.start("a")
    await rig.quiet()
    file = await rig.farm.library.file(job.file_id or 0)
    rig.farm.library.path(file).unlink()
    await rig.restart()
    await rig.until(lambda: "No index for job" in caplog.text)
    again = rig.machines["a"]
    await rig.until(lambda: again.runs)
    again.outcomes[job.id] = None
    again.printing(job.id)
    await rig.quiet()
    again.end()
    await rig.quiet()
    assert (await rig.stored(job.id)).status is JobStatus.COMPLETED
    assert fleet.INDEX_WITHIN


async def test_a_job_whose_file_has_vanished_is_given_back(
    rig: Rig, machine: FakeFabricator
) -> None:
    """Somebody emptied the folder."""
    job = await rig.job()
    file = await rig.farm.library.file(job.file_id or 0)
    rig.farm.library.path(file).unlink()
    await rig.farm.start("a")
    await rig.quiet()
    back = await rig.stored(job.id)
    assert (back.status, back.reason) == (JobStatus.QUEUED, "file_not_found")


async def test_open_fails_on_a_full_disk(
    rig: Rig, machine: FakeFabricator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a crash left cannot be put right, so the farm does not open."""
    machine.transferring.shut()
    await rig.job()
    await rig.farm.start("a")
    await rig.until(lambda: machine.waiting)
    await rig.farm.close()
    monkeypatch.setattr(type(rig.storage), "failing", "storage_full")
    with pytest.raises(StorageError, match="storage_full"):
        await rig.open()
    await rig.storage.close()
    monkeypatch.undo()
    await rig.open()
    assert rig.farm.queue()[0].job.reason == "restarted"


async def test_nothing_is_started_before_go(rig: Rig, machine: FakeFabricator) -> None:
    """Automations have to listen first."""
    job = await rig.job()
    await rig.farm.set_auto_start("a", True)
    await rig.quiet()
    machine.end()
    await rig.quiet()
    await rig.farm.release("a")
    again = await rig.farm.requeue(job.id)
    await rig.restart(go=False)
    rig.machines["a"].idle()
    await rig.quiet()
    started = rig.machines["a"].starts
    rig.farm.go()
    await rig.quiet()
    assert started == []
    assert machine.starts + rig.machines["a"].starts == [job.id, again.id]


async def test_an_orderly_stop_says_nothing_wrong(
    rig: Rig, machine: FakeFabricator, caplog: pytest.LogCaptureFixture
) -> None:
    """No warning, no error."""
    caplog.set_level(logging.WARNING)
    await rig.job()
    machine.start_answer = StartOutcome.STARTED
    await rig.farm.start("a")
    await rig.quiet()
    await rig.farm.close()
    assert caplog.records == []


async def test_prints_are_ended_before_closing(
    rig: Rig, machine: FakeFabricator
) -> None:
    """Where nothing outlives us: the end is stored, and told by the next farm."""
    job = await rig.job()
    await rig.job()
    await rig.farm.start("a")
    await rig.quiet()
    rig.farm.subscribe(lambda event: pytest.fail(f"{event.type} was told"))

    async def deed() -> None:
        machine.end(Result.FAILED, "stopped")

    await rig.farm.see_off(deed)
    over = await rig.stored(job.id)
    assert (over.status, over.reason) == (JobStatus.FAILED, "stopped")
    assert not machine.left
    await rig.restart()
    assert rig.told("print_failed") == ["print_failed"]
    assert (await rig.types(job.id)).count("print_failed") == 1


async def test_prints_are_ended_while_a_start_is_unanswered(
    rig: Rig, machine: FakeFabricator
) -> None:
    """It is not waited for, and nothing is sent a second time."""
    machine.starting.shut()
    job = await rig.job()
    await rig.farm.start("a")
    await rig.until(lambda: machine.waiting)

    async def deed() -> None:
        machine.offline()

    await rig.farm.see_off(deed)
    await rig.restart()
    assert (await rig.stored(job.id)).status is JobStatus.STARTING
    assert rig.machines["a"].starts == []


async def test_what_cannot_be_stored_holds_nobody_up(
    rig: Rig, machine: FakeFabricator, caplog: pytest.LogCaptureFixture
) -> None:
    """The machine tells it to the next farm."""
    stuck = asyncio.Event()

    async def hang(*_: object) -> None:
        await stuck.wait()

    rig.bay().mailbox.put_nowait(Edge.ONLINE)
    rig.farm._fleet._runs._edges[Edge.ONLINE] = hang

    async def deed() -> None:
        machine.offline()

    ending = asyncio.create_task(rig.farm.see_off(deed))
    while not ending.done():
        rig.clock.pass_(1.0)
        await asyncio.sleep(0.001)
    assert "What Machine a said is not stored" in caplog.text
    stuck.set()
