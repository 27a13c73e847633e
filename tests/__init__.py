"""Tests of the integration and of what belongs to its repository."""
