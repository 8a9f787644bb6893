"""Attacks that train the stolen model further."""
