"""What develops, tests and shows the integration; not shipped with it."""
