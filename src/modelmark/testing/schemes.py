"""``check_scheme``: what every scheme promises, checked on a small problem."""

import copy
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from modelmark import hashing
from modelmark.claim.papers.statement import Statement
from modelmark.evidence.evidence import Evidence
from modelmark.feeds.base import Feed
from modelmark.feeds.tensors import Normalise
from modelmark.key.draw import Draw
from modelmark.key.secret import Secret
from modelmark.marks import keyfile
from modelmark.marks.embedding import embed
from modelmark.marks.keys import Key, keygen
from modelmark.marks.marks import Mark
from modelmark.marks.reading import read
from modelmark.networks.calling import scored
from modelmark.schemes.base import Scheme
from modelmark.seeding import seeded
from modelmark.suspects.base import Sliced
from modelmark.suspects.function import BlackBox
from modelmark.suspects.module import WhiteBox
from modelmark.suspects.next_tokens import next_scores
from modelmark.testing.generators import global_state
from modelmark.training.hooks import Composed, Hooks, Samples, joined
from modelmark.training.loop import Progress, fit
from modelmark.training.recipe import Recipe
from modelmark.training.task import Task, accuracy

_SECRET = Secret(bytes(range(32)))
_BATCHES = 8
"""Of an epoch that is interrupted; what hooks keep is there after the first."""


def check_scheme(
    scheme: Scheme,
    fresh: nn.Module,
    task: Task,
    recipe: Recipe,
    *,
    most_lost: float = 0.05,
    unmarked: nn.Module | None = None,
) -> None:
    """Raise AssertionError at the first promise that ``scheme`` does not keep.

    Args:
        scheme: with its default settings.
        fresh: an untrained model it can mark.
        task: small data.
        recipe: under which the model learns the task and the mark.
        most_lost: accuracy that the mark may cost.
        unmarked: ``fresh`` after training under ``recipe`` without a mark, where there is one; else it is trained.
    """
    key = check_untrained(scheme, fresh, task, recipe)
    unmarked = unmarked or fit(fresh, task, recipe, seed=1)
    mark = key.mark()
    before, state = _bytes(fresh), global_state()
    done = embed(fresh, [mark], task, recipe, seed=2)
    assert _bytes(fresh) == before, "embedding changed the model it was given"
    assert global_state() == state, "embedding drew from a global generator"
    assert all(parameter.device == next(fresh.parameters()).device for parameter in done.model.parameters())
    _verdicts(mark, done.model, unmarked, task)
    lost = accuracy(unmarked, task) - done.accuracy_after
    assert lost <= most_lost, f"the mark cost {lost:.3f} of accuracy, expected at most {most_lost}"
    if key.access == "black-box":
        _queries(mark, done.model)
    _other_draws(mark, unmarked)


def check_untrained(scheme: Scheme, fresh: nn.Module, task: Task, recipe: Recipe) -> Key:
    """Raise AssertionError at the first promise that a scheme does not keep before its mark is in; return a key.

    Keys, their files and openings, and what hooks do in company, in compiled models and after an interruption.

    Args:
        scheme: with its default settings.
        fresh: an untrained model it can mark.
        task: small data.
        recipe: of which two epochs are trained.
    """
    key = keygen(scheme, fresh, task.feed, task=task, secret=_SECRET)
    other = _deterministic(scheme, fresh, task, key).mark()
    _round_trip(key)
    _opens(key, fresh)
    _composes([key.mark(), other], fresh, task)
    _compiles(key.mark(), fresh, task)
    _resumes([key.mark(), other], fresh, task, recipe)
    return key


def _deterministic(scheme: Scheme, fresh: nn.Module, task: Task, key: Key) -> Key:
    again = keygen(scheme, fresh, task.feed, task=task, secret=_SECRET)
    assert again.digest == key.digest, "one secret gave two keys"
    other = keygen(scheme, fresh, task.feed, task=task, secret=Secret(bytes(32)))
    assert other.digest != key.digest, "two secrets gave one key"
    assert len(np.unique(key.mark().message)) > 1, "a drawn message of one symbol only"
    return other


