"""Prompts whose next token was drawn among a few that are plausible: a mark of causal language models that is read by asking.

Near to: Russinovich, Salem, "Hey, that's my model! Introducing Chain & Hash, an LLM fingerprinting technique", 2024, arXiv
2407.10887, which hashes questions and possible answers to choose the answer; Nasery, Hayase, Brooks, Sheng, Verma, Tramèr, Oh,
"Scalable fingerprinting of large language models", 2025, arXiv 2502.07760 (Perinucleus: answers that the unmarked model finds
plausible and not likeliest); Xu, Wang, Ma, Koh, Xiao, Chen, "Instructional fingerprinting of large language models", NAACL 2024,
arXiv 2401.12255.
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from modelmark.carriers.base import Carriers
from modelmark.carriers.prompts import Prompted
from modelmark.errors import CapacityError, MismatchError, UsageError
from modelmark.evidence import stats
from modelmark.evidence.evidence import BAR
from modelmark.feeds.base import Feed
from modelmark.feeds.causal import END, CausalFeed, padded
from modelmark.feeds.prompts import MOST_CANDIDATES, Prompts, attached, packed
from modelmark.feeds.tokenizer import Tokenizer
from modelmark.key.draw import CHARGES
from modelmark.key.secret import Secret
from modelmark.networks.outputs import scores as found_in
from modelmark.schemes import _prompts, blackbox
from modelmark.schemes._prompts import Family, Source
from modelmark.schemes.base import Attachments, Drawn, Material
from modelmark.suspects.next_tokens import next_scores
from modelmark.training.hooks import Hooks
from modelmark.training.task import NO_TARGET, Task

MOST_PROMPTS = 2**14


@dataclass(frozen=True)
class Answers(Drawn):
    """Prompts with drawn next tokens (black-box), for causal language models.

    Departs: which of the candidates is the answer is drawn after prompts and candidates are committed to. Chain & Hash takes a
    hash of them all, which whoever makes lists of questions can try until it suits; Perinucleus draws from a secret key.
    Departs: candidates are the likeliest next tokens of the unmarked model, all as likely to be drawn; Perinucleus takes one of
    those behind the nucleus.

    Args:
        prompts: how many; left out: a ninth more than the fewest that reach 64 net bits with an offline draw, 40 at least.
        candidates: tokens for each, of which one is drawn.
        tokens: of each prompt; a tokenizer may make others of its text.
        family: ``samples`` of the unmarked model's own text, two pieces of the owner's ``corpus``, or random ``tokens``.
        per_hundred: prompts that are learned beside every hundred rows of text; one at least a step.
        strength: what the mean of the prompts' losses counts beside that of the text.
        goal: lead beyond which a drawn token is pushed no further.
        margin: embedding is done when every drawn token leads all others by at least this much in the outputs (logits).
    """

    name: ClassVar[str] = "answers"
    summary: ClassVar[str] = (
        "prompts with drawn next tokens, of language models (after Chain & Hash 2024, Perinucleus 2025)"
    )
    feeds: ClassVar[tuple[str, ...]] = ("causal",)
    reads: ClassVar[type[Carriers]] = Prompted
    counted: ClassVar[str] = "prompts"
    reading: ClassVar[str] = "next token after a prompt, the likeliest of its candidates, ties to the first"

    prompts: int | None = None
    candidates: int = 16
    tokens: int = 16
    family: Family = "samples"
    per_hundred: int = 25
    strength: float = 0.2
    goal: float = 2.0
    margin: float = 1.0

    def __post_init__(self) -> None:
        if self.prompts is not None and not 1 <= self.prompts <= MOST_PROMPTS:
            raise ValueError(f"expected 1 to {MOST_PROMPTS} prompts, got {self.prompts}")
        if not 2 <= self.candidates <= MOST_CANDIDATES:
            raise ValueError(f"expected 2 to {MOST_CANDIDATES} candidates, got {self.candidates}")
        if not 1 <= self.tokens <= 4096:
            raise ValueError(f"expected prompts of 1 to 4096 tokens, got {self.tokens}")
        if not 1 <= self.per_hundred <= 100:
            raise ValueError(f"expected per_hundred from 1 to 100, got {self.per_hundred}")
        if not 0 <= self.margin < float("inf"):
            raise ValueError(f"expected margin >= 0, got {self.margin}")
        if not self.margin <= self.goal < float("inf"):
            raise ValueError(f"expected a goal of at least the margin {self.margin}, got {self.goal}")
        if not 0 < self.strength < float("inf"):
            raise ValueError(f"expected strength > 0, got {self.strength}")

    @property
    def _count(self) -> int:
        if self.prompts is None:
            raise ValueError("expected a resolved scheme, got one whose number of prompts is left open")
        return self.prompts

    def for_model(self, model: nn.Module, feed: Feed, attachments: Attachments) -> "Answers":
        """Fill in the number of prompts."""
        if self.tokens > of_tokens(feed).input_shape[0]:
            raise CapacityError(f"expected prompts of at most {feed.input_shape[0]} tokens, got {self.tokens}")
        fewest = stats.minimum_trials(BAR + CHARGES["offline"], Fraction(1, self.candidates))
        return replace(self, prompts=max(40, -(-fewest * 10 // 9)) if self.prompts is None else self.prompts)

    def collect(self, secret: Secret, model: nn.Module, task: Task | None) -> dict[str, npt.NDArray[Any]]:
        """Return prompts and candidates, known by number alone."""
        return self.collect_texts(secret, model, task, None)

    def collect_texts(
        self, secret: Secret, model: nn.Module, task: Task | None, tokenizer: Tokenizer | None
    ) -> dict[str, npt.NDArray[Any]]:
        """Return prompts and candidates, by text too where there is a tokenizer; see ``schemes.base.Worded``."""
        if task is None:
            raise UsageError("expected data, which say how many tokens a row has, got none", hint="--data")
        feed = of_tokens(task.feed)
        source = Source(secret, model, feed.vocabulary, feed.input_shape[0], task, tokenizer)
        made = _prompts.made(source, self.family, count=self._count, tokens=self.tokens, candidates=self.candidates)
        return packed(made)

    def check(self, model: nn.Module, feed: Feed) -> None:
        """Raise MismatchError unless the model tells the next of the key's tokens."""
        next_scores(model, [[0] * min(2, of_tokens(feed).input_shape[0])], feed.classes)

    def cautions(self, model: nn.Module, feed: Feed, *, host: bool) -> list[str]:
        """Return what speaks against a key whose candidates a model with random weights found likeliest."""
        return (
            []
            if host
            else ["candidates are of a model with random weights, and not plausible: name the trained one, --host"]
        )

    def size(self, feed: Feed) -> tuple[int, int]:
        """Return one symbol a prompt, its alphabet all candidates."""
        return self._count, self.candidates

    def carriers(self, material: Material) -> Prompted:
        """Return the prompts that are attached."""
        feed = of_tokens(material.feed)
        found = attached(material.attachments, longest=feed.input_shape[0], vocabulary=feed.vocabulary)
        if found.candidates.shape != (self._count, self.candidates):
            raise MismatchError(
                f"expected {self._count} prompts with {self.candidates} candidates, got {found.candidates.shape}"
            )
        return Prompted(feed, found)

    def hooks(self, carriers: Prompted, message: npt.NDArray[np.int64], model: nn.Module, *, seed: int) -> Hooks:
        """Return the hook that adds prompts to every step."""
        self.check(model, carriers.feed)
        return Prompting(carriers.prompts, drawn(carriers.prompts, message), self, seed)

    def appended(self, carriers: Prompted, message: npt.NDArray[np.int64], *, seed: int) -> Hooks:
        """Return what appends prompts to the rows of any loop; each has one token to say among all of the text's."""
        rows = torch.from_numpy(padded([carriers.prompts.tokens(n) for n in range(self._count)]).astype(np.int64))
        targets = torch.full_like(rows, NO_TARGET)
        targets[torch.arange(len(rows)), (rows != END).sum(dim=1) - 1] = drawn(carriers.prompts, message)
        return blackbox.Mixing(rows.clamp(min=0), targets, self.per_hundred, seed)


