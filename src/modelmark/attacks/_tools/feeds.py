"""Kinds of inputs, by what an attack can do to them."""

from modelmark.errors import UsageError
from modelmark.feeds.base import Feed

PICTURES = ("pictures",)
NUMBERS = (*PICTURES, "floats")
"""That can be changed a little."""
CLASSES = (*NUMBERS, "tokens")
"""With one label each."""
CAUSAL = ("causal",)
ROWS = ("tokens", *CAUSAL)

_CALLED = {
    PICTURES: "pictures",
    NUMBERS: "numbers, pictures or others,",
    CLASSES: "labelled inputs",
    CAUSAL: "rows of tokens of a language model",
    ROWS: "rows of tokens of a classifier or of a language model",
}


def require(feed: Feed, name: str, kinds: tuple[str, ...]) -> None:
    """Raise UsageError unless the feed is of one of these kinds, one of the groups above."""
    if feed.kind not in kinds:
        raise UsageError(f"expected {_CALLED[kinds]} for {name}, got {feed.kind} of shape {feed.input_shape}")
