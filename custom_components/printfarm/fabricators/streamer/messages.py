"""What the streaming process and Home Assistant say to each other.

One JSON object per line over a Unix socket. The first lines prove to each side that
the other one belongs to the same farm, and agree on a version:

    process: {"hello": "printfarm-streamer", "speaks": [1, 1], "release": "0.3.0",
              "pid": 1, "nonce": "..."}
    host:    {"hello": "printfarm", "speaks": [1, 1], "nonce": "...",
              "proof": hmac(secret, "host" + both nonces)}
    process: {"proof": hmac(secret, "streamer" + both nonces), "version": 1}

These three never change, and neither do the operations `busy` and `quit`: sides of
different ages can always tell whether a print must end first. After that the host
sends requests `{"id", "op", "key", "args"}`, which are answered in any order by
`{"id", "result"}` or `{"id", "error": {"key", "text"}}`, and the process sends
`{"key", "snapshot"}`, `{"key", "capabilities"}` and `{"key", "event"}` as it sees them.
"""

from collections.abc import Mapping
from dataclasses import asdict
import hashlib
import hmac
from pathlib import Path
from typing import Any

from ..interface import (
    Capabilities,
    Checkpoint,
    FabricatorConfig,
    MachineEvent,
    MachineEventType,
    MachineState,
    Prompt,
    Result,
    Resume,
    Snapshot,
    Task,
    Temperature,
)

OLDEST = 1
NEWEST = 1
"""Versions of the operations and shapes below that this code speaks."""

LONGEST = 16 * 1024 * 1024
"""Bytes in one message; more is nobody of ours."""


def agree(theirs: tuple[int, int]) -> int | None:
    """Give the newest version that both sides speak, None if there is none."""
    version = min(NEWEST, theirs[1])
    return version if version >= max(OLDEST, theirs[0]) else None


def proof(secret: bytes, side: str, nonces: tuple[str, str]) -> str:
    """Show that one knows the secret; `nonces` are the process's and the host's."""
    text = "\0".join((side, *nonces)).encode()
    return hmac.new(secret, text, hashlib.sha256).hexdigest()


# Plain data to JSON and back. Unknown keys are left out, so that a newer side may say
# more; missing ones take their defaults, so that an older one may say less.


def _known[T](kind: type[T], data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in data.items()
        if name in kind.__dataclass_fields__  # type: ignore[attr-defined]
    }


def snapshot_to_json(snapshot: Snapshot) -> dict[str, Any]:
    """Write a snapshot."""
    return asdict(snapshot)


def _temperature(data: Mapping[str, Any] | None) -> Temperature | None:
    return None if data is None else Temperature(**_known(Temperature, data))


def _prompt(data: Mapping[str, Any]) -> Prompt:
    return Prompt(data["text"], tuple(data["choices"]), data["at"])


def snapshot_from_json(data: Mapping[str, Any]) -> Snapshot:
    """Read a snapshot. Raises `ValueError` or `TypeError` where it is none."""
    fields = _known(Snapshot, data)
    fields["state"] = MachineState(fields["state"])
    nozzles = (_temperature(one) for one in fields.pop("nozzles", ()))
    prompt = fields.get("prompt")
    return Snapshot(
        **fields
        | {
            "nozzles": tuple(one for one in nozzles if one is not None),
            "bed": _temperature(fields.get("bed")),
            "chamber": _temperature(fields.get("chamber")),
            "prompt": None if prompt is None else _prompt(prompt),
        }
    )


def capabilities_to_json(capabilities: Capabilities) -> dict[str, Any]:
    """Write what a machine can do."""
    return asdict(capabilities) | {"accepts": sorted(capabilities.accepts)}


def capabilities_from_json(data: Mapping[str, Any]) -> Capabilities:
    """Read what a machine can do."""
    fields = _known(Capabilities, data)
    volume = fields.get("build_volume")
    return Capabilities(
        **fields
        | {
            "accepts": frozenset(fields.get("accepts", ("gcode",))),
            "build_volume": None if volume is None else tuple(volume),
        }
    )


def checkpoint_to_json(checkpoint: Checkpoint) -> dict[str, Any]:
    """Write a checkpoint."""
    return {
        "position": checkpoint.position,
        "at": checkpoint.at,
        "data": dict(checkpoint.data),
    }


def checkpoint_from_json(data: Mapping[str, Any]) -> Checkpoint:
    """Read a checkpoint."""
    return Checkpoint(**_known(Checkpoint, data))


def event_to_json(event: MachineEvent) -> dict[str, Any]:
    """Write an event."""
    checkpoint = event.checkpoint
    return asdict(event) | {
        "checkpoint": None if checkpoint is None else checkpoint_to_json(checkpoint)
    }


def event_from_json(data: Mapping[str, Any]) -> MachineEvent:
    """Read an event."""
    fields = _known(MachineEvent, data)
    result, checkpoint = fields.get("result"), fields.get("checkpoint")
    return MachineEvent(
        **fields
        | {
            "type": MachineEventType(fields["type"]),
            "result": None if result is None else Result(result),
            "choices": tuple(fields.get("choices", ())),
            "checkpoint": (
                None if checkpoint is None else checkpoint_from_json(checkpoint)
            ),
        }
    )


def _resume_to_json(resume: Resume) -> dict[str, Any]:
    return {name: getattr(resume, name) for name in Resume.__dataclass_fields__} | {
        "checkpoint": checkpoint_to_json(resume.checkpoint),
        "fans": dict(resume.fans),
        "nozzles": dict(resume.nozzles),
    }


def _resume_from_json(data: Mapping[str, Any]) -> Resume:
    fields = _known(Resume, data)
    return Resume(
        **fields
        | {
            "checkpoint": checkpoint_from_json(fields["checkpoint"]),
            "positioning": tuple(fields["positioning"]),
            "setup": tuple(fields.get("setup", ())),
        }
    )


def task_to_json(task: Task) -> dict[str, Any]:
    """Write a task; its paths are absolute."""
    return {
        "run": task.run,
        "name": task.name,
        "source": str(task.source),
        "gcode": None if task.gcode is None else str(task.gcode),
        "plate": task.plate,
        "resume": None if task.resume is None else _resume_to_json(task.resume),
    }


def task_from_json(data: Mapping[str, Any]) -> Task:
    """Read a task."""
    fields = _known(Task, data)
    gcode, resume = fields.get("gcode"), fields.get("resume")
    return Task(
        **fields
        | {
            "source": Path(fields["source"]),
            "gcode": None if gcode is None else Path(gcode),
            "resume": None if resume is None else _resume_from_json(resume),
        }
    )


def config_to_json(config: FabricatorConfig) -> dict[str, Any]:
    """Write the configuration of a fabricator."""
    return {
        "key": config.key,
        "name": config.name,
        "protocol": config.protocol,
        "options": dict(config.options),
    }


def config_from_json(data: Mapping[str, Any]) -> FabricatorConfig:
    """Read the configuration of a fabricator."""
    return FabricatorConfig(**_known(FabricatorConfig, data))
