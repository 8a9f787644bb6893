"""What the weights of transformers are called: literal tables, one row a role.

Inside a block names are compared without the block's own prefix, such as ``transformer.h.3.``; outside by their last words.
A name that is in no table is unknown, and a network with one is not changed.
"""

import re
from typing import Literal

Role = Literal["query", "key", "value", "qkv", "out", "up", "gate", "down", "first", "second", "keys"]

INSIDE: dict[Role, tuple[str, ...]] = {
    "qkv": ("attn.c_attn", "self_attn.in_proj_", "attn.qkv", "self_attn.qkv_proj"),
    "query": (
        "self_attn.q_proj", "attention.q_proj", "attention.self.query", "attention.attention.query", "attention.q_lin",
        "query",
    ),
    "key": (
        "self_attn.k_proj", "attention.k_proj", "attention.self.key", "attention.attention.key", "attention.k_lin",
        "key",
    ),
    "value": (
        "self_attn.v_proj", "attention.v_proj", "attention.self.value", "attention.attention.value", "attention.v_lin",
        "value",
    ),
    "out": (
        "attn.c_proj", "self_attn.o_proj", "self_attn.out_proj", "attention.o_proj", "attention.output.dense",
        "attention.out_lin", "attn.proj", "out",
    ),
    "up": ("mlp.c_fc", "mlp.up_proj", "mlp.fc1", "intermediate.dense", "linear1", "ffn.lin1", "fc1", "up"),
    "gate": ("mlp.gate_proj",),
    "down": ("mlp.c_proj", "mlp.down_proj", "mlp.fc2", "output.dense", "linear2", "ffn.lin2", "fc2", "down"),
    "first": (
        "ln_1", "input_layernorm", "layernorm_before", "norm1", "attention.output.LayerNorm", "sa_layer_norm", "before",
        "self_attn_layer_norm",
    ),
    "second": (
        "ln_2", "post_attention_layernorm", "layernorm_after", "norm2", "output.LayerNorm", "output_layer_norm", "after",
        "final_layer_norm",
    ),
    "keys": ("self_attn.q_norm", "self_attn.k_norm"),
}  # fmt: skip
"""Modules of a block by role; ``first`` is the norm of attention, ``second`` of the perceptron, ``keys`` those within heads."""

AFTER = ("attention.output.LayerNorm", "sa_layer_norm")
"""Norms of attention whose output is the stream, by name alone: BERT and DistilBERT."""
EITHER = ("norm1",)
"""Those of which the name does not say whether they stand before or after: torch's own layers."""
TURNED = ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
"""Modules that are transformers' Conv1D, whose weights count inputs first."""

BLOCK = re.compile(r"^(?P<path>(?:.*\.)?(?:h|layers?|blocks?|encoder)\.\d+\.)(?P<rest>.+)$")
"""A tensor of a block."""

HEADS = re.compile(r"(^|\.)(lm_head|head|classifier|score|output|decoder|out_proj|fc|qa_outputs)$")
"""Layers outside of blocks that read the stream: what gives the answers."""
POOLERS = re.compile(r"(^|\.)(pooler\.dense|pre_classifier|classifier\.dense)$")
"""Layers outside of blocks that read the stream into hidden units, which the head reads."""
TABLES = re.compile(
    r"(^|\.)(wte|wpe|tokens|places?|cls_token|pos_embed|(tok|token|word|position|pos|patch|token_type)?_?embed\w*|projection"
    r"|proj|patches)$"
)
"""What writes into the stream from outside: tokens, positions, patches."""
PATCHES = re.compile(r"(^|\.)(projection|proj|patches|patch_embed)$")
"""Those whose first axis is the stream."""
POSITIONS = re.compile(r"(^|\.)(wpe|places?|pos_embed|(position|pos)_?embed\w*)$")
"""Tables of positions; a network without one is taken to turn its queries and keys by rotary positions."""
NORMS = re.compile(r"(^|\.)(ln_f|norm|layer_?norm|final_layer_?norm|LayerNorm)$")
"""Norms outside of blocks."""
ASIDE = re.compile(r"(^|\.)(predictions|lm_head|mlm_head|generator)\.\w+\.")
"""Heads of several layers, whose hidden ones are not followed."""
IGNORED = re.compile(r"(^|\.)(position_ids|token_type_ids|inv_freq|original_inv_freq|attn\.bias|attn\.masked_bias)$")
"""Buffers that no change of weights concerns."""
