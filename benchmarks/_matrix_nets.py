"""Networks of the matrix, none of them trained, and the marks that are put into them in closed form.

Factors and statistics of batch norm are drawn: factors from 0.2 to 2, variances from 0.5 to 2, so that folding
does what it does to a trained network.
"""

import copy
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from modelmark.feeds.pictures import PictureFeed
from modelmark.key.secret import Secret
from modelmark.marks.keys import Key
from modelmark.models import build
from modelmark.networks import layers
from modelmark.schemes import spread
from modelmark.schemes.base import Material
from modelmark.schemes.spread import Spread
from modelmark.schemes.uchida import Uchida

FEED = PictureFeed((1, 8, 8), tuple("0123456789"))
MARGINS = {"thin": 0.3, "thick": 3.0}
MOST_BITS = 128


class Separable(nn.Module):
    """A stem, then twice a depthwise and a pointwise convolution, each with batch norm."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.stem_bn = nn.Conv2d(1, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64)
        self.depth1, self.depth1_bn = nn.Conv2d(64, 64, 3, padding=1, groups=64, bias=False), nn.BatchNorm2d(64)
        self.point1, self.point1_bn = nn.Conv2d(64, 128, 1, bias=False), nn.BatchNorm2d(128)
        self.depth2, self.depth2_bn = nn.Conv2d(128, 128, 3, padding=1, groups=128, bias=False), nn.BatchNorm2d(128)
        self.point2, self.point2_bn = nn.Conv2d(128, 256, 1, bias=False), nn.BatchNorm2d(256)
        self.head = nn.Linear(256, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores."""
        for name in ("stem", "depth1", "point1", "depth2", "point2"):
            x = torch.relu(getattr(self, f"{name}_bn")(getattr(self, name)(x)))
        return self.head(x.mean((2, 3)))


class Scores(nn.Module):
    """A network of transformers that gives scores alone, as exporters want it."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores."""
        return self.model(x).logits


def resnet8() -> nn.Module:
    return build("resnet8", FEED.input_shape, FEED.classes, seed=0)


def vit() -> nn.Module:
    from transformers import ViTConfig, ViTForImageClassification

    sizes = {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 512}
    config = ViTConfig(image_size=8, patch_size=2, num_channels=1, num_labels=10, **sizes)
    return Scores(ViTForImageClassification(config))


def gpt2() -> nn.Module:
    from transformers import GPT2Config, GPT2LMHeadModel

    special = {"bos_token_id": 0, "eos_token_id": 0}
    config = GPT2Config(vocab_size=256, n_positions=32, n_embd=128, n_layer=2, n_head=4, use_cache=False, **special)
    return Scores(GPT2LMHeadModel(config))


# how each is made, the layer of the thin and the thick mark, and whether it takes tokens
NETWORKS: dict[str, tuple[Callable[[], nn.Module], str, bool]] = {
    "resnet8": (resnet8, "res2.unit2.conv", False),
    "separable": (Separable, "point2", False),
    "ViT": (vit, "model.vit.encoder.layer.1.intermediate.dense", False),
    "GPT-2": (gpt2, "model.transformer.h.1.mlp.c_fc", True),
}


@dataclass(frozen=True)
class Marked:
    """A network with a mark, and without.

    Args:
        network: with it.
        host: without.
        layer: that carries it; empty: all.
        carriers: of the key.
        message: the bits.
        inputs: as ``forward`` takes them.
    """

    network: nn.Module
    host: nn.Module
    layer: str
    carriers: Any
    message: np.ndarray
    inputs: Tensor


def fresh(name: str) -> tuple[nn.Module, str, Tensor]:
    os.environ["HF_HUB_OFFLINE"] = "1"
    make, layer, takes_tokens = NETWORKS[name]
    torch.manual_seed(0)
    network = make().eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data = 0.2 * 10 ** torch.rand(module.num_features)
            module.running_var.uniform_(0.5, 2)
            module.running_mean.normal_(0, 0.1)
    inputs = torch.randint(0, 256, (8, 16)) if takes_tokens else torch.randn(8, 1, 8, 8)
    if layer not in (paths := [one.path for one in layers.places(network)]):
        layer = [path for path in paths if path.endswith(("intermediate.dense", "fc1"))][-1]  # transformers moved it
    return network, layer, inputs


def marked(name: str, mark: str) -> Marked:
    """Return a network with ``uchida`` by a margin, or ``spread``."""
    network, layer, inputs = fresh(name)
    host, secret = copy.deepcopy(network), Secret(bytes(32))
    if mark == "spread":
        scheme = Spread().for_model(network, FEED, {})
        carriers = scheme.carriers(Material(secret, FEED, scheme.collect(secret, network, None)))
        message = np.random.default_rng(0).integers(0, 2, scheme.bits)
        spread.imprint(network, carriers, message, scheme.strength)
        return Marked(network, host, "", carriers, message, inputs)
    bits = min(MOST_BITS, layers.find(network, layer).width // 2)
    scheme, message = (
        Uchida(layer=layer, bits=bits).for_model(network, FEED, {}),
        np.random.default_rng(0).integers(0, 2, bits),
    )
    carriers = Key(scheme, secret, FEED).carriers
    found = layers.find(network, layer)
    weight = layers.weight(network, layer).data
    rows = weight.permute(found.layout.order(weight.dim())).reshape(found.filters, -1)  # a copy, where axes are turned
    projection = torch.from_numpy(carriers.matrix / 65536).float()
    signs, natural = 2.0 * torch.from_numpy(message) - 1, projection @ rows.mean(dim=0)
    wanted = torch.maximum(natural * signs, MARGINS[mark] * natural.std()) * signs
    change = torch.linalg.lstsq(projection, (wanted - natural).float(), driver="gelsd").solution
    filters = weight.permute(found.layout.order(weight.dim()))
    filters += change.view(1, *found.kernel)
    return Marked(network, host, layer, carriers, message, inputs)
