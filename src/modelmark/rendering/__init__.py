"""Pictures from a secret, in integers: the same bytes on every machine."""