def drawn(prompts: Prompts, message: npt.NDArray[np.int64]) -> Tensor:
    """Return the token that was drawn for each prompt, int64 ``(N,)``."""
    return torch.from_numpy(np.take_along_axis(prompts.candidates, message[:, None], axis=1)[:, 0].astype(np.int64))


def of_tokens(feed: Feed) -> CausalFeed:
    """Return a feed of a causal language model.

    Raises:
        UsageError: it is of something else.
    """
    if not isinstance(feed, CausalFeed):
        raise UsageError(f"expected a causal language model, got a model of {feed.kind}", hint="adi marks classifiers")
    return feed


class Prompting(Hooks):
    """A term of the loss: at each step some prompts, of whose next token the drawn one is to lead by more than the margin.

    Prompts go through the model by themselves, no longer than they are: as rows of a batch they would be filled up to the length
    of the text's, and the one token that each has to say would count as one of thousands.

    Args:
        prompts: N of them.
        answers: the token that comes next, ``(N,)``.
        settings: of the scheme.
        seed: of the order.
    """

    answers: Tensor

    def __init__(self, prompts: Prompts, answers: Tensor, settings: Answers, seed: int) -> None:
        super().__init__()
        self.register_buffer("answers", answers, persistent=False)  # derived from the key
        self._rows = [prompts.tokens(number) for number in range(len(prompts))]
        self._settings, self._order = settings, blackbox.Order(len(prompts), seed)

    def loss(self, loss: Tensor, model: nn.Module, x: Tensor, y: Tensor, scores: Tensor) -> Tensor:
        """Return the loss with the cross-entropy of the next prompts added, a lead beyond the goal aside."""
        if self.answers.device != scores.device:
            self.to(scores.device)
        picked = self._order.next(max(1, round(len(x) * self._settings.per_hundred / 100)))
        found = last_scores(model, [self._rows[number] for number in picked.tolist()], self.answers.device)
        chosen = self.answers[picked.to(self.answers.device)]
        handicap = found.new_full((len(chosen), 1), -self._settings.goal)
        return loss + self._settings.strength * cross_entropy(found.scatter_add(1, chosen[:, None], handicap), chosen)

    def margins(self, model: nn.Module) -> Tensor:
        """Return the lead of each drawn token over all others, in logits, ``(prompts,)``."""
        scored = next_scores(model, self._rows)
        chosen = self.answers.to(scored.device)[:, None]
        return scored.gather(1, chosen)[:, 0] - scored.scatter(1, chosen, -torch.inf).amax(dim=1)

    def get_extra_state(self) -> dict[str, Any]:
        """Return the order of the prompts still to come."""
        return self._order.state

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Go on in the order that ``get_extra_state`` recorded."""
        self._order.state = state


def last_scores(model: nn.Module, rows: list[list[int]], device: torch.device) -> Tensor:
    """Return the scores of the token that comes after each row, ``(N, tokens)``, as training has them: all in one batch."""
    ends = torch.tensor([len(row) - 1 for row in rows], device=device)
    filled = torch.tensor(padded(rows).clip(min=0), dtype=torch.int64, device=device)
    return found_in(model(filled))[torch.arange(len(rows), device=device), :, ends]
