"""Changes are done whole, even when the one who asked for them goes away."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any


async def whole[T](work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end, and only then let a cancellation through.

    A client that hangs up, or a stopped script, must not leave memory and store apart.
    """
    task = asyncio.get_running_loop().create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        # Nor does asking twice make a half-done change a good one.
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        if not task.cancelled():
            task.exception()
        raise
