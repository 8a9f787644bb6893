"""Attacks that change a stolen model in order to remove its mark."""
