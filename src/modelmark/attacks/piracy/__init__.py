"""Attacks with marks of the thief's own, or with several copies."""
