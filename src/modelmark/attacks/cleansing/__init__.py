"""Defences against backdoors, turned against marks."""
