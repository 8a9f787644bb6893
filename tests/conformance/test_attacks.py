"""Every attack in the table through the battery, each with the control that it does what it says."""

import pytest
import torch

from modelmark.attacks.pruning.prune import Prune
from modelmark.attacks.tuning.finetune import FineTune
from modelmark.networks import layers
from modelmark.testing import check_attack


@pytest.mark.parametrize("form", ["ftll", pytest.param("ftal", marks=pytest.mark.slow), "rtll", "rtal"])
def test_finetune(form, unmarked, digits):
    attacked = check_attack(FineTune(form=form, rate=0.01, epochs=2), unmarked, digits, floor=0.9)
    head = layers.head(unmarked)
    moved = {
        name for name, value in attacked.state_dict().items() if not torch.equal(value, unmarked.state_dict()[name])
    }
    heads = {f"{head}.weight", f"{head}.bias"}
    assert moved == heads if form in ("ftll", "rtll") else moved == set(unmarked.state_dict())


@pytest.mark.parametrize("scope", ["global", "layer"])
@pytest.mark.parametrize("amount", [0.0, 0.3])
def test_prune_zeroes_the_share_it_says(amount, scope, unmarked, digits):
    attacked = check_attack(Prune(amount, scope), unmarked, digits, floor=0.9)
    weights = [layers.weight(attacked, layer.path) for layer in layers.markable(attacked)]
    zeros, total = sum(int((w == 0).sum()) for w in weights), sum(w.numel() for w in weights)
    assert zeros / total == pytest.approx(amount, abs=1e-3)
    if scope == "layer":
        assert all((w == 0).float().mean().item() == pytest.approx(amount, abs=0.01) for w in weights)
    kept = torch.cat([w[w != 0].abs().flatten() for w in weights])
    original = torch.cat([layers.weight(unmarked, layer.path).abs().flatten() for layer in layers.markable(unmarked)])
    if scope == "global" and amount:
        assert kept.min() >= original.kthvalue(zeros).values
