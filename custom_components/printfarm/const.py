"""Names that more than one module of the Home Assistant side needs."""

from logging import getLogger

DOMAIN = "printfarm"
LOGGER = getLogger(__package__)

EVENT_PRINTFARM = f"{DOMAIN}_event"
"""Fired on the bus for everything the farm tells; `type` says what."""

SUBENTRY_FABRICATOR = "fabricator"

CONF_BAUDRATE = "baudrate"
CONF_DB_URL = "db_url"
CONF_FOLDER = "folder"
CONF_SPEED = "speed"
CONF_STANDBY = "standby"
CONF_USB = "usb"
SECTION_ADVANCED = "advanced"
