"""How much records surprise a suspect: a network of which the scores are at hand, or any function that says log-probabilities."""

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from modelmark.errors import MalformedError, MismatchError, SuspectError
from modelmark.feeds.tensors import Normalise
from modelmark.naming import library
from modelmark.suspects.base import ABSTAIN, MICRONATS, MOST_SURPRISAL, Array, Inputs, Probe, Repeated, Weigh
from modelmark.suspects.feeding import batch_size

_SCORES = 2**25
"""That are held at a time."""
_TEXTS = 64


def surprisals(logarithms: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return log-probabilities ``(N,)`` in nats as surprisals; NaN is ``ABSTAIN``, no chance at all ``MOST_SURPRISAL``."""
    told = np.where(np.isnan(logarithms), 0.0, np.maximum(-logarithms * MICRONATS, 0.0))
    rounded = np.rint(np.minimum(told, MOST_SURPRISAL)).astype(np.int64)
    found: npt.NDArray[np.int64] = np.where(np.isnan(logarithms), ABSTAIN, rounded)
    return found


def of_network(model: nn.Module, probe: Weigh) -> npt.NDArray[np.int64]:
    """Return how much each record surprises a network, int64 ``(N,)``; it is read in evaluation mode and left as it was.

    Raises:
        MismatchError: it takes no such inputs, or they are texts.
        SuspectError: it scores other classes, or none of its scores is a number.
    """
    from modelmark.suspects.module import logits

    if probe.feed.kind == "texts":
        raise MismatchError(
            "expected a function that says how likely texts are, got a network", hint="suspects.likelihoods.of_texts"
        )
    normalise = Normalise(probe.feed)
    found = []
    for inputs, told in _parts(probe):
        rows = torch.from_numpy(np.ascontiguousarray(inputs))
        fed = rows[:, :-1] if probe.feed.kind == "causal" else rows
        try:
            scores = logits(model, normalise(fed))
        except (RuntimeError, ValueError, IndexError) as error:
            problem = str(error).splitlines()[0][:120]
            raise MismatchError(f"expected a model that takes inputs {tuple(fed.shape[1:])}, got: {problem}") from None
        if scores.shape[1] != probe.feed.classes:
            raise SuspectError(f"expected scores of {probe.feed.classes} classes, got shape {tuple(scores.shape[1:])}")
        found.append((_of_tokens if probe.feed.kind == "causal" else _of_labels)(scores, rows, told))
    given = surprisals(np.concatenate(found)) if found else np.empty(0, np.int64)
    if len(given) and (given == ABSTAIN).all():
        raise SuspectError("expected finite numbers from the suspect, got NaN or infinity")
    return given


def _parts(probe: Weigh) -> Iterator[tuple[Array, npt.NDArray[np.int64]]]:
    """Yield inputs and what is told of them, as many as memory is meant for; of repeated ones all that is told of each."""
    sequence = math.prod(probe.feed.input_shape) if probe.feed.kind == "causal" else 1
    size = max(1, min(batch_size(probe.feed), _SCORES // (sequence * probe.feed.classes)))
    inputs, told = distinct(probe)
    for start in range(0, len(inputs), size):
        part = slice(start, start + size)
        yield inputs[part], told[part]


def distinct(probe: Weigh) -> tuple[Inputs, npt.NDArray[np.int64]]:
    """Return the inputs, each once, and what is told of them: ``(N,)``, or ``(N, times)`` where all are repeated."""
    if isinstance(probe.inputs, Repeated) and probe.feed.kind not in ("causal", "texts"):
        return probe.inputs.rows, probe.told.reshape(-1, probe.inputs.times)
    return probe.inputs, probe.told


def _of_labels(scores: Tensor, inputs: Tensor, told: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    chosen = torch.from_numpy(told).to(scores.device).reshape(len(scores), -1)
    return np.asarray(scores.double().log_softmax(dim=1).gather(1, chosen).flatten().cpu())


def _of_tokens(scores: Tensor, rows: Tensor, told: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return the log-probability of all tokens that are weighed, together, from scores ``(N, vocabulary, L - 1)``."""
    following = rows[:, 1:].long().to(scores.device)
    each = scores.float().log_softmax(dim=1).gather(1, following.clamp(min=0)[:, None])[:, 0].double()
    place = torch.arange(1, rows.shape[1], device=scores.device)
    counted = (following >= 0) & (place >= torch.from_numpy(told).to(scores.device)[:, None])
    return np.asarray(each.masked_fill(~counted, 0.0).sum(dim=1).cpu())


class Likelihoods:
    """A suspect known by the log-probabilities it gives.

    Args:
        weigh: a function that returns the natural logarithm of the probability of each record, ``(N,)``, NaN for a refusal. Of
            texts it is given a list of pairs ``(given, following)``; of rows of tokens the rows, int32 ``(N, tokens)`` with
            ``END`` behind the last, and how many are given; of others the inputs as they are stored, and the labels.
    """

    answers: ClassVar[frozenset[type[Probe]]] = frozenset({Weigh})

    def __init__(self, weigh: Callable[..., object]) -> None:
        self._weigh = weigh
        self.queries = 0

    def observe(self, probe: Probe) -> Sequence[Array]:
        """Return the surprisal of each record.

        Raises:
            MismatchError: something else is asked.
            SuspectError: what it gives are no log-probabilities.
        """
        if not isinstance(probe, Weigh):
            raise MismatchError(
                "expected a mark in data, which is read from log-probabilities; the suspect gives these alone"
            )
        found = [np.empty(0, np.int64)]
        for start in range(0, len(probe.inputs), _TEXTS):
            part = slice(start, start + _TEXTS)
            found.append(self._given(*_handed(probe.inputs[part], probe.told[part], probe.feed.kind)))
        return [np.concatenate(found)]

    def _given(self, *handed: Any) -> npt.NDArray[np.int64]:
        count = len(handed[0])
        self.queries += count
        given = np.asarray(self._weigh(*handed), np.float64)
        if given.shape != (count,) or (given > 0).any():
            top = f", the largest {given.max():g}" if given.size else ""
            raise SuspectError(f"expected {count} log-probabilities, at most 0, got shape {given.shape}{top}")
        return surprisals(given)


def _handed(inputs: Array, told: npt.NDArray[np.int64], kind: str) -> tuple[Any, ...]:
    """Return what the function is given."""
    if kind != "texts":
        return inputs, told
    return ([(text[:given], text[given:]) for text, given in zip(inputs[:, 0], told.tolist(), strict=True)],)


def of_texts(model: nn.Module, tokenizer: Any) -> Likelihoods:
    """Return a language model with the tokenizer of its own as a suspect that weighs texts.

    Args:
        model: from token numbers ``(N, L)`` to scores of the next tokens.
        tokenizer: of Hugging Face's kind, a fast one: it says where in the text each token stands.
    """

    def weigh(pairs: list[tuple[str, str]]) -> list[float]:
        return [_weighed(model, tokenizer, given, following) for given, following in pairs]

    return Likelihoods(weigh)


def of_folder(folder: Path) -> Likelihoods:
    """Return the causal language model in a folder of transformers, with its tokenizer; no code of the folder is run.

    Raises:
        MissingPackageError: transformers is not installed.
        MalformedError: there is no such model, weights of it are missing, or it has no fast tokenizer.
    """
    transformers = library("transformers", extra="hf")
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        model, loaded = transformers.AutoModelForCausalLM.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, use_safetensors=True, output_loading_info=True
        )
    except Exception as error:  # whatever the library makes of a folder that is none
        problem = " ".join(str(error).split())[:160]
        raise MalformedError(
            f"expected a causal language model with its tokenizer in {folder}, got: {problem}"
        ) from None
    if missing := sorted(loaded["missing_keys"]):  # the library fills them with random numbers
        raise MalformedError(
            f"expected all weights of a causal language model in {folder}, {len(missing)} are missing: {missing[0]}",
            hint="a model without its head scores no tokens",
        )
    if not tokenizer.is_fast:
        raise MalformedError(f"expected a fast tokenizer in {folder}, one of tokenizer.json, got another")
    return of_texts(model.eval(), tokenizer)


def _weighed(model: nn.Module, tokenizer: Any, given: str, following: str) -> float:
    """Return the log-probability of a text behind another; its first token has none where nothing stands before it."""
    from modelmark.suspects.module import logits

    made = tokenizer(given + following, return_offsets_mapping=True)
    tokens, ends = made["input_ids"], [end for _, end in made["offset_mapping"]]
    first = next((number for number, end in enumerate(ends) if end > len(given)), len(tokens))
    if first >= len(tokens) or len(tokens) < 2:
        return math.nan
    longest = getattr(getattr(model, "config", None), "max_position_embeddings", None)
    if longest is not None and len(tokens) - 1 > longest:
        return math.nan  # it abstains; a suspect of a short context is read by the records that it can take
    row = torch.tensor([tokens])
    return float(_of_tokens(logits(model, row[:, :-1]), row.int(), np.array([max(first, 1)]))[0])
