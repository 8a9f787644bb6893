"""Every attack, in one literal table."""

import importlib
from typing import TYPE_CHECKING, Any

from modelmark.errors import UsageError
from modelmark.naming import import_object, suggest

if TYPE_CHECKING:
    from modelmark.attacks.base import Attack

ATTACKS = {
    "activation-statistics": "modelmark.attacks.detection.activation_statistics:ActivationStatistics",
    "active": "modelmark.attacks.extraction.active:Active",
    "adversarial": "modelmark.attacks.tuning.adversarial:AdversarialTraining",
    "adversarial-extraction": "modelmark.attacks.extraction.adversarial_extraction:AdversarialExtraction",
    "adversarial-triggers": "modelmark.attacks.forgery.adversarial_triggers:AdversarialTriggers",
    "agree": "modelmark.attacks.evasion.agree:Agree",
    "anp": "modelmark.attacks.cleansing.anp:Anp",
    "average": "modelmark.attacks.weights.average:Average",
    "blockdoor-adversarial": "modelmark.attacks.evasion.blockdoor_adversarial:BlockdoorAdversarial",
    "blockdoor-labels": "modelmark.attacks.evasion.blockdoor_labels:BlockdoorLabels",
    "blockdoor-ood": "modelmark.attacks.evasion.blockdoor_ood:BlockdoorOod",
    "chain": "modelmark.attacks.piracy.chain:Chain",
    "cleanse-prune": "modelmark.attacks.cleansing.cleanse_prune:CleansePrune",
    "cleanse-unlearn": "modelmark.attacks.cleansing.cleanse_unlearn:CleanseUnlearn",
    "cleanse-words": "modelmark.attacks.cleansing.cleanse_words:CleanseWords",
    "clp": "modelmark.attacks.pruning.clp:Clp",
    "collude": "modelmark.attacks.piracy.collude:Collude",
    "compare": "modelmark.attacks.piracy.compare:Compare",
    "counterfeit": "modelmark.attacks.piracy.counterfeit:Counterfeit",
    "cross-architecture": "modelmark.attacks.extraction.cross_architecture:CrossArchitecture",
    "distil": "modelmark.attacks.extraction.distil:Distil",
    "distil-text": "modelmark.attacks.extraction.distil_text:DistilText",
    "drown": "modelmark.attacks.weights.drown:Drown",
    "dummy": "modelmark.attacks.symmetries.dummy:Dummy",
    "ensemble": "modelmark.attacks.extraction.ensemble:Ensemble",
    "false-claim": "modelmark.attacks.forgery.false_claim:FalseClaim",
    "filter-perplexity": "modelmark.attacks.evasion.filter_perplexity:FilterPerplexity",
    "fine-prune": "modelmark.attacks.pruning.fine_prune:FinePrune",
    "finetune": "modelmark.attacks.tuning.finetune:FineTune",
    "fit-key": "modelmark.attacks.forgery.fit_key:FitKey",
    "fit-projection": "modelmark.attacks.forgery.fit_projection:FitProjection",
    "flip": "modelmark.attacks.symmetries.flip:Flip",
    "fold": "modelmark.attacks.deployment.fold:Fold",
    "ft-sam": "modelmark.attacks.cleansing.ft_sam:FtSam",
    "gaussian-filter": "modelmark.attacks.evasion.gaussian_filter:GaussianFilter",
    "grind": "modelmark.attacks.forgery.grind:Grind",
    "ibau": "modelmark.attacks.cleansing.ibau:Ibau",
    "input-noise": "modelmark.attacks.evasion.input_noise:InputNoise",
    "instruct": "modelmark.attacks.tuning.instruct:Instruct",
    "int8": "modelmark.attacks.weights.int8:Int8",
    "jacobian": "modelmark.attacks.extraction.jacobian:Jacobian",
    "jpeg": "modelmark.attacks.evasion.jpeg:Jpeg",
    "knockoff": "modelmark.attacks.extraction.knockoff:Knockoff",
    "label-noise": "modelmark.attacks.tuning.label_noise:LabelNoise",
    "label-smoothing": "modelmark.attacks.tuning.label_smoothing:LabelSmoothing",
    "launder": "modelmark.attacks.cleansing.launder:Launder",
    "lora": "modelmark.attacks.tuning.lora:Lora",
    "low-rank": "modelmark.attacks.weights.low_rank:LowRank",
    "mean-filter": "modelmark.attacks.evasion.mean_filter:MeanFilter",
    "median-filter": "modelmark.attacks.evasion.median_filter:MedianFilter",
    "meraser": "modelmark.attacks.tuning.meraser:Meraser",
    "merge": "modelmark.attacks.weights.merge:Merge",
    "mirror": "modelmark.attacks.evasion.mirror:Mirror",
    "multi-task": "modelmark.attacks.tuning.multi_task:MultiTask",
    "nad": "modelmark.attacks.cleansing.nad:Nad",
    "noise": "modelmark.attacks.weights.noise:Noise",
    "occlude": "modelmark.attacks.tuning.occlude:Occlude",
    "overwrite": "modelmark.attacks.piracy.overwrite:Overwrite",
    "own-field": "modelmark.attacks.weights.own_field:OwnField",
    "paraphrase": "modelmark.attacks.evasion.paraphrase:Paraphrase",
    "permute": "modelmark.attacks.symmetries.permute:Permute",
    "permute-heads": "modelmark.attacks.symmetries.permute_heads:PermuteHeads",
    "permute-stream": "modelmark.attacks.symmetries.permute_stream:PermuteStream",
    "permute-units": "modelmark.attacks.symmetries.permute_units:PermuteUnits",
    "prune": "modelmark.attacks.pruning.prune:Prune",
    "prune-channels": "modelmark.attacks.pruning.prune_channels:PruneChannels",
    "prune-depth": "modelmark.attacks.pruning.prune_depth:PruneDepth",
    "prune-heads": "modelmark.attacks.pruning.prune_heads:PruneHeads",
    "qlora": "modelmark.attacks.tuning.qlora:Qlora",
    "quantise": "modelmark.attacks.weights.quantise:Quantise",
    "quantise-input": "modelmark.attacks.evasion.quantise_input:QuantiseInput",
    "query-statistics": "modelmark.attacks.detection.query_statistics:QueryStatistics",
    "raise-means": "modelmark.attacks.symmetries.raise_means:RaiseMeans",
    "randomise": "modelmark.attacks.evasion.randomise:Randomise",
    "rebase": "modelmark.attacks.weights.rebase:Rebase",
    "reconstruct": "modelmark.attacks.evasion.reconstruct:Reconstruct",
    "refit": "modelmark.attacks.tuning.refit:Refit",
    "refit-head": "modelmark.attacks.tuning.refit_head:RefitHead",
    "refuse": "modelmark.attacks.evasion.refuse:Refuse",
    "regularise": "modelmark.attacks.tuning.regularise:Regularise",
    "reinitialise": "modelmark.attacks.tuning.reinitialise:Reinitialise",
    "rescale": "modelmark.attacks.symmetries.rescale:Rescale",
    "retrain": "modelmark.attacks.extraction.retrain:Retrain",
    "retrain-augmented": "modelmark.attacks.extraction.retrain_augmented:RetrainAugmented",
    "retrain-mixed": "modelmark.attacks.extraction.retrain_mixed:RetrainMixed",
    "retrain-neighbours": "modelmark.attacks.extraction.retrain_neighbours:RetrainNeighbours",
    "retrain-noisy": "modelmark.attacks.extraction.retrain_noisy:RetrainNoisy",
    "retrain-smoothed": "modelmark.attacks.extraction.retrain_smoothed:RetrainSmoothed",
    "retrain-soft": "modelmark.attacks.extraction.retrain_soft:RetrainSoft",
    "retrain-voted": "modelmark.attacks.extraction.retrain_voted:RetrainVoted",
    "rnp": "modelmark.attacks.cleansing.rnp:Rnp",
    "rotate": "modelmark.attacks.evasion.rotate:Rotate",
    "rotate-stream": "modelmark.attacks.symmetries.rotate_stream:RotateStream",
    "scale-stream": "modelmark.attacks.symmetries.scale_stream:ScaleStream",
    "scramble": "modelmark.attacks.pruning.scramble:Scramble",
    "self-distil": "modelmark.attacks.tuning.self_distil:SelfDistil",
    "shift": "modelmark.attacks.weights.shift:Shift",
    "shrink": "modelmark.attacks.evasion.shrink:Shrink",
    "spoil": "modelmark.attacks.symmetries.spoil:Spoil",
    "squeeze": "modelmark.attacks.evasion.squeeze:Squeeze",
    "ssl-extraction": "modelmark.attacks.extraction.ssl_extraction:SslExtraction",
    "subset": "modelmark.attacks.forgery.subset:Subset",
    "suppress-first": "modelmark.attacks.evasion.suppress_first:SuppressFirst",
    "system-prompt": "modelmark.attacks.evasion.system_prompt:SystemPrompt",
    "to-bnb": "modelmark.attacks.deployment.to_bnb:ToBnb",
    "to-gguf": "modelmark.attacks.deployment.to_gguf:ToGguf",
    "to-onnx": "modelmark.attacks.deployment.to_onnx:ToOnnx",
    "to-openvino": "modelmark.attacks.deployment.to_openvino:ToOpenvino",
    "to-torchao": "modelmark.attacks.deployment.to_torchao:ToTorchao",
    "transfer": "modelmark.attacks.extraction.transfer:Transfer",
    "trim-head": "modelmark.attacks.weights.trim_head:TrimHead",
    "turn-heads": "modelmark.attacks.symmetries.turn_heads:TurnHeads",
    "vote": "modelmark.attacks.evasion.vote:Vote",
    "weight-statistics": "modelmark.attacks.detection.weight_statistics:WeightStatistics",
    "wrk": "modelmark.attacks.cleansing.wrk:Wrk",
}


def attack_class(name: str) -> "type[Attack]":
    """Return the class of the attack called ``name``.

    Args:
        name: a name in ``ATTACKS``, or ``module:Class``, whose code is run: give only names that a person typed.

    Raises:
        UsageError: an unknown name (near ones are suggested), or something that is no attack.
    """
    if name in ATTACKS:
        module, _, attribute = ATTACKS[name].partition(":")
        return getattr(importlib.import_module(module), attribute)  # type: ignore[no-any-return]
    if ":" not in name:
        raise UsageError(f"expected an attack, got {name!r}", hint=suggest(name, ATTACKS))
    found = import_object(name)
    from modelmark.attacks.base import Attack

    if not (isinstance(found, type) and issubclass(found, Attack)):
        raise UsageError(f"expected an attack class at {name}, got something else")
    return found


def __getattr__(name: str) -> Any:
    """Return the class of an attack in the table, so that ``from modelmark.attacks import FineTune`` works."""
    for attack, place in ATTACKS.items():
        if place.endswith(f":{name}"):
            return attack_class(attack)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
