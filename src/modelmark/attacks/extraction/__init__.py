"""Attacks that train a new model on the answers of the stolen one."""
