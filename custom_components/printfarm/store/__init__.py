"""The farm's data on disk: tables, migrations and one repository class."""
