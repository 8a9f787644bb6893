"""``check_attack``: what every attack promises, checked on a small problem."""

import copy

import numpy as np
import torch
from torch import nn

from modelmark.attacks.base import Attack
from modelmark.task import Task, accuracy


def check_attack(attack: Attack, model: nn.Module, task: Task, *, floor: float) -> nn.Module:
    """Raise AssertionError at the first promise that ``attack`` does not keep; return the attacked model.

    Args:
        attack: with the settings to check.
        model: trained on ``task``.
        task: small data.
        floor: accuracy that the attacked model must keep.
    """
    before, state = copy.deepcopy(model.state_dict()), _global_state()
    modes = [module.training for module in model.modules()]
    gradients = [parameter.requires_grad for parameter in model.parameters()]
    attacked = attack(model, task, seed=3)
    assert attacked is not model, "the attack returned the model it was given"
    assert _equal(before, model.state_dict()), "the attack changed the model it was given"
    assert modes == [module.training for module in model.modules()], "the attack changed the model's mode"
    assert gradients == [parameter.requires_grad for parameter in model.parameters()], "the attack froze its input"
    assert all(parameter.requires_grad for parameter in attacked.parameters()), "the result is left frozen"
    assert _global_state() == state, "the attack drew from a global generator"
    assert _equal(attacked.state_dict(), attack(model, task, seed=3).state_dict()), "one seed gave two results"
    assert attacked.state_dict().keys() == before.keys(), "the result has another interface"
    kept = accuracy(attacked, task)
    assert kept >= floor, f"accuracy {kept:.3f} after the attack, expected at least {floor}"
    return attacked


def _equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def _global_state() -> tuple[bytes, str]:
    return torch.get_rng_state().numpy().tobytes(), str(np.random.get_state())
