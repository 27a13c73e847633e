"""Tests of the store, on real database files."""
