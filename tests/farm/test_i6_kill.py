"""I6: the farm survives `kill -9` at any instant.

No job is lost or doubled, nothing is started twice, and what cannot be known
afterwards is a person's to say.
"""

from collections import Counter
from dataclasses import dataclass
import json
from pathlib import Path
import random
import sqlite3
import subprocess
import sys

import pytest

ROOT = Path(__file__).resolve().parents[2]
END_EVENTS = {"print_complete", "print_failed", "print_cancelled"}
POINTS = 50
CHUNKS = 5
TRIGGERS = (
    ("added", 1),
    ("added", 6),
    ("start", 1),
    ("start", 3),
    ("end", 1),
    ("end", 4),
    ("cut", 1),
    ("locate", 1),
    ("forgot", 1),
    ("forgot", 4),
    ("told", 9),
    ("job_assigned", 2),
    ("print_complete", 2),
    ("bed_cleared", 3),
)


@dataclass(frozen=True, slots=True)
class Remains:
    """What one killed and recovered farm left: its store, and what really happened."""

    jobs: dict[int, sqlite3.Row]
    events: list[sqlite3.Row]
    diary: list[list[str]]

    @classmethod
    def of(cls, folder: Path) -> Remains:
        """Read a folder."""
        with sqlite3.connect(folder / "farm.db") as store:
            store.row_factory = sqlite3.Row
            jobs = store.execute("SELECT * FROM job").fetchall()
            events = store.execute("SELECT * FROM event_log ORDER BY id").fetchall()
        store.close()
        diary = (folder / "diary").read_text().splitlines()
        return cls(
            {job["id"]: job for job in jobs}, events, [line.split() for line in diary]
        )

    def count(self, word: str) -> Counter[int]:
        """Count the lines of a word by job."""
        return Counter(int(line[1]) for line in self.diary if line[0] == word)

    def happened(self, *types: str) -> Counter[int]:
        """Count the stored events of these types by job."""
        return Counter(e["job_id"] for e in self.events if e["type"] in types)

    def check(self) -> None:
        """Hold the remains to the invariants."""
        self._check_nothing_is_lost()
        self._check_starts()
        self._check_ends()
        self._check_telling()

    def _check_nothing_is_lost(self) -> None:
        added = self.count("added")
        assert set(added) <= set(self.jobs), "a job that was promised is gone"
        assert set(added.values()) <= {1}
        origins = [job["origin_id"] for job in self.jobs.values() if job["origin_id"]]
        assert len(self.jobs) - len(origins) <= 7, "a job appeared from nowhere"
        for origin in origins:
            assert self.jobs[origin]["reason"] == "connection_lost"
        going_on = [
            job["origin_id"]
            for job in self.jobs.values()
            if job["origin_id"] and job["started_at"]
        ]
        assert len(going_on) == len(set(going_on)), "one was taken up twice"
        assert set(self.happened("job_added").values()) <= {1}
        assert set(self.happened("job_added")) == set(self.jobs)
        open_jobs = [
            job_id for job_id, job in self.jobs.items() if job["ended_at"] is None
        ]
        assert open_jobs == [], "a job was left behind"

    def _check_starts(self) -> None:
        starts, refused = self.count("start"), self.count("refused")
        for job_id, count in starts.items():
            assert count - refused[job_id] <= 1, f"job {job_id} was started twice"
        for job_id in self.happened("job_unknown"):
            assert self.jobs[job_id]["start_sent_at"] is not None
        # Nothing counts as printed that no machine ever began, but for those whose
        # start was about to go out: a person said what became of them.
        for job_id in self.happened("print_started"):
            assert starts[job_id] or (
                self.jobs[job_id]["reason"] == "settled_by_person"
            )

    def _check_ends(self) -> None:
        ends, removed = self.happened(*END_EVENTS), self.happened("job_removed")
        really = self.count("end") + self.count("cut")
        assert set(ends.values()) <= {1}, "an end was written twice"
        for job_id, job in self.jobs.items():
            if job_id in removed:
                assert (ends[job_id], really[job_id]) == (0, 0)
                continue
            assert ends[job_id] == 1
            if job["reason"] != "settled_by_person":
                lost = job_id in self.count("cut")
                assert job["status"] == ("failed" if lost else "completed")
                assert (job["checkpoint"] is not None) is lost
                assert really[job_id] == 1, "nobody saw it end"

    def _check_telling(self) -> None:
        told = Counter(int(line[1]) for line in self.diary if line[0] == "told")
        for event in self.events:
            # Once, or once more where the kill came before the mark.
            assert 1 <= told[event["id"]] <= 2, f"{event['type']} was told wrongly"
        assert all(event["announced"] for event in self.events)


def _carry_out(folder: Path, **plan: object) -> dict[str, list[int]]:
    """Have a farm killed by plan, and check each of its remains."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.farm.kill_child"],
        input=json.dumps({"folder": str(folder), **plan}),
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    outcome: dict[str, list[int]] = json.loads(done.stdout)
    assert outcome["whole"] == 0, done.stderr
    assert set(outcome["recovered"]) <= {0}, done.stderr
    return outcome


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_killed_at_any_step(tmp_path: Path, chunk: int) -> None:
    """Fifty points in all, drawn over every step of the run."""
    drawn = random.Random(20260301)
    # One out of each fiftieth, so that no part of the run is left out.
    points = [(number + drawn.random()) / POINTS for number in range(POINTS)]
    mine = points[chunk::CHUNKS]
    outcome = _carry_out(tmp_path, points=mine)
    for number in range(len(mine)):
        Remains.of(tmp_path / f"point{number}").check()
    # Threads make one run a little longer than another: the last may live.
    assert sum(outcome["killed"]) >= len(mine) - 1


def test_killed_from_outside(tmp_path: Path) -> None:
    """In the middle of whatever it does just then."""
    outcome = _carry_out(tmp_path, triggers=TRIGGERS)
    for number in range(len(TRIGGERS)):
        Remains.of(tmp_path / f"trigger{number}").check()
    assert all(outcome["killed"])


def test_not_killed(tmp_path: Path) -> None:
    """The same run in peace, or the checks above would prove little."""
    _carry_out(tmp_path)
    remains = Remains.of(tmp_path / "whole")
    remains.check()
    assert sum(job["origin_id"] is None for job in remains.jobs.values()) == 7
    lost = remains.count("cut")
    assert lost
    assert {job["origin_id"] for job in remains.jobs.values()} - {None} == set(lost)
    assert set(remains.count("forgot").values()) == {1}
    assert not remains.happened("job_unknown")
    assert sum(remains.count("start").values()) >= 6
