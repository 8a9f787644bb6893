"""``check_attack``: what every attack promises, checked on a small problem."""

import copy
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from modelmark.attacks import fields
from modelmark.attacks.base import KINDS
from modelmark.attacks.results import Finding, Forged
from modelmark.attacks.serving import answered, served, whole
from modelmark.feeds.causal import END
from modelmark.feeds.tensors import Normalise
from modelmark.suspects.base import ABSTAIN
from modelmark.suspects.module import logits
from modelmark.testing.generators import global_state
from modelmark.training.task import Task, accuracy


def check_attack(attack: Any, model: nn.Module, task: Task, *, floor: float = 0.0) -> Any:
    """Raise AssertionError at the first promise that ``attack`` does not keep; return what the attack returned.

    Args:
        attack: of any kind, with the settings to check.
        model: trained on ``task``; a collusion is given it and a copy.
        task: small data.
        floor: share of right answers that the attacked model, or the filtered API, must keep.
    """
    check_description(type(attack))
    before, state = copy.deepcopy(model.state_dict()), global_state()
    modes = [module.training for module in model.modules()]
    gradients = [parameter.requires_grad for parameter in model.parameters()]
    result = _run(attack, model, task)
    assert _equal(before, model.state_dict()), "the attack changed the model it was given"
    assert modes == [module.training for module in model.modules()], "the attack changed the model's mode"
    assert gradients == [parameter.requires_grad for parameter in model.parameters()], "the attack froze its input"
    assert all(parameter.grad is None for parameter in model.parameters()), "the attack left gradients on its input"
    assert global_state() == state, "the attack drew from a global generator"
    again = _run(attack, model, task)
    _CHECKS[attack.kind](result, again, model, task)
    if attack.kind in ("modification", "extraction", "collusion", "evasion"):
        kept = accuracy(result, task) if isinstance(result, nn.Module) else answered(result, task)
        assert kept >= floor, f"accuracy {kept:.3f} after the attack, expected at least {floor}"
    return result


def check_description(cls: type[Any]) -> None:
    """Raise AssertionError unless an attack says what it is, and each setting what it may hold and refuses all else."""
    for name in ("name", "summary", "source", "family"):
        assert getattr(cls, name), f"the attack has no {name}; its docstring says the summary first, and Source:"
    assert cls.kind in KINDS, f"{cls.kind!r} is no kind of attack"
    assert cls.strengths, "the attack has no settings for sweeps"
    for settings in cls.strengths:
        cls(**settings)
    for field in fields.described(cls):
        assert field.about, f"the setting {field.name} does not say what it means"
        assert field.within or field.choices or field.type in (bool, str), f"the setting {field.name} has no range"
        for value in outside(field):
            said = _refusal(cls, {field.name: value})
            assert said, f"the setting {field.name} took {value!r}"
            assert re.match(f"expected {field.name} .*, got ", said), f"refused in other words: {said}"


def outside(field: fields.Field) -> list[Any]:
    """Return values that a setting may not hold: of another type, just past either end of its range, and no number."""
    if field.within is None:
        return ["no such choice", 0] if field.choices else ["maybe" if field.type is bool else 0]
    low, high = field.within.low, field.within.high
    step = 1 if field.type is int else 1e-6
    past = [low if low not in field.within else low - step, high if high not in field.within else high + step]
    return [
        "many",
        True,
        *(value for value in past if math.isfinite(value)),
        *([math.nan, math.inf] if step != 1 else [1.5]),
    ]


def _refusal(cls: type[Any], settings: dict[str, Any]) -> str:
    try:
        cls(**settings)
    except ValueError as error:
        return str(error)
    return ""


def _run(attack: Any, model: nn.Module, task: Task) -> Any:
    if attack.kind == "collusion":
        return attack([model, copy.deepcopy(model)], task, seed=3)
    return attack(served(model, task.feed) if attack.kind == "evasion" else model, task, seed=3)


def _check_model(result: Any, again: Any, model: nn.Module, task: Task) -> None:
    assert result is not model, "the attack returned the model it was given"
    assert all(parameter.requires_grad for parameter in result.parameters()), "the result is left frozen"
    assert not result.training, "the result is left in training mode"
    assert _equal(result.state_dict(), again.state_dict()), "one seed gave two results"
    inputs = Normalise(task.feed)(task.test_inputs[:2])
    assert logits(result, inputs).shape == logits(model, inputs).shape, "the result has another interface"


def _check_changed(result: Any, again: Any, model: nn.Module, task: Task) -> None:
    _check_model(result, again, model, task)
    assert result.state_dict().keys() <= model.state_dict().keys(), "the result has another interface"


def _check_answer(result: Any, again: Any, model: nn.Module, task: Task) -> None:
    if task.feed.kind == "causal":
        _check_completion(result, again, task)
        return
    inputs = Normalise(task.feed)(task.test_inputs[:64])
    kept = inputs.clone()
    given = result(inputs)
    assert torch.equal(inputs, kept), "the API changed the inputs it was given"
    assert given.shape == inputs.shape[:1], "the API does not answer one label an input"
    assert given.dtype == torch.int64, "the API does not answer int64 labels"
    assert given.min() >= ABSTAIN, "an answer is no label"
    assert given.max() < task.feed.classes, "an answer is no label"
    assert torch.equal(given, again(inputs)), "one seed gave two results"


def _check_completion(result: Any, again: Any, task: Task) -> None:
    rows, _ = whole(task)
    asked = rows[:64].clone()
    asked[0, 1:] = END  # a prompt of one token
    kept = asked.clone()
    given = result(asked)
    assert torch.equal(asked, kept), "the API changed the rows it was given"
    assert given.shape == (len(asked), task.feed.classes), "the API does not score every token for each row"
    assert not given.isnan().any(), "a score is no number"
    assert torch.isfinite(given).any(dim=1).all(), "a row has no token that may come next"
    assert torch.equal(given, again(asked)), "one seed gave two results"


def _check_claim(result: Any, again: Any, model: nn.Module, task: Task) -> None:
    assert isinstance(result, Forged), "the attack returned no claim"
    assert np.array_equal(result.message, again.message), "one seed gave two results"
    assert result.attachments.keys() == again.attachments.keys(), "one seed gave two results"
    same = all(np.array_equal(value, again.attachments[name]) for name, value in result.attachments.items())
    assert same, "one seed gave two results"
    assert result.tries >= 1, "the claim took no try"


def _check_finding(result: Any, again: Any, model: nn.Module, task: Task) -> None:
    assert isinstance(result, Finding), "the attack returned no finding"
    assert result == again, "one seed gave two results"


_CHECKS: dict[str, Callable[[Any, Any, nn.Module, Task], None]] = {
    "modification": _check_changed,
    "extraction": _check_model,
    "collusion": _check_changed,
    "evasion": _check_answer,
    "forgery": _check_claim,
    "detection": _check_finding,
}


def _equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
