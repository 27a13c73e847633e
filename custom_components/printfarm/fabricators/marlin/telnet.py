"""Serial ports behind a telnet server that lets its port be set (RFC 2217)."""

from typing import Any, override

from serialx.platforms.serial_rfc2217 import RFC2217SerialTransport
from serialx.platforms.serial_rfc2217.types import (
    Rfc2217Command,
    SetLinestateMaskCmd,
    SetModemstateMaskCmd,
)


class TelnetTransport(RFC2217SerialTransport):
    """Gets along with servers that keep quiet where they may.

    They are asked to tell of changed lines. ser2net answers with the lines' state
    instead of an acknowledgement, and waiting for one would end in a time-out.
    """

    @override
    async def _send_and_wait(self, cmd: Rfc2217Command) -> Rfc2217Command:
        """Send a command; wait for its acknowledgement where there is one for sure."""
        if isinstance(cmd, SetModemstateMaskCmd | SetLinestateMaskCmd):
            self._send_command(cmd)
            return cmd
        return await super()._send_and_wait(cmd)

    @override
    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Offer what is known of the connection underneath, such as its `socket`."""
        found = super().get_extra_info(name)
        if found is None and self._tcp_transport is not None:
            found = self._tcp_transport.get_extra_info(name)
        return default if found is None else found
