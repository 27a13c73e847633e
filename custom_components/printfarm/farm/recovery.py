"""What becomes of claimed jobs when the farm comes up again. Pure decisions.

A start is committed before it is sent (`Job.start_sent_at`). So a claim without it
was certainly not started, and goes back to its place in the queue. With it, only the
machine can tell; where it cannot, the job is parked for a person (I6).
"""

from dataclasses import replace

from ..fabricators.interface import Result
from .model import Job, JobStatus

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


def parked(job: Job, *, reason: str, text: str | None = None) -> Job:
    """Give the job as one whose outcome nobody knows."""
    return replace(job, status=JobStatus.UNKNOWN, reason=reason, reason_text=text)
