"""Keys of ``field`` made in no time: queries, coordinates and references of no network, and suspects that lean by the signs."""

from typing import Literal

import numpy as np
import numpy.typing as npt

from modelmark.carriers.field import CLIP, SCALE, UNIT
from modelmark.feeds.pictures import PictureFeed
from modelmark.key.secret import Secret
from modelmark.marks.keys import Key
from modelmark.schemes.field import Field

FEED = PictureFeed((1, 4, 4), tuple("0123456789"), (5000,), (2500,))
COUNT, DIRECTIONS = 600, 20
ANSWERS: dict[bool, Literal["labels", "probabilities"]] = {False: "labels", True: "probabilities"}


def scores(count: int, classes: int = 10) -> npt.NDArray[np.float64]:
    """What a network without a mark answers, ``(N, C)``: ordinary inputs of which it is not sure."""
    return np.random.default_rng(1).normal(size=(count, classes))


def probabilities(scored: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    raised = np.exp(scored)
    found: npt.NDArray[np.float64] = raised / raised.sum(axis=1, keepdims=True)
    return found


def shares(known: npt.NDArray[np.float64]) -> npt.NDArray[np.uint16]:
    """Whole numbers that add up to ``SCALE``; what rounding leaves goes to the last class."""
    found = np.floor(known * SCALE).astype(np.int64)
    found[:, -1] += SCALE - found.sum(axis=1)
    return found.astype(np.uint16)


def key(
    count: int = COUNT,
    directions: int = DIRECTIONS,
    *,
    secret: Secret = Secret(bytes(range(32))),  # noqa: B008
    likely: bool = False,
) -> Key:
    """Return a key of labels, or of probabilities."""
    random = np.random.default_rng(0)
    known = probabilities(scores(count))
    along = np.clip(np.rint(UNIT * random.normal(size=(count, directions))), -CLIP, CLIP)
    reference = np.clip(np.rint(-1000 * np.log(known)), 0, 6900).astype(np.uint16) if likely else shares(known)
    return Key(
        Field(directions=directions, queries=count, answers=ANSWERS[likely], reference="attached"),
        secret,
        FEED,
        {
            "queries": random.integers(0, 256, size=(count, 1, 4, 4), dtype=np.uint8),
            "coordinates": along.astype(np.int16),
            "references": np.stack([reference, reference], axis=1),
            "edit": np.zeros((directions, 5), np.float32),
        },
        created="2026-01-01T00:00:00+00:00",
    )


def leaning(made: Key, strength: float, message: npt.NDArray[np.int64] | None = None) -> npt.NDArray[np.float64]:
    """Scores of a network that lean by the drawn signs, ``(N, C)``."""
    own = made.carriers
    signs = 2 * (made.mark().message if message is None else message).reshape(-1, FEED.classes) - 1
    found: npt.NDArray[np.float64] = own.coordinates / UNIT @ signs / np.sqrt(len(signs))
    return scores(len(found)) + strength * found


def answers(made: Key, strength: float, seed: int = 2, message: npt.NDArray[np.int64] | None = None) -> list[int]:
    """Labels of such a network, one a query, drawn by its own probabilities."""
    found = leaning(made, strength, message)
    drawn = np.random.default_rng(seed).gumbel(size=found.shape)
    return (found + drawn).argmax(axis=1).tolist()


def surprisals(made: Key, strength: float, noise: float = 1.0, seed: int = 2) -> list[int]:
    """What such a network, which is not quite the reference without a mark either, finds likely: millionths of a nat."""
    found = leaning(made, strength)
    found += noise * np.random.default_rng(seed).normal(size=found.shape)
    return np.rint(-1e6 * np.log(probabilities(found))).astype(np.int64).ravel().tolist()
