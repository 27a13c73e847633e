"""Ten thousand jobs in the history and five hundred in the queue: work is counted."""

from collections import Counter
from collections.abc import Callable
import sqlite3

import pytest

from custom_components.printfarm.farm import draw, queue
from custom_components.printfarm.farm.model import NewJob
from custom_components.printfarm.store import rows

from .rig import START, Rig

HISTORY = 10_000
QUEUED = 500
FABRICATORS = 10


class Work:
    """Counts calls of what is slow when done too often."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        """Count from now on."""
        self.done: Counter[str] = Counter()
        for module, name in (
            (rows, "job_from_row"),
            (queue, "order"),
            (queue, "fits"),
            (draw, "fabricator_view"),
            (draw, "obstacle"),
        ):
            patch.setattr(module, name, self._counted(name, getattr(module, name)))

    def _counted[**P, T](self, name: str, work: Callable[P, T]) -> Callable[P, T]:
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            self.done[name] += 1
            return work(*args, **kwargs)

        return call


async def filled(rig: Rig) -> None:
    """Fill the store behind the farm's back, and open the farm on it."""
    file = await rig.file()
    new = [NewJob(file_id=file.id, name=f"Job {number}") for number in range(HISTORY)]
    await rig.storage.add_jobs(new, START)
    await rig.farm.close()
    with sqlite3.connect(rig.folder / "farm.db") as store:
        store.execute("UPDATE job SET status = 'completed', ended_at = created_at")
    store.close()
    await rig.open()
    await rig.farm.add_jobs(file_id=file.id, copies=QUEUED)
    await rig.restart()


async def test_a_full_house(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The history costs nothing; the queue is sorted once per change, not per look."""
    await filled(rig)
    work = Work(monkeypatch)

    await rig.restart()
    assert work.done["job_from_row"] == QUEUED

    for number in range(FABRICATORS):
        await rig.add(f"m{number}")
    machine = rig.machines["m0"]
    work.done.clear()
    queued = rig.farm.queue()
    assert len(queued) == QUEUED
    assert work.done["order"] <= 1
    assert work.done["fits"] <= FABRICATORS
    assert work.done["obstacle"] == FABRICATORS

    work.done.clear()
    for _ in range(20):
        rig.farm.queue()
        rig.farm.views()
    assert work.done["order"] == 0
    assert work.done["fits"] == 0

    seen: list[object] = []
    for number in range(FABRICATORS):
        rig.farm.watch(f"m{number}", seen.append)
    rig.farm.watch_farm(seen.append)
    await rig.pass_(2)
    work.done.clear()
    for _ in range(100):
        for each in rig.machines.values():
            each.show()
    await rig.pass_(0)
    # Each fabricator once for itself and once for the farm's numbers.
    assert work.done["fabricator_view"] <= 2 * FABRICATORS
    assert work.done["order"] == 0

    work.done.clear()
    job = await rig.farm.start("m0")
    await rig.quiet()
    assert machine.starts == [job.id]
    machine.end()
    await rig.quiet()
    await rig.farm.release("m0")
    assert work.done["job_from_row"] <= 2
    # The claim alone changes the queue; what then happens on the machine does not.
    assert work.done["order"] == 1
    assert work.done["fits"] <= FABRICATORS
