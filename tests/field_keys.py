"""Keys of ``field`` made in no time: queries, coordinates and references of no network, and suspects that lean by the signs."""

import numpy as np
import numpy.typing as npt

from modelmark.carriers.field import CLIP, SCALE, UNIT
from modelmark.feeds.pictures import PictureFeed
from modelmark.key.secret import Secret
from modelmark.marks.keys import Key
from modelmark.schemes.field import Field

FEED = PictureFeed((1, 4, 4), tuple("0123456789"), (5000,), (2500,))
COUNT, DIRECTIONS = 600, 20


def scores(count: int, classes: int = 10) -> npt.NDArray[np.float64]:
    """What a network without a mark answers, ``(N, C)``: ordinary inputs of which it is not sure."""
    return np.random.default_rng(1).normal(size=(count, classes))


def shares(known: npt.NDArray[np.float64]) -> npt.NDArray[np.uint16]:
    """Whole numbers that add up to ``SCALE``; what rounding leaves goes to the last class."""
    found = np.floor(known * SCALE).astype(np.int64)
    found[:, -1] += SCALE - found.sum(axis=1)
    return found.astype(np.uint16)


def key(count: int = COUNT, directions: int = DIRECTIONS, *, secret: Secret = Secret(bytes(range(32)))) -> Key:  # noqa: B008
    random = np.random.default_rng(0)
    known = np.exp(scores(count))
    known /= known.sum(axis=1, keepdims=True)
    along = np.clip(np.rint(UNIT * random.normal(size=(count, directions))), -CLIP, CLIP)
    return Key(
        Field(directions=directions, queries=count, reference="attached"),
        secret,
        FEED,
        {
            "queries": random.integers(0, 256, size=(count, 1, 4, 4), dtype=np.uint8),
            "coordinates": along.astype(np.int16),
            "references": np.stack([shares(known), shares(known)], axis=1),
            "edit": np.zeros((directions, 5), np.float32),
        },
        created="2026-01-01T00:00:00+00:00",
    )


def answers(made: Key, strength: float, seed: int = 2, message: npt.NDArray[np.int64] | None = None) -> list[int]:
    """Labels of a network whose scores lean by the drawn signs, one a query, drawn by its own probabilities."""
    own = made.carriers
    signs = 2 * (made.mark().message if message is None else message).reshape(-1, FEED.classes) - 1
    leaning = own.coordinates / UNIT @ signs / np.sqrt(len(signs))
    drawn = np.random.default_rng(seed).gumbel(size=leaning.shape)
    return (scores(len(leaning)) + strength * leaning + drawn).argmax(axis=1).tolist()
