"""Tests of the emulated board."""
