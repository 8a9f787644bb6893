"""Random weight masking: what is zeroed, when, and that an interrupted run goes on with the same choices."""

import pytest
import torch
from torch import nn

from modelmark.schemes._masking import Coupling, Masking


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 20, 3), nn.BatchNorm2d(20), nn.Flatten(), nn.Linear(20 * 36, 100), nn.ReLU(), nn.Linear(100, 10)
    )


def zeros(model):
    return {name: int((value == 0).sum()) for name, value in model.named_parameters()}


def test_a_share_of_all_but_head_and_normalisation_is_zeroed(model):
    masking, total = Masking(1, 0.05, seed=0), 20 * 27 + 720 * 100
    before = zeros(model)
    masking.after_step(model)
    after = zeros(model)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"0.weight", "3.weight"}
    assert (after["0.weight"] + after["3.weight"]) / total == pytest.approx(0.05, rel=0.05)
    assert after["0.weight"] / 540 == pytest.approx(0.05, abs=0.03)  # uniform over all of them, not layer by layer


def test_every_tenth_step_and_no_other(model):
    masking, seen = Masking(10, 0.01, seed=0), []
    for step in range(1, 31):
        before = sum(zeros(model).values())
        masking.after_step(model)
        if sum(zeros(model).values()) > before:
            seen.append(step)
    assert seen == [10, 20, 30]


def test_zeros_regrow_because_no_mask_is_kept(model):
    optimizer, x = torch.optim.SGD(model.parameters(), 0.1), torch.rand(8, 3, 8, 8)
    Masking(1, 0.05, seed=0).after_step(model)
    held = sum(zeros(model)[name] for name in ("0.weight", "3.weight"))
    model(x).square().sum().backward()
    optimizer.step()
    assert sum(zeros(model)[name] for name in ("0.weight", "3.weight")) < held / 2


def test_frozen_weights_and_a_ratio_of_zero_are_left_alone(model):
    model[3].weight.requires_grad_(False)
    before = model[3].weight.clone()
    Masking(1, 0.5, seed=0).after_step(model)
    assert torch.equal(model[3].weight, before)
    kept = {name: value.clone() for name, value in model.state_dict().items()}
    Masking(1, 0.0, seed=0).after_step(model)
    assert all(torch.equal(value, kept[name]) for name, value in model.state_dict().items())


def test_any_memory_format_and_a_model_with_nothing_to_mask(model):
    model.to(memory_format=torch.channels_last)
    Masking(1, 0.2, seed=0).after_step(model)
    assert zeros(model)["0.weight"] > 50
    Masking(1, 0.2, seed=0).after_step(nn.Linear(3, 2))


def test_count_and_choice_go_on_from_the_state(model):
    first, second = Masking(3, 0.02, seed=1), Masking(3, 0.02, seed=2)
    for _ in range(5):
        first.after_step(model)
    second.load_state_dict(first.state_dict())
    start = {name: value.clone() for name, value in model.state_dict().items()}
    first.after_step(model)
    reached = {name: value.clone() for name, value in model.state_dict().items()}
    assert any(not torch.equal(value, start[name]) for name, value in reached.items())
    model.load_state_dict(start)
    second.after_step(model)
    assert all(torch.equal(value, reached[name]) for name, value in model.state_dict().items())


def test_a_margin_is_that_of_a_majority():
    scores = torch.tensor([[3.0, 0.0], [2.0, 0.0], [-9.0, 0.0], [-1.0, 0.0], [-2.0, 0.0], [8.0, 0.0]])
    model = nn.Identity()
    labels = torch.zeros(6, dtype=torch.int64)
    made = Coupling([Masking(1, 0.0, seed=0)], scores, labels, 3)
    assert made.margins(model).tolist() == [2.0, -1.0]
    even = Coupling([Masking(1, 0.0, seed=0)], scores[:4], labels[:4], 4)
    assert even.margins(model).tolist() == [-1.0]  # two of four are no majority
