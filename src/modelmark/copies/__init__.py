"""Copies for customers: a message of its own for each recipient, who has which, and whose a suspect holds."""
