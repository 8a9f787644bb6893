"""A transformer's weights in a file, which ``spread`` marks without its code, and how what cannot be is refused."""

import torch

HIDDEN = 160


def state(kind=torch.bfloat16, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def drawn(*shape):
        return (0.02 * torch.randn(*shape, generator=generator)).to(kind)

    layers = {
        f"model.layers.{layer}.{name}.weight": drawn(HIDDEN, HIDDEN) for layer in range(3) for name in ("q", "k", "mlp")
    }
    return layers | {
        "model.embed_tokens.weight": drawn(500, HIDDEN),
        "lm_head.weight": drawn(500, HIDDEN),
        "model.norm.weight": drawn(HIDDEN),
        "model.steps": torch.arange(7),
    }


def refused(ran, status, *says):
    assert ran.status == status, ran
    assert ran.out == ""
    lines = [line for line in ran.err.splitlines() if not line.startswith("modelmark: hint: ")]
    assert len(lines) == 1, ran.err
    assert all(part in ran.err for part in says), ran.err
