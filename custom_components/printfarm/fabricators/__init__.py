"""Fabricators: one driver for each protocol, behind one interface.

Nothing is imported here: the streaming process takes just the drivers that it hosts.
"""
