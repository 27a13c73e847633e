"""Tests of the repository itself: its files, layers and scripts."""
