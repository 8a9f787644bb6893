"""Names that quantisers and adapters leave in place of weights: what each is, and the way back."""

from collections.abc import Iterable

_TOOL = "load it with the library that packed it, dequantise, and save the state dict again"
# how such names end, what holds them, the way on
ENDINGS = (
    (".qweight", "weights packed by GPTQ or AWQ", _TOOL),
    (".weight_packed", "weights packed by compressed-tensors", _TOOL),
    ("weight_qdata", "weights quantised by torchao", _TOOL),
    (".weight.absmax", "weights packed by bitsandbytes (4 bits)", _TOOL),
    (".SCB", "weights quantised by bitsandbytes (8 bits)", _TOOL),
    ("._packed_params", "weights quantised by torch.ao.quantization", "dequantize() each weight and save the state dict again"),
    (".lora_A.weight", "an adapter", "keep adapter_config.json beside it and name its base: --base BASE"),
    (".original", "weights computed from others by a parametrisation",
     "remove_parametrizations(module, name), and save the state dict again"),
)  # fmt: skip


def explained(names: Iterable[str]) -> tuple[str, str]:
    """Return what holds weights under such names and the way on, or no words."""
    names = list(names)
    for ending, what, hint in ENDINGS:
        if any(name.endswith(ending) for name in names):
            return what, hint
    return "", ""
