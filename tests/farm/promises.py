"""What holds of a farm after every step, whatever is done in whatever order."""

import asyncio
from collections import Counter

from hypothesis.stateful import invariant

from custom_components.printfarm.farm.model import ENDED, HOLDING, OPEN, JobStatus

from .rig import Rig

END_EVENTS = {"print_complete", "print_failed", "print_cancelled"}


class Promises:
    """The invariants; whoever has them keeps count of what happened."""

    rig: Rig
    runner: asyncio.Runner
    starts: Counter[int]
    refused: Counter[int]
    wrong: list[str]
    over: dict[int, JobStatus]
    added: int

    @invariant()
    def all_holds(self) -> None:
        """After every step."""
        if not hasattr(self.rig, "farm"):
            return
        self._nothing_wrong_was_started()
        self._memory_and_store_agree()
        self._ends_are_told_once()
        self._everything_can_be_looked_at()

    def _nothing_wrong_was_started(self) -> None:
        """I1, I2."""
        assert self.wrong == []
        for job_id, count in self.starts.items():
            assert count - self.refused[job_id] <= 1, f"job {job_id} started twice"

    def _memory_and_store_agree(self) -> None:
        """Nothing is lost, and what is shown is what is kept."""
        jobs = self.runner.run(self.rig.all_jobs())
        assert len(jobs) == self.added
        ledger = self.rig.farm._ledger
        kept = {job.id: job for job in jobs if job.status in OPEN}
        assert ledger.book._jobs == kept
        holders = Counter(job.fabricator_id for job in jobs if job.status in HOLDING)
        assert set(holders.values()) <= {1}
        assert {job.fabricator_id: job for job in ledger.book.holding()} == {
            job.fabricator_id: job for job in kept.values() if job.status in HOLDING
        }
        loaded = self.runner.run(self.rig.storage.load())
        assert {record.id: record for record in loaded.fabricators} == ledger.records
        assert loaded.unannounced == ()
        for job in jobs:
            if job.id in self.over:
                assert job.status is self.over[job.id], "an end was taken back"
            if job.status in ENDED:
                self.over[job.id] = job.status

    def _ends_are_told_once(self) -> None:
        """I3."""
        events = self.rig.events
        ids = [event.id for event in events]
        assert len(ids) == len(set(ids))
        ends = Counter(event.job_id for event in events if event.type in END_EVENTS)
        assert set(ends.values()) <= {1}
        removed = {event.job_id for event in events if event.type == "job_removed"}
        assert set(ends) | removed == set(self.over)

    def _everything_can_be_looked_at(self) -> None:
        """No state is one that cannot be drawn."""

        async def look() -> None:
            self.rig.farm.farm_view()
            self.rig.farm.queue()
            for key in self.rig.configs:
                self.rig.farm.queue(key)
                assert self.rig.view(key).available is not None

        self.runner.run(look())
