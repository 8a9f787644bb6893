"""What symmetries of transformers leave of marks in the weights, plainly read and aligned.

The audit behind the rows of symmetries in docs/attacks.md, a small vision transformer on digits, from this folder::

    PYTHONPATH=. modelmark audit symmetries:GRID -o ../docs/audit/symmetries.jsonl --jobs 1

And ``python benchmarks/symmetries.py``: small transformers of Hugging Face from configuration, with random weights and
marks put in without training, so that no answer matters; rows go to ``results/symmetries.jsonl``, from which ``tables.py
docs/alignment.md`` writes the tables. ``null``: 100,000 drawn messages against the readings of networks without the mark.
"""

import argparse
import copy
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from _rows import RESULTS
from _study import Rows, secret
from _vit import Vit
from modelmark.attacks import attack_class
from modelmark.audit.grid import Entry, Grid
from modelmark.carriers.rows import UNIT
from modelmark.errors import UsageError
from modelmark.evidence import stats
from modelmark.feeds.pictures import PictureFeed
from modelmark.marks.imprinting import imprint
from modelmark.marks.keys import Provenance, keygen
from modelmark.marks.marks import Mark
from modelmark.marks.reading import Reading
from modelmark.networks import layers
from modelmark.schemes.spread import Spread
from modelmark.schemes.uchida import Uchida
from modelmark.suspects import weights
from modelmark.suspects.module import WhiteBox

SYMMETRIES = (
    "permute-heads", "permute-units", "permute-stream", "rotate-stream", "scale-stream", "turn-heads", "permute", "rescale",
    "flip",
)  # fmt: skip
MEANS = ({"how": "zero"}, {"how": "noise"})
ALL = "turn-heads, scale-stream, rotate-stream, permute"
"""One after another, where a network has a place for each."""
TRAINED = 0.05
"""Of each layer's deviation by which the thief's training has moved its weights, at random, before any of them."""
MARGIN = 0.05
DRAWS, LEVELS = 100_000, (1, 4, 8, 12)
FEED = PictureFeed((1, 8, 8), tuple("0123456789"))
"""In the keys' statements; nothing is shown."""


def digits() -> nn.Module:
    """Return a transformer of 0.9 million weights that looks at the four patches of a digit."""
    return Vit(1, 8, 10, width=192, depth=2)


GRID = Grid(
    arch="symmetries:digits",
    schemes=(Entry("uchida"), Entry("deepsigns"), Entry("spread")),
    attacks=(*map(Entry, SYMMETRIES), Entry("raise-means", MEANS)),
)


def codes() -> dict[str, Callable[[], nn.Module]]:
    """Return factories of small networks: width 192, two blocks, four heads."""
    import transformers as hf

    sizes = {"hidden_size": 192, "num_hidden_layers": 2, "num_attention_heads": 4}
    text = sizes | {"vocab_size": 1024, "max_position_embeddings": 64}
    return {
        "GPT-2": lambda: hf.GPT2LMHeadModel(
            hf.GPT2Config(vocab_size=1024, n_positions=64, n_embd=192, n_layer=2, n_head=4)
        ),
        "Llama, grouped": lambda: hf.LlamaForCausalLM(
            hf.LlamaConfig(**text, num_key_value_heads=2, intermediate_size=512)
        ),
        "BERT": lambda: hf.BertForSequenceClassification(hf.BertConfig(**text, intermediate_size=768)),
        "ViT": lambda: hf.ViTForImageClassification(
            hf.ViTConfig(**sizes, intermediate_size=768, image_size=64, patch_size=16, num_channels=3)
        ),
    }


def network(name: str, seed: int) -> nn.Module:
    """Return a network with random weights, gains of norms and biases as training may leave them."""
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        model = codes()[name]().eval()
        for path, parameter in model.named_parameters():
            if "norm" in path.lower() or ".ln_" in path:
                parameter.uniform_(0.5, 1.5)
            elif parameter.dim() == 1:
                parameter.normal_(0, 0.02)
    return model


def moved(model: nn.Module, seed: int = 5) -> nn.Module:
    """Return a copy whose weights have moved at random."""
    copied, generator = copy.deepcopy(model), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in copied.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter += TRAINED * (parameter.std() if parameter.dim() > 1 else 0) * noise
    return copied


