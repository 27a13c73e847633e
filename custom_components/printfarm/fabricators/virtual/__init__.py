"""The virtual fabricator: the Marlin driver on an emulated board."""
