"""Attacks that keep the stolen model and filter what is asked or answered."""
