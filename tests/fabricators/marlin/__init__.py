"""Tests of Marlin over serial."""
