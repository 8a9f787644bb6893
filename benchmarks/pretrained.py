"""A real pretrained encoder, carried by a package: Silero VAD 6.2.3 (MIT), which hears whether there is speech.

Run: ``pip download --no-deps silero-vad==6.2.3``, then ``python benchmarks/pretrained.py silero_vad-6.2.3-py3-none-any.whl``.
Its 309,633 weights, four convolutions and a recurrent cell behind a fixed filter bank, are read from the wheel; none of its code
runs. The package has no sounds: here they are made, buzzes with formants, some of which it takes for speech, and noise, chirps
and clicks. What a mark or an attack costs is how often the network then says otherwise than the published one. Rows go to
benchmarks/results/pretrained.jsonl.
"""

import argparse
import io
import math
import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load
from torch import Tensor, nn

from _study import Rows, reading, secret
from modelmark import options
from modelmark.attacks import attack_class
from modelmark.errors import ModelmarkError
from modelmark.feeds.floats import FloatFeed
from modelmark.marks.embedding import embed
from modelmark.marks.imprinting import imprint
from modelmark.marks.keys import Provenance, keygen
from modelmark.schemes import scheme_class
from modelmark.suspects import weights
from modelmark.suspects.module import logits
from modelmark.training.recipe import annealed
from modelmark.training.task import Task, accuracy

RESULTS = Path("benchmarks/results/pretrained.jsonl")
PLACE = "silero_vad/data/silero_vad_16k.safetensors"
RATE, SAMPLES = 16_000, 576
MARKS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("spread", {}),
    ("spread", {"strength": 0.02}),
    ("uchida", {"layer": "conv2"}),
)
ATTACKED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("finetune", {"rate": 0.01, "epochs": 5}),
    ("lora", {"rank": 4, "rate": 0.01}),
    ("prune", {"amount": 0.5}),
    ("quantise", {"bits": 8}),
    ("quantise", {"bits": 4}),
    ("low-rank", {}),
    ("noise", {}),
    ("meraser", {"rate": 0.01}),
)


class Vad(nn.Module):
    """The network of the package for one window of sound at rest, ``(N, 576)`` at 16 kHz to two scores ``(N, 2)``."""

    def __init__(self) -> None:
        super().__init__()
        self.stft_conv = nn.Conv1d(1, 258, 256, stride=128, bias=False)
        self.conv1 = nn.Conv1d(129, 128, 3, padding=1)
        self.conv2 = nn.Conv1d(128, 64, 3, stride=2, padding=1)
        self.conv3 = nn.Conv1d(64, 64, 3, stride=2, padding=1)
        self.conv4 = nn.Conv1d(64, 128, 3, padding=1)
        self.lstm_cell = nn.LSTMCell(128, 128)
        self.final_conv = nn.Conv1d(128, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores of silence and of speech."""
        real, imaginary = self.stft_conv(nn.functional.pad(x[:, None], (0, 64), mode="reflect")).chunk(2, dim=1)
        found = (real**2 + imaginary**2).sqrt()
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4):
            found = layer(found).relu()
        hidden, _ = self.lstm_cell(found[:, :, 0])
        speech = self.final_conv(hidden.relu()[:, :, None])[:, :, 0]
        return torch.cat([torch.zeros_like(speech), speech], dim=1)


def published(wheel: Path) -> nn.Module:
    """Return the network with the weights of the package."""
    with zipfile.ZipFile(wheel) as archive:
        state = load(io.BytesIO(archive.read(PLACE)).getvalue())
    model = Vad()
    model.load_state_dict(state)
    return model.eval()


def sounds(count: int, *, seed: int) -> Tensor:
    """Return windows of sound, float32 ``(count, 576)``: half of them buzzes with formants, half anything else."""
    draw = torch.Generator().manual_seed(seed)
    time = torch.arange(SAMPLES) / RATE

    def between(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(count, *shape, generator=draw)

    pitch, formants = between(90, 260, 1, 1), between(250, 3200, 1, 3)
    harmonics = torch.arange(1, 33)[None, :, None] * pitch
    gains = torch.exp(-(((harmonics - formants) / 180) ** 2)).sum(dim=2, keepdim=True) + 0.02
    buzz = (gains * torch.sin(2 * math.pi * harmonics * time + between(0, 6, 32, 1))).sum(dim=1)
    chirp = torch.sin(2 * math.pi * (between(50, 6000, 1) * time + between(-2e4, 2e4, 1) * time**2))
    clicks = (torch.rand(count, SAMPLES, generator=draw) < 0.01).float()
    noise = torch.randn(count, SAMPLES, generator=draw)
    kinds = torch.arange(count)[:, None] % 6
    found = torch.where(kinds % 2 == 0, buzz, torch.where(kinds == 1, chirp, torch.where(kinds == 3, clicks, noise)))
    loud = found / found.abs().amax(dim=1, keepdim=True).clamp(min=1e-9) * between(0.05, 0.8, 1)
    return loud + between(0, 0.02, 1) * noise


def task(model: nn.Module, *, seed: int) -> Task:
    """Return sounds with what the published network hears in them."""
    feed = FloatFeed((SAMPLES,), ("silence", "speech"))
    inputs = sounds(3000, seed=seed)
    heard = logits(model, inputs).argmax(dim=1)
    return Task(feed, inputs[:2000], heard[:2000], inputs[2000:], heard[2000:])


def study(wheel: Path, measured: Rows) -> None:
    """Put each mark in and attack it."""
    model = published(wheel)
    owner, thief = task(model, seed=0), task(model, seed=1)
    share = float(owner.test_labels.float().mean())
    count = sum(value.numel() for value in model.parameters())
    measured.measure({"what": "published"}, lambda: {"weights": count, "speech": round(share, 4)})
    for scheme, settings in MARKS:
        mark = keygen(
            options.make(scheme_class(scheme), settings), model, owner.feed, task=owner,
            secret=secret("pretrained", scheme), owner=Provenance(host=weights.digest(model.state_dict())),
        ).mark()  # fmt: skip
        recipe = annealed(10, 0.1, batch=64, weight_decay=0.0, clip=1.0)
        marked = imprint(model, mark) if scheme == "spread" else embed(model, [mark], owner, recipe, seed=0).model
        cell = {"scheme": " ".join([scheme, *(f"{name}={value}" for name, value in settings.items())])}
        measured.measure({**cell, "what": "marked"}, lambda: _row(mark, marked, owner, model))  # noqa: B023
        for name, options_ in ATTACKED:
            attack = options.make(attack_class(name), options_)
            measured.measure({**cell, "what": "attacked", "attack": name, "settings": options_}, lambda: _row(
                mark, attack(marked, thief, seed=7), owner, model  # noqa: B023
            ))  # fmt: skip


def _row(mark: Any, model: nn.Module, owner: Task, host: nn.Module) -> dict[str, Any]:
    try:
        read = reading(mark, model, align_to=host)
    except ModelmarkError:
        read = reading(mark, model)
    return {"agrees": round(accuracy(model, owner), 4), **read}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    study(arguments.wheel, Rows(arguments.output))
