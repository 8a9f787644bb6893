"""Attacks on the evidence: claims to a model that the claimant never marked."""
