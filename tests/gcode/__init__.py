"""Tests of reading print files."""
