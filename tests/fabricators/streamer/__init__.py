"""Tests of the streaming process and of both its ends."""
