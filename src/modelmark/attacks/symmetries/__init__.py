"""Attacks that rewrite the weights and leave the function as it is."""
