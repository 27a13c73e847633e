"""Machines that tests print on."""
