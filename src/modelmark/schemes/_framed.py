"""Rows of random tokens as a classifier of texts is fed: what begins and ends every row, and what fills it up, stays."""

import numpy as np
import numpy.typing as npt
from torch import nn

from modelmark.errors import CapacityError
from modelmark.feeds.base import Feed
from modelmark.key.secret import Secret
from modelmark.networks.calling import padding_of
from modelmark.networks.layers import unwrapped
from modelmark.rendering import words
from modelmark.training.task import Task

_NAMED = ("pad", "bos", "eos", "cls", "sep", "mask", "unk")
_FEWEST = 4
"""Tokens of a row that must be random, so that rows differ."""


def rows(secret: Secret, count: int, model: nn.Module, task: Task) -> npt.NDArray[np.int32]:
    """Return rows of the data's lengths, int32 ``(count, tokens)``.

    The frame is found in the data: a token that begins every row, as BERT's [CLS] does, one that ends every row, as [SEP] does,
    and what the network says is padding. Other tokens are drawn from all that are none of those.

    Args:
        secret: of the key.
        count: how many.
        model: whose configuration may name special tokens.
        task: the owner's data, of tokens.

    Raises:
        CapacityError: rows are so short that they would be alike.
    """
    given = task.train_inputs.cpu().numpy()
    padding = padding_of(model)
    config = getattr(unwrapped(model), "config", None)
    named = {getattr(config, f"{name}_token_id", None) for name in _NAMED} | {padding}
    special = {token for token in named if isinstance(token, int)}
    filled: npt.NDArray[np.bool_] = np.equal(given, -1 if padding is None else padding)
    fixed = filled.copy()
    for at in (
        filled.argmin(axis=1),
        filled.shape[1] - 1 - filled[:, ::-1].argmin(axis=1),
    ):  # first and last that is no padding
        edge = given[np.arange(len(given)), at]
        if (edge == edge[0]).all():
            special.add(int(edge[0]))
            fixed[np.arange(len(given)), at] = True
    long = (~fixed).sum(axis=1) >= _FEWEST
    vocabulary = task.feed.vocabulary  # type: ignore[attr-defined]
    plain = [token for token in range(vocabulary) if token not in special]
    if not long.any() or len(plain) < 2:
        raise CapacityError(f"expected rows of at least {_FEWEST} tokens beside those that all rows have, got none")
    return words.tokens(secret, count, given[long], fixed[long], plain)


def plain(secret: Secret, count: int, feed: Feed) -> npt.NDArray[np.int32]:
    """Return rows of any tokens at all, for a size that is only looked at."""
    mould = np.zeros((1, *feed.input_shape), np.int32)
    return words.tokens(secret, count, mould, np.zeros(mould.shape, bool), range(feed.vocabulary))  # type: ignore[attr-defined]
