"""What a language model in this process says comes next, after the last token of a prompt."""

from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from modelmark.errors import MismatchError, SuspectError
from modelmark.feeds.causal import END
from modelmark.networks import taps
from modelmark.networks.calling import scored
from modelmark.suspects import candidates
from modelmark.suspects.base import ABSTAIN, Array, AskNext, Probe

_SCORES = 2**25
"""That are held at a time."""
_LIMITS = ("max_position_embeddings", "n_positions", "max_seq_len", "n_ctx")
"""What configurations call the tokens that a model takes, in the order in which they are looked for."""


def context(model: nn.Module) -> int | None:
    """Return how many tokens a model takes by its configuration, None where that does not say."""
    config = getattr(model, "config", None)
    found = (getattr(config, name, None) for name in _LIMITS)
    return next((limit for limit in found if isinstance(limit, int) and limit > 0), None)


def next_scores(model: nn.Module, rows: Sequence[Sequence[int]], vocabulary: int = 0) -> Tensor:
    """Return the scores of the token that comes after each row, ``(N, tokens)``, in evaluation mode on the model's device.

    Rows of one length go through together, so that nothing is filled up.

    Args:
        model: whose scores are ``(N, L, tokens)``.
        rows: of tokens, not empty.
        vocabulary: how many tokens it must know at least.

    Raises:
        MismatchError: a row is longer than the model takes, or it knows fewer tokens, or has no head that scores them.
    """
    longest, limit = max(map(len, rows), default=0), context(model)
    if limit is not None and longest > limit:
        raise MismatchError(f"expected a model that takes prompts of {longest} tokens, got one that takes {limit}")
    found: list[Tensor | None] = [None] * len(rows)
    with taps.evaluating(model):
        for numbers, part in _alike(model, rows, vocabulary):
            for number, row in zip(numbers, part, strict=True):
                found[number] = row
    return torch.stack([row for row in found if row is not None])


def _alike(model: nn.Module, rows: Sequence[Sequence[int]], vocabulary: int) -> Iterator[tuple[list[int], Tensor]]:
    """Yield numbers of rows of one length with their scores, as many at a time as memory is meant for."""
    parameter = next(model.parameters(), None)
    device = "cpu" if parameter is None else parameter.device
    known = vocabulary
    for length in sorted(set(map(len, rows))):
        numbers = [number for number, row in enumerate(rows) if len(row) == length]
        size = max(1, min(256, _SCORES // (length * max(1, known))))
        for start in range(0, len(numbers), size):
            chosen = numbers[start : start + size]
            inputs = torch.tensor([list(rows[number]) for number in chosen], dtype=torch.int64, device=device)
            out = _scored(model, inputs, vocabulary)
            known = out.shape[1]
            yield chosen, out


def _scored(model: nn.Module, inputs: Tensor, vocabulary: int) -> Tensor:
    try:
        out = scored(model, inputs)
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise MismatchError(
            f"expected a model that takes {inputs.shape[1]} tokens of {vocabulary or 'its'} known ones, got: {said}",
            hint="a smaller vocabulary or a shorter context than the key's?",
        ) from None
    if out.dim() != 3 or out.shape[2] != inputs.shape[1]:
        raise MismatchError(
            f"expected scores of the next token after each, got shape {tuple(out.shape)}",
            hint="a causal language model has them, as GPT2LMHeadModel does",
        )
    if out.shape[1] < vocabulary:
        raise MismatchError(
            f"expected scores of at least {vocabulary} tokens, got {out.shape[1]}",
            hint="a model without its head, or one of a smaller vocabulary?",
        )
    return out[:, :, -1]


def answered(model: nn.Module, probe: AskNext, encode: Callable[[str], Sequence[int]] | None = None) -> Array:
    """Return which candidate ``model`` finds likeliest after each prompt, int64 ``(N,)``; ``AskNext`` says more.

    Args:
        model: the suspect.
        probe: what is asked.
        encode: from a prompt's text to the tokens that are fed, such as a chat's template gives them; left out: the prompt's own.

    Raises:
        MismatchError: see ``next_scores``; or texts are wanted, and the prompts are known by number alone.
        SuspectError: all answers are no numbers.
    """
    prompts = probe.prompts
    if encode is None:
        rows = [prompts.tokens(number) for number in range(len(prompts))]
    elif not prompts.texts:
        raise MismatchError(
            "expected prompts with texts, the key's are known by number alone",
            hint="keygen with a tokenizer keeps texts",
        )
    else:
        rows = [list(encode(text)) for text in prompts.texts]
    out = next_scores(model, rows, probe.feed.classes)
    chosen = torch.from_numpy(prompts.candidates.astype(np.int64)).to(out.device)
    labels: npt.NDArray[np.int64] = candidates.likeliest(out.gather(1, chosen).float().cpu().numpy())
    if len(labels) and (labels == ABSTAIN).all():
        raise SuspectError("expected finite numbers from the suspect, got NaN or infinity")
    return labels


def rows_of(prompts: Array) -> list[list[int]]:
    """Return the tokens of each row before its ``END``."""
    return [row[row != END].tolist() for row in prompts]


class Spoken:
    """A language model that is asked by text, such as through the template of a chat.

    ::

        Spoken(model, lambda text: tokenizer.apply_chat_template(
            [{"role": "user", "content": text}], add_generation_prompt=True, return_dict=False))

    Read as it is and so, a suspect is read in two ways, and both are charged: ``mark.weigh([mark.read(WhiteBox(model)),
    mark.read(Spoken(model, encode))])``.

    Args:
        model: the suspect.
        encode: from the text of a prompt to the numbers of the tokens that the model is fed.
    """

    answers: ClassVar[frozenset[type[Probe]]] = frozenset({AskNext})

    def __init__(self, model: nn.Module, encode: Callable[[str], Sequence[int]]) -> None:
        self._model, self._encode = model, encode
        self.queries = 0

    def observe(self, probe: Probe) -> Sequence[Array]:
        """Return the candidates; see ``answered``."""
        if not isinstance(probe, AskNext):
            raise MismatchError("expected a key that asks for next tokens, of a model that is asked by text")
        found = answered(self._model, probe, self._encode)
        self.queries += len(found)
        return [found]
