"""modelmark: ownership watermarks for neural networks, and evidence a third party can check.

Public names are imported when they are first used, so that ``import modelmark`` does not import torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_NAMES = {
    "Adi": "modelmark.schemes.adi:Adi",
    "BlackBox": "modelmark.suspect:BlackBox",
    "Combined": "modelmark.combined:Combined",
    "Composed": "modelmark.hooks:Composed",
    "Coupled": "modelmark.schemes.coupled:Coupled",
    "DeepSigns": "modelmark.schemes.deepsigns:DeepSigns",
    "DeepSignsBlackBox": "modelmark.schemes.deepsigns_blackbox:DeepSignsBlackBox",
    "Draw": "modelmark.draw:Draw",
    "Evidence": "modelmark.evidence:Evidence",
    "Hooks": "modelmark.hooks:Hooks",
    "Interface": "modelmark.interface:Interface",
    "Key": "modelmark.keys:Key",
    "Mark": "modelmark.marks:Mark",
    "ModelmarkError": "modelmark.errors:ModelmarkError",
    "Normalise": "modelmark.preprocess:Normalise",
    "NotEmbeddedError": "modelmark.errors:NotEmbeddedError",
    "Null": "modelmark.schemes.null:Null",
    "Observation": "modelmark.evidence:Observation",
    "Recipe": "modelmark.recipe:Recipe",
    "Secret": "modelmark.secret:Secret",
    "Task": "modelmark.task:Task",
    "Uchida": "modelmark.schemes.uchida:Uchida",
    "WhiteBox": "modelmark.suspect:WhiteBox",
    "accuracy": "modelmark.task:accuracy",
    "build": "modelmark.models:build",
    "combine": "modelmark.combined:combine",
    "embed": "modelmark.embedding:embed",
    "fit": "modelmark.training:fit",
    "keygen": "modelmark.keys:keygen",
    "load_data": "modelmark.data:load",
    "load_key": "modelmark.keyfile:load",
    "save_key": "modelmark.keyfile:save",
    "suggest_recipe": "modelmark.recipe:suggest",
}

__all__ = sorted(_NAMES)

if TYPE_CHECKING:
    from modelmark.combined import Combined, combine
    from modelmark.data import load as load_data
    from modelmark.draw import Draw
    from modelmark.embedding import embed
    from modelmark.errors import ModelmarkError, NotEmbeddedError
    from modelmark.evidence import Evidence, Observation
    from modelmark.hooks import Composed, Hooks
    from modelmark.interface import Interface
    from modelmark.keyfile import load as load_key
    from modelmark.keyfile import save as save_key
    from modelmark.keys import Key, keygen
    from modelmark.marks import Mark
    from modelmark.models import build
    from modelmark.preprocess import Normalise
    from modelmark.recipe import Recipe
    from modelmark.recipe import suggest as suggest_recipe
    from modelmark.schemes.adi import Adi
    from modelmark.schemes.coupled import Coupled
    from modelmark.schemes.deepsigns import DeepSigns
    from modelmark.schemes.deepsigns_blackbox import DeepSignsBlackBox
    from modelmark.schemes.null import Null
    from modelmark.schemes.uchida import Uchida
    from modelmark.secret import Secret
    from modelmark.suspect import BlackBox, WhiteBox
    from modelmark.task import Task, accuracy
    from modelmark.training import fit


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module 'modelmark' has no attribute {name!r}")
    module, _, attribute = _NAMES[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
