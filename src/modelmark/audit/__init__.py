"""Audits: schemes against attacks over seeds, one JSON line per result; resumed where they were stopped."""
