"""A process of its own that streams to boards, so that no nozzle waits for a host.

A print in it outlives a restart of Home Assistant. `child` and what it imports run in
that process; `process`, `client` and `remote` in Home Assistant's; both speak `messages`.
"""
