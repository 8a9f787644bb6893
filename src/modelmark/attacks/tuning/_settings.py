"""Checks that many settings share."""


def require(*, epochs: int = 1, batch: int = 1, rate: float = 1.0, **shares: float) -> None:
    """Raise ValueError unless there are epochs and samples, a finite positive rate, and shares between 0 and 1."""
    if epochs < 1 or batch < 1:
        raise ValueError(f"expected at least one epoch and sample, got {epochs} and {batch}")
    if not 0 < rate < float("inf"):
        raise ValueError(f"expected a rate above 0, got {rate}")
    for name, share in shares.items():
        if not 0 <= share <= 1:
            raise ValueError(f"expected {name} from 0 to 1, got {share}")
