"""Events made out of what is known of a job and its fabricator."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from . import events
from .model import ENDED, FabricatorRecord, Job


@dataclass(frozen=True, slots=True)
class Teller:
    """Makes events with everything that is known about their job and fabricator."""

    utcnow: Callable[[], datetime]

    def make[E: events.FarmEvent](
        self,
        kind: type[E],
        *,
        record: FabricatorRecord | None = None,
        job: Job | None = None,
        reason: str | None = None,
        text: str | None = None,
        **extra: object,
    ) -> E:
        """Make an event of this kind, dated now."""
        values: dict[str, object] = {"reason": reason, "text": text, **extra}
        if record is not None:
            values |= {"fabricator_id": record.id, "fabricator_name": record.name}
        if job is not None:
            values |= {"job_id": job.id, "file_name": job.name}
            if job.status in ENDED:
                values |= {
                    "result": job.status.value,
                    "duration": job.duration,
                    "filament_length": job.filament_length,
                    "filament_weight": job.filament_weight,
                }
        return kind(at=self.utcnow(), **values)  # type: ignore[arg-type]
