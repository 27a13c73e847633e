"""Modules in place of packages that would have to be compiled, for development only."""
