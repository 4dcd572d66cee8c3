"""Formats of microscopes' own programs, which are only read."""