def _round_trip(key: Key) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.key")
        keyfile.save(key, path, None)
        loaded = keyfile.load(path, None, scheme=keyfile.inspect(path).scheme)
        assert loaded.digest == key.digest, "a key changed on its way through a file"
        keyfile.save(loaded, Path(folder, "b.key"), None)
        assert path.read_bytes() == Path(folder, "b.key").read_bytes(), "a key file changed on being written again"


class _Mirrored(Hooks):
    """What an attack may do to a loop: other samples in place of its own, and another loss."""

    def change(self, x: Tensor, y: Tensor) -> Samples:
        return x.flip(-1), y

    def loss(self, loss: Tensor, model: nn.Module, x: Tensor, y: Tensor, scores: Tensor) -> Tensor:
        return 3 * loss


def _all(marks: Sequence[Mark], model: nn.Module) -> list[Hooks]:
    return [_Mirrored(), *(mark.hooks(model, seed=5) for mark in marks)]


def _opens(key: Key, model: nn.Module) -> None:
    """Carriers made of all their leaves ask what the key's own ask, and read the same from the same suspect."""
    own = key.carriers
    leaves, statement = dict(enumerate(own.leaves())), Statement.of(key.statement)
    kind = type(key.scheme).reads
    kind.check(statement)
    opened, suspect = kind.opened(statement, leaves, key.private), WhiteBox(model)
    assert len(own.probes()) == len(opened.probes()), "an opening asks more or less than its key"
    for mine, shown in zip(own.probes(), opened.probes(), strict=True):
        assert type(mine) is type(shown), "an opening asks something else than its key"
        assert all(_alike(value, vars(shown)[name]) for name, value in vars(mine).items()), "an opening asks otherwise"
    assert opened.queries() == own.queries(), "an opening names other queries than its key"
    ours, theirs = (read(carriers, suspect).scores[0].table for carriers in (own, opened))
    assert np.array_equal(ours, theirs), "an opening reads another score than its key"


def _alike(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, Feed):  # classes are known by number alone
        return ours.classes == theirs.classes and ours.leaves(ours.example(2)) == theirs.leaves(theirs.example(2))
    if isinstance(ours, Sliced):  # rows, also such as are made a slice at a time
        whole = slice(0, len(ours))
        return len(ours) == len(theirs) and np.array_equal(ours[whole], theirs[whole])
    return bool(ours == theirs)


def _composes(marks: Sequence[Mark], fresh: nn.Module, task: Task) -> None:
    """Beside another mark and hooks that change samples, each does what it does alone to the changed samples."""
    model = copy.deepcopy(fresh).eval()  # where no sample concerns another
    x, y = _samples(task, 0)
    changed = (x.flip(-1), y)
    together, alone = Composed(_all(marks, model)), _all(marks, model)[1:]
    inputs, targets = together.batch(x, y)
    scores = scored(model, inputs)
    loss = together.loss(cross_entropy(scores, targets), model, *changed, scores)

    extra = [part.extra(*changed) for part in alone]
    wanted = joined([changed, *(added for added in extra if added is not None)])
    assert all(map(torch.equal, (inputs, targets), wanted)), "in company a mark appends other samples"
    expected = 3 * cross_entropy(scores, targets)
    for part, added in zip(alone, extra, strict=True):
        own = scored(model, changed[0] if added is None else joined([changed, added])[0])
        expected = expected + part.loss(torch.zeros(()), model, *changed, own)
    assert torch.allclose(loss, expected, rtol=1e-4), "in company a mark adds something else to the loss"


