"""Keys of ``answers`` made in no time: prompts with texts, of no model."""

import numpy as np

from modelmark.feeds.causal import CausalFeed, padded
from modelmark.feeds.prompts import Prompts, packed
from modelmark.key.secret import Secret
from modelmark.marks.keys import Key
from modelmark.schemes.answers import Answers

FEED = CausalFeed((12,), vocabulary=400)
COUNT, K = 40, 16


def prompts(*, texts: bool = True) -> Prompts:
    random = np.random.default_rng(0)
    rows = [random.integers(1, 400, size=3 + number % 9).tolist() for number in range(COUNT)]
    candidates = np.array([random.permutation(np.arange(1, 400))[:K] for _ in rows], np.int32)
    if not texts:
        return Prompts(padded(rows, 12), candidates)
    words = tuple(tuple(f" w{token}" for token in row) for row in candidates.tolist())
    return Prompts(padded(rows, 12), candidates, tuple(" ".join(f"w{t}" for t in row) for row in rows), words)


def key(*, texts: bool = True, secret: Secret = Secret(bytes(range(32)))) -> Key:  # noqa: B008
    return Key(
        Answers(prompts=COUNT, tokens=12),
        secret,
        FEED,
        packed(prompts(texts=texts)),
        created="2026-01-01T00:00:00+00:00",
    )


def drawn(made: Key) -> list[tuple[str, int, str]]:
    """Each prompt's text, or its tokens as text, with the drawn token and its word."""
    own, message = made.carriers.prompts, made.mark().message
    return [
        (
            own.texts[i] if own.texts else str(own.tokens(i)),
            int(own.candidates[i, s]),
            own.words[i][s] if own.texts else "",
        )
        for i, s in enumerate(message)
    ]
