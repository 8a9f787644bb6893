"""Attacks that change weights without training, or merge them."""
