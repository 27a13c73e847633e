"""What becomes of claimed jobs when the farm comes up again. Pure decisions.

A start is committed before it is sent (`Job.start_sent_at`). So a claim without it
was certainly not started, and goes back to its place in the queue. With it, only the
machine can tell; where it cannot, the job is parked for a person (I6).
"""

from dataclasses import replace
from datetime import datetime

from ..fabricators.interface import Result
from .model import FabricatorRecord, Job, JobStatus

RESULT_STATUS = {
    Result.COMPLETED: JobStatus.COMPLETED,
    Result.CANCELLED: JobStatus.CANCELLED,
    Result.FAILED: JobStatus.FAILED,
    Result.UNKNOWN: JobStatus.UNKNOWN,
    # Until it was looked at more closely: nothing is started twice for it.
    Result.NOT_STARTED: JobStatus.UNKNOWN,
}


def certainly_unstarted(job: Job) -> bool:
    """Tell whether the claim was made but the start never sent."""
    return job.status is JobStatus.STARTING and job.start_sent_at is None


def unclaimed(job: Job, *, reason: str | None = None, text: str | None = None) -> Job:
    """Give the job as it was before its claim, with the reason why it came back."""
    return replace(
        job,
        status=JobStatus.QUEUED,
        fabricator_id=None,
        claimed_at=None,
        start_sent_at=None,
        started_at=None,
        reason=reason,
        reason_text=text,
    )


def given_back(
    job: Job, at: datetime, *, reason: str | None = None, text: str | None = None
) -> Job:
    """Give the job after a start that certainly came to nothing.

    It returns to its place in the queue. One that was to take up a print has no place
    there: it is over, and what it was to take up can be taken up again.
    """
    back = unclaimed(job, reason=reason, text=text)
    return back if job.start_offset is None else over_unstarted(job, at, reason, text)


def over_unstarted(
    job: Job, at: datetime, reason: str | None, text: str | None = None
) -> Job:
    """Give the job as one that ends without ever having been begun."""
    return replace(
        unclaimed(job, reason=reason, text=text),
        status=JobStatus.CANCELLED,
        fabricator_id=job.fabricator_id,
        ended_at=at,
    )


def bed_before(record: FabricatorRecord, job: Job) -> FabricatorRecord:
    """Give the record with the bed as it was before a start that came to nothing."""
    if job.start_sent_at is None:
        return record
    if job.start_offset is not None:
        return replace(record, bed_clear=False, last_job_id=job.origin_id)
    return replace(record, bed_clear=True, last_job_id=None)


def parked(job: Job, *, reason: str, text: str | None = None) -> Job:
    """Give the job as one whose outcome nobody knows."""
    return replace(job, status=JobStatus.UNKNOWN, reason=reason, reason_text=text)
