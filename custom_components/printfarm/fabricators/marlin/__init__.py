"""Marlin over a serial port.

`engine` is the protocol without any I/O, `source` reads the file, `driver` joins both
to a port in the event loop. To drive something that is no port, give the driver an
`open_port` of its own, shaped like `serialx.create_serial_connection`.
"""