def marked(host: nn.Module, scheme: Uchida | Spread) -> tuple[Mark, nn.Module]:
    """Return a mark and a copy of the host that carries it, put in without training."""
    owner = Provenance(host=weights.digest(host.state_dict()))
    mark = keygen(scheme, host, FEED, secret=secret("symmetries"), owner=owner).mark()
    if isinstance(scheme, Spread):
        return mark, imprint(host, mark)
    made, matrix = copy.deepcopy(host), mark.key.carriers.matrix / UNIT  # the least change that turns every bit right
    layer = layers.find(made, mark.key.scheme.layer.partition("@")[0])
    rows = layers.rows(made, layer)
    lacking = MARGIN * (2 * mark.message - 1) - matrix @ rows.detach().double().numpy().mean(axis=0)
    with torch.no_grad():
        rows += torch.from_numpy(np.linalg.pinv(matrix) @ lacking)
    return mark, made


def cases() -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Yield names of what is done, and the attacks."""
    yield "none", ()
    for name in SYMMETRIES:
        yield name, (attack_class(name)(),)
    for settings in MEANS:
        yield f"raise-means how={settings['how']}", (attack_class("raise-means")(**settings),)
    yield ALL, tuple(attack_class(name)() for name in ALL.split(", "))


def attacked(model: nn.Module, attacks: tuple[Any, ...], *, each: bool) -> nn.Module | None:
    """Return the model after attacks one after another; None where it has no place for one, if ``each`` is asked for."""
    for attack in attacks:
        try:
            model = attack(model, None, seed=3)
        except UsageError:
            if each:
                return None
    return model


def left(mark: Mark, host: nn.Module, model: nn.Module | None) -> dict[str, Any]:
    """Return what is read of a mark, plainly without a host and aligned to it."""
    if model is None:
        return {"plain": None, "aligned": None}
    plain, aligned = mark.evidence(WhiteBox(model)), mark.evidence(WhiteBox(model), align_to=host)
    return {
        "plain": plain.matches, "aligned": aligned.matches, "trials": plain.trials, "net_bits": round(aligned.net_bits, 1),
    }  # fmt: skip


def null(mark: Mark, host: nn.Module, model: nn.Module) -> dict[str, Any]:
    """Return how often the best of all readings of a network without the mark reaches so many bits once it is charged."""
    readings = mark.readings(WhiteBox(model), align_to=host)
    read = [table.symbols for each in readings if isinstance(each, Reading) for table in each.scores]
    drawn = np.random.default_rng(0).integers(0, 2, (DRAWS, len(mark.message)), dtype=np.int8)
    best = np.max([(drawn == symbols.astype(np.int8)).sum(axis=1) for symbols in read], axis=0)
    trials, charge = len(mark.message), float(np.log2(len(read)))
    fewest = {level: stats.minimum_matches(level + charge, trials, Fraction(1, 2)) for level in LEVELS}
    return {
        "readings": len(read),
        "reaches": {level: float((best >= matches).mean()) for level, matches in fewest.items()},
    }


def main() -> None:
    """Measure what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=RESULTS / "symmetries.jsonl")
    rows = Rows(parser.parse_args().output)
    torch.set_num_threads(1)
    for name in codes():
        host = network(name, 0)
        for scheme in (Uchida(), Spread()):
            mark, carrying = marked(host, scheme)
            stolen = moved(carrying)
            for what, attacks in cases():
                each = what != ALL
                rows.measure(
                    {"network": name, "scheme": scheme.name, "attack": what},
                    lambda attacks=attacks, each=each: left(mark, host, attacked(stolen, attacks, each=each)),  # noqa: B023
                )
            for what, other in (("a stranger", network(name, 9)), ("the host, tuned", moved(host))):
                for attacks in ((), (attack_class("permute")(),)):
                    words = f"{what}, permuted" if attacks else what
                    rows.measure(
                        {"network": name, "scheme": scheme.name, "unmarked": words, "draws": DRAWS},
                        lambda attacks=attacks, other=other: null(mark, host, attacked(other, attacks, each=True)),  # noqa: B023
                    )


if __name__ == "__main__":
    main()
