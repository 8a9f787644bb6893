"""The one place where a network is called: with its inputs, and where rows of tokens have padding with a mask of what is none."""

import inspect
from functools import lru_cache
from typing import Any

from torch import Tensor, nn

from modelmark.errors import MismatchError
from modelmark.networks.layers import unwrapped
from modelmark.networks.outputs import scores


def call(model: nn.Module, x: Tensor) -> Any:
    """Return what ``model`` makes of a batch.

    Where ``forward`` has a parameter ``attention_mask`` and the network says which token is padding (``config.pad_token_id``, or
    the ``padding_idx`` of an embedding), tokens are given with a mask that leaves out the padding before and behind each row.

    Args:
        model: may be wrapped.
        x: as ``forward`` takes it, ``(N, *input_shape)``; rows of tokens are whole numbers, ``(N, tokens)``.
    """
    padding = None if x.is_floating_point() or x.dim() != 2 else padding_of(model)
    return model(x) if padding is None else model(x, attention_mask=mask(x, padding))


def scored(model: nn.Module, x: Tensor) -> Tensor:
    """Return the scores of a batch, ``(N, classes)`` or, of sequences, ``(N, classes, L)``; see ``outputs.scores``."""
    return scores(call(model, x))


def padding_of(model: nn.Module) -> int | None:
    """Return the token that is padding; None where the network names none or takes no mask."""
    inner = unwrapped(model)
    if not _takes_mask(type(inner)):  # type: ignore[arg-type]
        return None
    named = getattr(getattr(inner, "config", None), "pad_token_id", None)
    if named is not None:
        return int(named)
    tables = (module for module in inner.modules() if isinstance(module, nn.Embedding))
    return next((table.padding_idx for table in tables if table.padding_idx is not None), None)


def mask(x: Tensor, padding: int) -> Tensor:
    """Return 1 for the tokens of each row and 0 for the padding before and behind them, int64 ``(N, tokens)``.

    A row of nothing but padding keeps its first place: nothing can be attended to otherwise.
    """
    is_token = (x != padding).long()
    is_token[:, 0] |= is_token.sum(dim=1) == 0
    begun, left = is_token.cumsum(dim=1), is_token.flip(1).cumsum(dim=1).flip(1)
    return ((begun > 0) & (left > 0)).long()


def require_room(model: nn.Module, vocabulary: int, length: int) -> None:
    """Raise MismatchError if a network says of itself that it knows fewer tokens, or that its inputs are shorter.

    Args:
        model: may be wrapped; one that says nothing is taken as it is.
        vocabulary: how many tokens there are.
        length: of a row.
    """
    inner = unwrapped(model)
    config = getattr(inner, "config", None)
    known = getattr(config, "vocab_size", None)
    if isinstance(known, int) and known < vocabulary:
        raise MismatchError(
            f"expected a model of {vocabulary} tokens, as the data or the key has, got one of {known}",
            hint="data, tokenizer and model must belong together",
        )
    context = getattr(config, "max_position_embeddings", None)
    if isinstance(context, int) and 0 < context < length:
        raise MismatchError(f"expected a model for rows of {length} tokens, got one whose context is {context}")


@lru_cache(maxsize=256)
def _takes_mask(kind: type[nn.Module]) -> bool:
    try:
        return "attention_mask" in inspect.signature(kind.forward).parameters
    except (TypeError, ValueError):  # some callables written in C have no signature
        return False
