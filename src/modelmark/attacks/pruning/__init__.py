"""Attacks that remove weights or channels."""
