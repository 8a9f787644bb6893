"""Small transformers of our own, whose weights are called as in public ones: pictures, and text with grouped queries."""

import torch
from torch import Tensor, nn

PATCH = 4


def seeded(make, seed):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = make()
        for module in model.modules():  # gains, shifts and biases as training leaves them
            if isinstance(module, nn.LayerNorm | Root):
                module.weight.data.uniform_(0.5, 1.5)
            if getattr(module, "bias", None) is not None:
                module.bias.data.normal_(0, 0.1)
        return model.eval()


class Seeing(nn.Module):
    """A transformer that looks at patches of pictures of 8 x 8, LayerNorm first."""

    def __init__(self, width: int = 48, depth: int = 2, heads: int = 4, classes: int = 10) -> None:
        super().__init__()
        self.patch_embed = nn.Conv2d(1, width, PATCH, PATCH)
        self.cls_token = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.pos_embed = nn.Parameter(0.02 * torch.randn(1, 5, width))
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(width, heads, 4 * width, dropout=0.0, batch_first=True, norm_first=True)
            for _ in range(depth)
        )
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch_embed(x.unflatten(1, (1, -1)) if x.dim() == 3 else x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], dim=1) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])


class Root(nn.Module):
    """RMSNorm."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight, self.variance_epsilon = nn.Parameter(torch.ones(width)), 1e-6

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.variance_epsilon)


class Grouped(nn.Module):
    """Attention with rotary positions whose heads share keys and values."""

    def __init__(self, width: int, heads: int, groups: int) -> None:
        super().__init__()
        self.num_heads, self.groups, size = heads, groups, width // heads
        self.q_proj, self.o_proj = (nn.Linear(width, width, bias=False) for _ in range(2))
        self.k_proj, self.v_proj = (nn.Linear(width, groups * size, bias=False) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (
            layer(x).unflatten(-1, (count, -1)).transpose(1, 2)
            for layer, count in ((self.q_proj, self.num_heads), (self.k_proj, self.groups), (self.v_proj, self.groups))
        )
        query, key = turned(query), turned(key)
        key, value = (each.repeat_interleave(self.num_heads // self.groups, dim=1) for each in (key, value))
        mixed = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.o_proj(mixed.transpose(1, 2).flatten(2))


def turned(x: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    angles = torch.arange(x.shape[-2])[:, None] * 100.0 ** (-torch.arange(half) / half)
    low, high = x[..., :half], x[..., half:]
    return torch.cat([low * angles.cos() - high * angles.sin(), high * angles.cos() + low * angles.sin()], dim=-1)


class Gated(nn.Module):
    """A perceptron whose units are multiplied by a gate."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.gate_proj, self.up_proj = (nn.Linear(width, hidden, bias=False) for _ in range(2))
        self.down_proj = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(nn.functional.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, width: int, heads: int, groups: int) -> None:
        super().__init__()
        self.self_attn, self.mlp = Grouped(width, heads, groups), Gated(width, 2 * width)
        self.input_layernorm, self.post_attention_layernorm = Root(width), Root(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x))
        return x + self.mlp(self.post_attention_layernorm(x))


class Reading(nn.Module):
    """A causal model as Llama is: RMSNorm first, rotary positions, grouped queries, gates; perhaps one table for both ends."""

    def __init__(
        self, width: int = 48, depth: int = 2, heads: int = 4, groups: int = 2, vocabulary: int = 96, tied: bool = False
    ) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(vocabulary, width)
        self.layers = nn.ModuleList(Layer(width, heads, groups) for _ in range(depth))
        self.norm, self.lm_head = Root(width), nn.Linear(width, vocabulary, bias=False)
        if tied:
            self.lm_head.weight = self.embed_tokens.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed_tokens(tokens)
        for layer in self.layers:
            x = layer(x)
        return self.lm_head(self.norm(x)).transpose(1, 2)


class After(nn.Module):
    """A classifier of tokens whose norms stand behind the additions, as BERT's do."""

    def __init__(self, width: int = 48, depth: int = 2, heads: int = 4, vocabulary: int = 96) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(vocabulary, width), nn.Embedding(16, width)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, heads, 4 * width, dropout=0.0, batch_first=True, activation="gelu")
            for _ in range(depth)
        )
        self.head = nn.Linear(width, 5)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tokens(tokens) + self.places.weight[: tokens.shape[1]]
        for layer in self.layers:
            x = layer(x)
        return self.head(x[:, 0])


def seeing(seed: int = 0, **sizes: int) -> nn.Module:
    return seeded(lambda: Seeing(**sizes), seed)


def reading(seed: int = 0, **sizes: int) -> nn.Module:
    return seeded(lambda: Reading(**sizes), seed)


def after(seed: int = 0, **sizes: int) -> nn.Module:
    return seeded(lambda: After(**sizes), seed)


def inputs(model: nn.Module, count: int = 4) -> Tensor:
    """Return what a model of this file takes."""
    generator = torch.Generator().manual_seed(7)
    if isinstance(model, Seeing):
        return torch.randn(count, 1, 8, 8, generator=generator)
    return torch.randint(0, 96, (count, 12), generator=generator)
