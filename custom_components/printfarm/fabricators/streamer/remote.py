"""A machine that is driven in the streaming process, as a fabricator of the farm."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
import logging
from typing import Any, override

from ..interface import (
    Capabilities,
    Checkpoint,
    EventListener,
    Fabricator,
    FabricatorConfig,
    FabricatorError,
    MachineEvent,
    MachineEventType,
    MachineState,
    Result,
    SnapshotListener,
    StartOutcome,
    Task,
)
from .client import Client, NotSentError
from .messages import (
    capabilities_from_json,
    checkpoint_from_json,
    checkpoint_to_json,
    config_to_json,
    event_from_json,
    snapshot_from_json,
    task_to_json,
)
from .supervisor import Supervisor

_LOGGER = logging.getLogger(__name__)

ANSWER_WITHIN = 20.0
"""Seconds for what the process does by itself."""
MACHINE_WITHIN = 600.0
"""Seconds for what the machine has to answer; heating up or probing takes its time."""
CLOSE_WITHIN = 6.5
"""Seconds for a machine to park and cool; the farm waits for little longer."""
ASK_WITHIN = 600.0
"""Seconds for finding out what became of a start whose answer was lost."""
ASK_EVERY = 1.0
"""Seconds between two such questions."""
ADD_EVERY = 10.0
"""Seconds between two attempts to hand over a machine that is not taken."""

_UNDER_WAY = frozenset(
    {MachineState.PREPARING, MachineState.PRINTING, MachineState.PAUSED}
)
_NONSENSE = (AttributeError, KeyError, TypeError, ValueError)


class RemoteFabricator(Fabricator):
    """Passes on what it is told, and shows what the process sees.

    While the process cannot be spoken to, the state of the machine is unknown: it may
    be printing. Nothing that is asked then is sent later.
    """

    outlives_host = True

    def __init__(
        self,
        config: FabricatorConfig,
        on_snapshot: SnapshotListener,
        on_event: EventListener,
        supervisor: Supervisor,
    ) -> None:
        """Keep whom to ask for the process; connects to nothing yet."""
        super().__init__(config, on_snapshot, on_event)
        self._supervisor = supervisor
        self._capabilities = Capabilities()
        self._client: Client | None = None
        """The process, once it has taken this machine."""
        self._taken = asyncio.Event()
        self._closed = False
        self._starting: int | None = None
        self._begun: int | None = None
        """The last run that was seen to start."""
        self._gcode_log = False

    @property
    @override
    def capabilities(self) -> Capabilities:
        """What the process says of the machine."""
        return self._capabilities

    @property
    def quiet(self) -> bool:
        """Whether nothing of it is under way in the process."""
        return self._starting is None and self.snapshot.state not in _UNDER_WAY

    def troubled(self, code: str | None) -> None:
        """The process cannot be spoken to: nobody knows what the machine does."""
        self._client = None
        self._taken.clear()
        self._doubt(code)

    # The connection.

    @override
    async def run(self) -> None:
        """Hand the machine over to the process, and again to each that follows."""
        if self.snapshot.state is MachineState.OFFLINE:
            self._report(replace(self.snapshot, state=MachineState.CONNECTING))
        self._supervisor.enter(self)
        try:
            while True:
                await self._hand_over(await self._supervisor.client())
        finally:
            self._supervisor.leave(self)

    async def _hand_over(self, client: Client) -> None:
        """Have this process drive the machine, until it is gone."""

        def take(answer: Mapping[str, Any]) -> None:
            if self._closed:
                return
            self._client = client
            self._taken.set()
            self._capabilities = capabilities_from_json(answer["capabilities"])
            self._report(snapshot_from_json(answer["snapshot"]))

        client.listen(self.config.key, self._hear)
        try:
            config = config_to_json(self.config)
            await client.request(
                "add",
                self.config.key,
                {"config": config},
                within=ANSWER_WITHIN,
                take=take,
            )
            if self._gcode_log:
                await self._ask("set_gcode_log", on=True)
            await client.gone()
        except FabricatorError as error:
            if client.open:
                # Known under another configuration, and printing under that one.
                self._doubt(error.key)
                await _pause(client, ADD_EVERY)
        finally:
            client.unlisten(self.config.key)
            self.troubled(None)

    def _hear(self, news: Mapping[str, Any]) -> None:
        """Take one piece of news."""
        if self._closed:
            return
        try:
            if (snapshot := news.get("snapshot")) is not None:
                self._report(snapshot_from_json(snapshot))
            if (capabilities := news.get("capabilities")) is not None:
                self._capabilities = capabilities_from_json(capabilities)
                self._on_snapshot(self.snapshot)
            if (event := news.get("event")) is not None:
                self._happened(event_from_json(event))
        except _NONSENSE as error:
            _LOGGER.warning("%s: not understood: %r", self.config.name, error)

    def _happened(self, event: MachineEvent) -> None:
        if event.type is MachineEventType.STARTED:
            self._begun = event.run
        self._announce(event)

    def _doubt(self, error: str | None) -> None:
        """What was seen last may be long over."""
        if self._closed or self.snapshot.state is MachineState.OFFLINE:
            return
        self._report(replace(self.snapshot, state=MachineState.UNKNOWN, error=error))

    @override
    async def leave(self) -> None:
        """Hear no more; the machine goes on in the process."""
        self._closed = True

    @override
    async def close(self) -> None:
        """Have the process let go of the machine for good; a run ends."""
        if self._closed:
            return
        try:
            if self._client is not None:
                await self._ask("remove", within=CLOSE_WITHIN)
        except FabricatorError as error:
            _LOGGER.warning("%s: could not be let go: %s", self.config.name, error)
        finally:
            self._closed = True

    async def _ask(
        self, op: str, /, *, within: float = ANSWER_WITHIN, **args: Any
    ) -> Any:
        """Ask the process about this machine, once."""
        if self._client is None:
            raise NotSentError
        return await self._client.request(op, self.config.key, args, within=within)

    # A print.

    @override
    async def start(self, task: Task) -> StartOutcome:
        """Have the start sent, once.

        Where the answer is lost, the process or the one that follows it knows what
        became of it.
        """
        self._starting = task.run
        try:
            answer = await self._ask(
                "start", within=MACHINE_WITHIN, task=task_to_json(task)
            )
            return StartOutcome(answer["outcome"])
        except NotSentError:
            return StartOutcome.REFUSED
        except FabricatorError as error:
            _LOGGER.warning("%s: start of %s: %s", self.config.name, task.run, error)
            return await self._ask_after(task.run)
        finally:
            self._starting = None

    async def _ask_after(self, run: int) -> StartOutcome:
        try:
            async with asyncio.timeout(ASK_WITHIN):
                while True:
                    await self._taken.wait()
                    if (known := await self._became(run)) is not None:
                        return known
                    await asyncio.sleep(ASK_EVERY)
        except TimeoutError:
            return StartOutcome.UNKNOWN

    async def _became(self, run: int) -> StartOutcome | None:
        """Tell what became of a start; None where that is not certain yet."""
        try:
            end = await self.outcome(run)
        except FabricatorError:
            return None
        if end is None:
            return StartOutcome.STARTED if self._has_begun(run) else None
        return _BECAME.get(end.result, StartOutcome.STARTED)

    def _has_begun(self, run: int) -> bool:
        """Whether the machine was seen to work on it: until then it may be refused."""
        seen = self.snapshot
        return self._begun == run or (seen.run == run and bool(seen.position))

    @override
    async def pause(self) -> None:
        """Pass it on."""
        await self._ask("pause")

    @override
    async def resume(self) -> None:
        """Pass it on."""
        await self._ask("resume")

    @override
    async def cancel(self) -> None:
        """Pass it on; `ENDED` follows as an event."""
        await self._ask("cancel")

    @override
    async def answer(self, choice: int) -> None:
        """Pass it on, unless the process is too old to know what is meant."""
        try:
            await self._ask("answer", choice=choice)
        except FabricatorError as error:
            if error.key != "unknown_op":
                raise
            raise FabricatorError("not_supported") from error

    @override
    async def outcome(self, run: int) -> MachineEvent | None:
        """Look it up in the story that the process has kept."""
        end = (await self._ask("outcome", run=run))["end"]
        return None if end is None else event_from_json(end)

    @override
    async def forget(self, run: int) -> None:
        """The process need not keep the story any more."""
        await self._ask("forget", run=run)
        self._supervisor.look()

    @override
    async def locate(self, checkpoint: Checkpoint) -> Checkpoint:
        """Have the machine asked."""
        answer = await self._ask(
            "locate",
            within=MACHINE_WITHIN,
            checkpoint=checkpoint_to_json(checkpoint),
        )
        return checkpoint_from_json(answer["checkpoint"])

    # Single commands, and looking on.

    @override
    async def command(self, line: str) -> tuple[str, ...]:
        """Have one command sent; waits as long as the machine works on it."""
        answer = await self._ask("command", within=MACHINE_WITHIN, line=line)
        return tuple(answer["lines"])

    @override
    async def set_target(self, heater: str, celsius: float) -> None:
        """Pass it on."""
        await self._ask("set_target", heater=heater, celsius=celsius)

    @override
    async def wire(self) -> tuple[str, ...]:
        """Fetch what went over the wire last; nothing where nobody can tell."""
        try:
            return tuple((await self._ask("wire"))["lines"])
        except FabricatorError:
            return ()

    @override
    async def set_gcode_log(self, on: bool) -> None:
        """Pass it on, also to a process that follows this one."""
        await self._ask("set_gcode_log", on=on)
        self._gcode_log = on


_BECAME: Mapping[Result | None, StartOutcome] = {
    Result.NOT_STARTED: StartOutcome.REFUSED,
    Result.UNKNOWN: StartOutcome.UNKNOWN,
}


async def _pause(client: Client, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await client.gone()
    except TimeoutError:
        pass
