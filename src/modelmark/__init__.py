"""modelmark: ownership watermarks for neural networks, and evidence a third party can check.

Public names are imported when they are first used, so that ``import modelmark`` does not import torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_NAMES = {
    "Adi": "modelmark.schemes.adi:Adi",
    "BlackBox": "modelmark.suspects.function:BlackBox",
    "BlackMarks": "modelmark.schemes.blackmarks:BlackMarks",
    "CausalFeed": "modelmark.feeds.causal:CausalFeed",
    "Certificate": "modelmark.evidence.smoothing:Certificate",
    "Certified": "modelmark.schemes.certified:Certified",
    "Choice": "modelmark.schemes.choice:Choice",
    "Classes": "modelmark.schemes.classes:Classes",
    "Combined": "modelmark.evidence.combined:Combined",
    "Composed": "modelmark.training.hooks:Composed",
    "Composite": "modelmark.schemes.composite:Composite",
    "Coupled": "modelmark.schemes.coupled:Coupled",
    "Dawn": "modelmark.schemes.dawn:Dawn",
    "DeepMarks": "modelmark.schemes.deepmarks:DeepMarks",
    "DeepSigns": "modelmark.schemes.deepsigns:DeepSigns",
    "DeepSignsBlackBox": "modelmark.schemes.deepsigns_blackbox:DeepSignsBlackBox",
    "Draw": "modelmark.key.draw:Draw",
    "Entangled": "modelmark.schemes.entangled:Entangled",
    "Erring": "modelmark.marks.erring:Erring",
    "Evidence": "modelmark.evidence.evidence:Evidence",
    "Field": "modelmark.schemes.field:Field",
    "FloatFeed": "modelmark.feeds.floats:FloatFeed",
    "Frontier": "modelmark.schemes.frontier:Frontier",
    "Hooks": "modelmark.training.hooks:Hooks",
    "Key": "modelmark.marks.keys:Key",
    "KeyPolicy": "modelmark.marks.keys:KeyPolicy",
    "Leaned": "modelmark.marks.leaned:Leaned",
    "Likelihoods": "modelmark.suspects.likelihoods:Likelihoods",
    "Margin": "modelmark.schemes.margin:Margin",
    "Mark": "modelmark.marks.marks:Mark",
    "ModelmarkError": "modelmark.errors:ModelmarkError",
    "Normalise": "modelmark.feeds.tensors:Normalise",
    "NeuralMark": "modelmark.schemes.neuralmark:NeuralMark",
    "NotEmbeddedError": "modelmark.errors:NotEmbeddedError",
    "NullEmbedding": "modelmark.schemes.null_embedding:NullEmbedding",
    "Observation": "modelmark.evidence.evidence:Observation",
    "Order": "modelmark.schemes.order:Order",
    "Passports": "modelmark.schemes.passports:Passports",
    "PictureFeed": "modelmark.feeds.pictures:PictureFeed",
    "Probabilities": "modelmark.suspects.probabilities:Probabilities",
    "Provenance": "modelmark.marks.keys:Provenance",
    "Recipe": "modelmark.training.recipe:Recipe",
    "Records": "modelmark.feeds.records:Records",
    "Registry": "modelmark.copies.registry:Registry",
    "Riga": "modelmark.schemes.riga:Riga",
    "Secret": "modelmark.key.secret:Secret",
    "Served": "modelmark.marks.serving:Served",
    "Spread": "modelmark.schemes.spread:Spread",
    "State": "modelmark.suspects.state:State",
    "Task": "modelmark.training.task:Task",
    "TextFeed": "modelmark.feeds.texts:TextFeed",
    "TokenFeed": "modelmark.feeds.tokens:TokenFeed",
    "Twins": "modelmark.schemes.twins:Twins",
    "Uchida": "modelmark.schemes.uchida:Uchida",
    "WhiteBox": "modelmark.suspects.module:WhiteBox",
    "Zhang": "modelmark.schemes.zhang:Zhang",
    "accuracy": "modelmark.training.task:accuracy",
    "along": "modelmark.marks.leaning:along",
    "build": "modelmark.models:build",
    "certify": "modelmark.marks.certifying:certify",
    "combine": "modelmark.evidence.combined:combine",
    "embed": "modelmark.marks.embedding:embed",
    "fit": "modelmark.training.loop:fit",
    "imprint": "modelmark.marks.imprinting:imprint",
    "initialise": "modelmark.marks.imprinting:initialise",
    "issue": "modelmark.copies.issuing:issue",
    "keygen": "modelmark.marks.keys:keygen",
    "keygen_of_records": "modelmark.marks.ondata:keygen_of_records",
    "load_data": "modelmark.data:load",
    "load_key": "modelmark.marks.keyfile:load",
    "open_weights": "modelmark.suspects.files:open_weights",
    "perplexity": "modelmark.training.task:perplexity",
    "pixels": "modelmark.feeds.arrays:pixels",
    "rehearse": "modelmark.training.rehearsing:rehearse",
    "save_key": "modelmark.marks.keyfile:save",
    "scored": "modelmark.networks.calling:scored",
    "scores": "modelmark.networks.outputs:scores",
    "suggest_recipe": "modelmark.training.loop:suggested",
    "trace": "modelmark.copies.tracing:trace",
}

__all__ = sorted(_NAMES)

if TYPE_CHECKING:
    from modelmark.copies.issuing import issue
    from modelmark.copies.registry import Registry
    from modelmark.copies.tracing import trace
    from modelmark.data import load as load_data
    from modelmark.errors import ModelmarkError, NotEmbeddedError
    from modelmark.evidence.combined import Combined, combine
    from modelmark.evidence.evidence import Evidence, Observation
    from modelmark.evidence.smoothing import Certificate
    from modelmark.feeds.arrays import pixels
    from modelmark.feeds.causal import CausalFeed
    from modelmark.feeds.floats import FloatFeed
    from modelmark.feeds.pictures import PictureFeed
    from modelmark.feeds.records import Records
    from modelmark.feeds.tensors import Normalise
    from modelmark.feeds.texts import TextFeed
    from modelmark.feeds.tokens import TokenFeed
    from modelmark.key.draw import Draw
    from modelmark.key.secret import Secret
    from modelmark.marks.certifying import certify
    from modelmark.marks.embedding import embed
    from modelmark.marks.erring import Erring
    from modelmark.marks.imprinting import imprint, initialise
    from modelmark.marks.keyfile import load as load_key
    from modelmark.marks.keyfile import save as save_key
    from modelmark.marks.keys import Key, KeyPolicy, Provenance, keygen
    from modelmark.marks.leaned import Leaned
    from modelmark.marks.leaning import along
    from modelmark.marks.marks import Mark
    from modelmark.marks.ondata import keygen_of_records
    from modelmark.marks.serving import Served
    from modelmark.models import build
    from modelmark.networks.calling import scored
    from modelmark.networks.outputs import scores
    from modelmark.schemes.adi import Adi
    from modelmark.schemes.blackmarks import BlackMarks
    from modelmark.schemes.certified import Certified
    from modelmark.schemes.choice import Choice
    from modelmark.schemes.classes import Classes
    from modelmark.schemes.composite import Composite
    from modelmark.schemes.coupled import Coupled
    from modelmark.schemes.dawn import Dawn
    from modelmark.schemes.deepmarks import DeepMarks
    from modelmark.schemes.deepsigns import DeepSigns
    from modelmark.schemes.deepsigns_blackbox import DeepSignsBlackBox
    from modelmark.schemes.entangled import Entangled
    from modelmark.schemes.field import Field
    from modelmark.schemes.frontier import Frontier
    from modelmark.schemes.margin import Margin
    from modelmark.schemes.neuralmark import NeuralMark
    from modelmark.schemes.null_embedding import NullEmbedding
    from modelmark.schemes.order import Order
    from modelmark.schemes.passports import Passports
    from modelmark.schemes.riga import Riga
    from modelmark.schemes.spread import Spread
    from modelmark.schemes.twins import Twins
    from modelmark.schemes.uchida import Uchida
    from modelmark.schemes.zhang import Zhang
    from modelmark.suspects.files import open_weights
    from modelmark.suspects.function import BlackBox
    from modelmark.suspects.likelihoods import Likelihoods
    from modelmark.suspects.module import WhiteBox
    from modelmark.suspects.probabilities import Probabilities
    from modelmark.suspects.state import State
    from modelmark.training.hooks import Composed, Hooks
    from modelmark.training.loop import fit
    from modelmark.training.loop import suggested as suggest_recipe
    from modelmark.training.recipe import Recipe
    from modelmark.training.rehearsing import rehearse
    from modelmark.training.task import Task, accuracy, perplexity


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module 'modelmark' has no attribute {name!r}")
    module, _, attribute = _NAMES[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