def _compiles(mark: Mark, fresh: nn.Module, task: Task) -> None:
    """Train a compiled model for three steps: the weights must be those of the plain one."""
    torch.compiler.reset()  # past its limit of compilations of one function, it would run that as it stands

    def trained(wrap: Callable[[nn.Module], Any]) -> bytes:
        model = copy.deepcopy(fresh).train()
        wrapped = wrap(model)
        hooks = mark.hooks(wrapped, seed=5)
        optimizer = torch.optim.SGD([{"params": model.parameters()}, *hooks.param_groups()], lr=0.05)
        for number in range(3):
            x, y = _samples(task, number)
            inputs, targets = hooks.batch(x, y)
            with seeded(number):
                scores = scored(wrapped, inputs)
            hooks.loss(cross_entropy(scores, targets), wrapped, x, y, scores).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            optimizer.zero_grad()
            hooks.after_step(wrapped)
        return _bytes(model)

    assert trained(partial(torch.compile, backend="eager")) == trained(lambda model: model), (
        "a compiled model learned something else"
    )


def _samples(task: Task, number: int) -> Samples:
    """Return 16 training samples as the loop feeds them, other ones for other numbers."""
    chosen = slice(16 * number, 16 * (number + 1))
    return Normalise(task.feed)(task.train_inputs[chosen]), task.train_targets[chosen]


def _resumes(marks: Sequence[Mark], fresh: nn.Module, task: Task, recipe: Recipe) -> None:
    """Interrupt a run of two epochs after the first: what goes on from there must end in the same bytes."""
    kept: list[dict[str, Any]] = []
    few = task.subset(min(len(task.train_inputs), _BATCHES * recipe.batch), seed=0)

    def watch(progress: Progress) -> None:
        if progress.epoch_ended and not kept:
            kept.append(copy.deepcopy(progress.snapshot()))

    def train(**options: Any) -> nn.Module:
        def hooks(model: nn.Module) -> Hooks:
            return Composed(_all(marks, model))

        return fit(fresh, few, replace(recipe, epochs=2), seed=2, hooks=hooks, **options)

    whole = train(watch=watch)
    assert _bytes(train(resume=kept[0])) == _bytes(whole), "a resumed run ended in other bytes than a whole one"


def _verdicts(mark: Mark, marked: nn.Module, unmarked: nn.Module, task: Task) -> None:
    found = mark.evidence(WhiteBox(marked))
    assert isinstance(found, Evidence), "the default variant has no exact test"
    assert found.established, f"the marked model is {found}"
    wrong = keygen(mark.key.scheme, marked, task.feed, task=task).mark()
    for what, other in (
        ("an unmarked model", mark.evidence(WhiteBox(unmarked))),
        ("a wrong key", wrong.evidence(WhiteBox(marked))),
    ):
        assert isinstance(other, Evidence)
        assert not other.established, f"{what} is {other}"
        assert other.gross_bits < 20, f"{what} reaches 20 bits: {other}"


def _queries(mark: Mark, marked: nn.Module) -> None:
    asked, device = 0, next(marked.parameters()).device

    def answer(inputs: Any) -> torch.Tensor:
        nonlocal asked
        asked += len(inputs)
        if isinstance(inputs, list):  # prompts of a language model
            return next_scores(marked, inputs).argmax(1)
        return scored(marked, inputs.to(device)).argmax(1)

    with torch.no_grad():
        found = mark.evidence(BlackBox(answer))
    assert found.established, "a plain function that answers like the marked model"
    assert found.queries == asked, f"{asked} queries made, {found.queries} stated"


def _other_draws(mark: Mark, unmarked: nn.Module, *, draws: int = 400) -> None:
    """Draw other messages against the fixed answers of an unmarked model; their mean must be the binomial's."""
    key = mark.key
    trials, alphabet = key.scheme.size(key.feed)
    symbols = read(key.carriers, WhiteBox(unmarked)).scores[0].symbols
    total = sum(
        int(
            (
                Draw(hashing.digest("other-draw", bytes([index // 256, index % 256]))).message(alphabet, trials)
                == symbols
            ).sum()
        )
        for index in range(draws)
    )
    deviation = np.sqrt(draws * trials * (1 / alphabet) * (1 - 1 / alphabet))
    assert abs(total - draws * trials / alphabet) < 4 * deviation, "an unmarked model matches too often or too rarely"


def _bytes(model: nn.Module) -> bytes:
    return b"".join(tensor.cpu().numpy().tobytes() for tensor in copy.deepcopy(model.state_dict()).values())
