"""What we ship, one line a case: an attack, the settings it is tried with, and what must be left of the network."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from modelmark.attacks import attack_class

NONE: Mapping[str, Any] = MappingProxyType({})


class Case(NamedTuple):
    """One attack on the digits network.

    Args:
        name: of the attack.
        settings: beside the defaults.
        floor: share of right answers that the attacked network, or the filtered API, keeps.
        net: the stolen network; ``perceptron`` is cheap, and a narrow one of convolutions takes its place where slow tests
            are; ``resnet8`` has batch norm, which takes signs back; ``causal`` tells the next character of a text, and is a
            transformer.
        slow: tried only where slow tests are.
    """

    name: str
    settings: Mapping[str, Any] = NONE
    floor: float = 0.0
    net: str = "perceptron"
    slow: bool = False

    def attack(self):
        return attack_class(self.name)(**self.settings)

    def __str__(self):
        return "-".join([self.name, *(f"{name}={value}" for name, value in self.settings.items())])


CASES = [
    Case("activation-statistics", net="cnn", slow=True),
    Case("active", {"share": 0.7}, floor=0.9, net="cnn", slow=True),
    Case("adversarial", {"epochs": 1}, floor=0.85),
    Case("adversarial-extraction", floor=0.9, net="cnn", slow=True),
    Case("adversarial-triggers"),
    Case("agree", floor=0.9, net="cnn", slow=True),
    Case("anp", {"eps": 0.1}, floor=0.85, net="cnn"),
    Case("average", floor=0.9),
    Case("blockdoor-adversarial", floor=0.9, net="cnn", slow=True),
    Case("blockdoor-labels", floor=0.9, net="cnn", slow=True),
    Case("blockdoor-ood", floor=0.9, net="cnn", slow=True),
    Case("chain", floor=0.9),
    Case("cleanse-prune", floor=0.9, net="cnn", slow=True),
    Case("cleanse-unlearn", floor=0.9, net="cnn", slow=True),
    Case("cleanse-words", {"steps": 20, "epochs": 1}, floor=0.2, net="causal", slow=True),
    Case("clp", floor=0.8),
    Case("collude", floor=0.9),
    Case("compare", floor=0.9),
    Case("counterfeit", {"tries": 6}),
    Case("counterfeit", {"scheme": "uchida", "tries": 4}, net="cnn"),
    Case("cross-architecture", floor=0.9, net="cnn", slow=True),
    Case("distil", floor=0.9, net="cnn", slow=True),
    Case("distil-text", {"rows": 20, "epochs": 1}, net="causal"),
    Case("dummy", floor=0.9),
    Case("drown", floor=0.85),
    Case("ensemble", floor=0.9, net="cnn", slow=True),
    Case("false-claim", net="cnn", slow=True),
    Case("filter-perplexity", {"epochs": 1}, floor=0.2, net="causal"),
    Case("fine-prune", floor=0.9),
    Case("finetune", floor=0.9),
    Case("fit-key", {"queries": 1}),
    Case("fit-key", {"scheme": "null"}),
    Case("fit-projection", {"bits": 16}),
    Case("fit-projection", {"scheme": "deepsigns", "how": "least-squares", "bits": 20}),
    Case("flip", floor=0.9, net="resnet8"),
    Case("fold", floor=0.9, net="resnet8"),
    Case("ft-sam", floor=0.9),
    Case("gaussian-filter", floor=0.9),
    Case("grind"),
    Case("ibau", floor=0.9, net="cnn", slow=True),
    Case("input-noise", floor=0.9),
    Case("instruct", {"epochs": 1}, floor=0.2, net="causal"),
    Case("int8", floor=0.9),
    Case("jacobian", floor=0.85, net="cnn", slow=True),
    Case("jpeg", floor=0.9),
    Case("knockoff", floor=0.6, net="cnn", slow=True),
    Case("label-noise", floor=0.85),
    Case("label-smoothing", floor=0.9),
    Case("launder", floor=0.85, net="cnn", slow=True),
    Case("lora", floor=0.9),
    Case("lora", {"epochs": 1}, floor=0.2, net="causal", slow=True),
    Case("low-rank", floor=0.9, net="cnn"),
    Case("mean-filter", floor=0.6),
    Case("median-filter", floor=0.6),
    Case("merge", {"how": "ties"}, floor=0.9),
    Case("merge", {"how": "dare"}, floor=0.9),
    Case("merge", {"how": "dare-ties"}, floor=0.9),
    Case("merge", {"how": "arithmetic"}, floor=0.9),
    Case("merge", {"epochs": 1}, floor=0.2, net="causal"),
    Case("meraser", floor=0.85),
    Case("meraser", {"recovery": 1}, floor=0.15, net="causal"),
    Case("mirror", floor=0.2),
    Case("multi-task", {"epochs": 2}, floor=0.9),
    Case("nad", floor=0.9),
    Case("noise", floor=0.9),
    Case("occlude", floor=0.9),
    Case("overwrite", floor=0.9, net="cnn"),
    Case("own-field", floor=0.9, net="cnn"),
    Case("paraphrase", {"replace": 0.05, "drop": 0.0, "swap": 0.0}, floor=0.15, net="causal"),
    Case("permute", floor=0.9),
    Case("permute", floor=0.2, net="causal"),
    Case("permute-heads", floor=0.2, net="causal"),
    Case("permute-stream", floor=0.2, net="causal"),
    Case("permute-units", floor=0.2, net="causal"),
    Case("prune", floor=0.9),
    Case("prune-channels", floor=0.85),
    Case("prune-depth", {"epochs": 1}, floor=0.15, net="causal"),
    Case("prune-heads", {"epochs": 1}, floor=0.2, net="causal"),
    Case("qlora", {"epochs": 2}, floor=0.9),
    Case("quantise", floor=0.9),
    Case("quantise-input", floor=0.9),
    Case("query-statistics"),
    Case("query-statistics", {"inputs": "extreme", "queries": 40}),
    Case("raise-means", floor=0.2, net="causal"),
    Case("raise-means", {"how": "noise"}, floor=0.2, net="causal"),
    Case("randomise", floor=0.9),
    Case("rebase", floor=0.9),
    Case("reconstruct", floor=0.9, net="cnn", slow=True),
    Case("refit", floor=0.9),
    Case("refit-head", floor=0.9, net="cnn"),
    Case("refit-head", {"targets": "averaged"}, floor=0.5, net="cnn"),
    Case("refuse", floor=0.9),
    Case("regularise", floor=0.9),
    Case("reinitialise", floor=0.85),
    Case("rescale", floor=0.9),
    Case("rescale", floor=0.2, net="causal"),
    Case("retrain", floor=0.9, net="cnn", slow=True),
    Case("retrain-augmented", {"epochs": 30}, floor=0.85, net="cnn", slow=True),
    Case("retrain-mixed", floor=0.9, net="cnn", slow=True),
    Case("retrain-neighbours", floor=0.9, net="cnn", slow=True),
    Case("retrain-noisy", floor=0.9, net="cnn", slow=True),
    Case("retrain-smoothed", floor=0.9, net="cnn", slow=True),
    Case("retrain-soft", floor=0.9, net="cnn", slow=True),
    Case("retrain-voted", {"asks": 9}, floor=0.9, net="cnn", slow=True),
    Case("rnp", floor=0.8),
    Case("rotate", floor=0.8),
    Case("rotate-stream", floor=0.2, net="causal"),
    Case("scale-stream", floor=0.2, net="causal"),
    Case("scramble", floor=0.9),
    Case("self-distil", floor=0.9),
    Case("shift", floor=0.9),
    Case("shrink", floor=0.8),
    Case("spoil", floor=0.9),
    Case("spoil", {"how": "constant", "share": 0.1}, floor=0.9, net="resnet8"),
    Case("squeeze", floor=0.9),
    Case("ssl-extraction", {"share": 0.5}, floor=0.85, net="cnn", slow=True),
    Case("subset"),
    Case("suppress-first", net="causal"),
    Case("system-prompt", floor=0.2, net="causal"),
    Case("to-bnb", floor=0.9),
    Case("to-bnb", {"weights": "int8"}, floor=0.9),
    Case("to-gguf", floor=0.9),
    Case("to-gguf", {"weights": "TQ2_0", "convolutions": True}, net="cnn"),
    Case("to-onnx", floor=0.9, net="resnet8"),
    Case("to-onnx", {"weights": "filter"}, floor=0.9, net="resnet8"),
    Case("to-openvino", floor=0.9, net="resnet8"),
    Case("to-openvino", {"weights": "asymmetric"}, floor=0.9, net="resnet8"),
    Case("to-torchao", floor=0.9),
    Case("to-torchao", {"weights": "int4"}, floor=0.9),
    Case("transfer", floor=0.9, net="cnn", slow=True),
    Case("trim-head", floor=0.9, net="cnn"),
    Case("turn-heads", floor=0.2, net="causal"),
    Case("vote", {"others": 1, "epochs": 1}, floor=0.15, net="causal"),
    Case("weight-statistics"),
    Case("wrk", {"after": 4}, floor=0.9),
]


class Outcome(NamedTuple):
    """What an attack leaves of marks in the digits network.

    Args:
        name: of the attack.
        settings: beside the defaults.
        removes: schemes whose mark is not established afterwards.
        keeps: schemes whose mark is.
        lost: accuracy that it costs on the marked network that suffers most, above the first and up to the second.
        share: of the owner's data that the thief has.
        slow: tried only where slow tests are.
    """

    name: str
    settings: Mapping[str, Any] = NONE
    removes: tuple[str, ...] = ()
    keeps: tuple[str, ...] = ()
    lost: tuple[float, float] = (-1.0, 1.0)
    share: float = 1.0
    slow: bool = False

    attack, __str__ = Case.attack, Case.__str__


CHEAP, DEAR = (-1.0, 0.05), (0.05, 1.0)
ADI, UCHIDA = ("adi",), ("uchida",)
ASKED = ("adi", "deepsigns-blackbox", "coupled", "null")
BUT_NULL, BUT_TWO = ("adi", "deepsigns-blackbox", "coupled"), ("adi", "deepsigns-blackbox")
NULL, TWO = ("null",), ("null", "coupled")
FURTHER = {"rate": 0.1, "epochs": 10}

OUTCOMES = [
    # tuned by a thief with all of the data, his best case
    Outcome("refit", {"peak": 0.3, "epochs": 20}, removes=ADI, lost=CHEAP, slow=True),
    Outcome("regularise", {"decay": 0.05}, removes=ADI, lost=CHEAP),
    Outcome("label-smoothing", {"eps": 0.6, "rate": 0.1}, removes=ADI, lost=CHEAP, slow=True),
    Outcome("occlude", {"side": 0.5, "rate": 0.1}, removes=ADI, lost=CHEAP, slow=True),
    Outcome("occlude", {"side": 0.5, "rate": 0.1}, keeps=UCHIDA, slow=True),
    Outcome("adversarial", {"eps": 0.25, "step": 0.06, "rate": 0.05}, removes=ADI, lost=CHEAP, slow=True),
    Outcome("label-noise", {"share": 0.3, "rate": 0.1}, removes=ADI, lost=CHEAP, slow=True),
    Outcome(
        "label-noise", {"share": 0.3, "rate": 0.05}, removes=ADI, lost=CHEAP, slow=True
    ),  # a slimmer network bears less
    # gentler
    Outcome("refit", {"peak": 0.01}, keeps=ADI, slow=True),
    Outcome("refit", {"peak": 0.01}, keeps=ADI, share=0.3),
    Outcome("regularise", {"decay": 0.005}, keeps=ADI, slow=True),
    Outcome("occlude", {"side": 0.2}, keeps=ADI, slow=True),
    Outcome("occlude", {"side": 0.2}, keeps=ADI, share=0.3, slow=True),
    Outcome("adversarial", {"eps": 0.01, "step": 0.005}, keeps=ADI, slow=True),
    Outcome("lora", {"rank": 1}, keeps=ADI, slow=True),
    # controls: what removes is the noise, the penalty, the hole, and not the learning rate alone
    Outcome("label-noise", {"share": 0.0, "rate": 0.1, "epochs": 8}, keeps=ADI, slow=True),
    Outcome("label-noise", {"share": 0.0, "rate": 0.05, "epochs": 8}, keeps=ADI, slow=True),
    Outcome("regularise", {"decay": 0.0}, keeps=ADI, slow=True),
    Outcome("finetune", {"share": 0.05} | FURTHER, keeps=ADI),
    # up to a fifth of the rate that ruins the network, low-rank tuning loses nothing
    Outcome("lora", {"rank": 16, "rate": 0.1}, keeps=ADI, lost=CHEAP, slow=True),
    Outcome("lora", {"rank": 16, "rate": 0.1}, keeps=ADI, lost=CHEAP, share=0.3, slow=True),
    Outcome("lora", {"rank": 32, "rate": 1.0}, keeps=ADI, lost=CHEAP, slow=True),
    # one filter outweighs the mean of all, one unit the projection of all; neither changes an answer
    Outcome("spoil", removes=UCHIDA, keeps=ADI, lost=CHEAP),
    Outcome("spoil", {"how": "constant"}, removes=("deepsigns",), keeps=UCHIDA, lost=CHEAP, slow=True),
    # cut and merged
    Outcome("fine-prune", {"amount": 0.85}, removes=ADI, keeps=UCHIDA, lost=CHEAP, slow=True),
    Outcome("fine-prune", {"amount": 0.85}, removes=ADI, lost=CHEAP, share=0.3),
    Outcome("average", {"share": 0.9, "peak": 0.2, "epochs": 40}, removes=ADI, lost=CHEAP, slow=True),
    Outcome("average", {"share": 0.3}, keeps=ADI, slow=True),
    # defences against backdoors; plain fine-tuning on the same data at the same rates removes nothing
    Outcome("cleanse-prune", {"amount": 0.9, "rate": 0.05}, removes=ADI, lost=CHEAP, share=0.3, slow=True),
    Outcome(
        "cleanse-unlearn", {"every": True, "rate": 0.05, "share": 0.3}, removes=ADI, lost=CHEAP, share=0.3, slow=True
    ),
    Outcome("ft-sam", {"rho": 4.0, "rate": 0.1}, removes=ADI, lost=CHEAP, share=0.3, slow=True),
    Outcome("ibau", {"radius": 0.07, "rate": 0.1}, removes=ADI, lost=CHEAP, share=0.3, slow=True),
    Outcome("launder", {"dense": 0.3, "convolution": 0.2, "share": 0.0}, removes=ADI, lost=CHEAP, share=0.3, slow=True),
    Outcome(
        "nad",
        {"beta": 50.0, "teacher_rate": 0.2, "rate": 0.2, "epochs": 20},
        removes=ADI,
        lost=CHEAP,
        share=0.3,
        slow=True,
    ),
    Outcome("nad", {"beta": 0.0, "teacher_rate": 0.2, "rate": 0.2, "epochs": 20}, keeps=ADI, share=0.3, slow=True),
    Outcome("finetune", {"batch": 64} | FURTHER, keeps=ADI, share=0.3, slow=True),
    Outcome(
        "finetune", {"batch": 64, "rate": 0.1, "epochs": 20}, keeps=ADI, share=0.3, slow=True
    ),  # unclipped it bears no more
    Outcome("cleanse-prune", {"amount": 0.3}, keeps=ADI, share=0.3, slow=True),
    Outcome("cleanse-unlearn", keeps=ADI, share=0.3, slow=True),
    Outcome("ft-sam", {"rho": 0.5, "rate": 0.01}, keeps=ADI, share=0.3, slow=True),
    Outcome("ibau", keeps=ADI, share=0.3, slow=True),
    Outcome("nad", keeps=ADI, share=0.3, slow=True),
    Outcome("anp", {"eps": 0.2}, keeps=ADI, share=0.3, slow=True),
    Outcome("rnp", {"forget": 0.5, "threshold": 0.02}, keeps=ADI, share=0.3, slow=True),
    # boundaries drawn anew, where tuning at the same rate for as long leaves every trigger as it was
    Outcome("wrk", {"share": 0.4, "rate": 0.05}, removes=ADI, keeps=UCHIDA, lost=CHEAP, share=0.3, slow=True),
    Outcome("finetune", {"rate": 0.05, "epochs": 18, "batch": 64}, keeps=ADI, share=0.3, slow=True),
    # a second task writes over what only triggers use, where tuning on one task at the same rate does not, as said above
    Outcome("multi-task", {"rate": 0.1, "weight": 3.0}, removes=ADI, lost=CHEAP, share=0.3),
    # learned masks cost more where they remove it
    Outcome("anp", {"eps": 0.4, "threshold": 0.8}, removes=ADI, lost=DEAR, share=0.3, slow=True),
    Outcome("rnp", {"threshold": 0.5}, removes=ADI, lost=DEAR, share=0.3, slow=True),
    Outcome("rnp", {"threshold": 0.8}, removes=ADI, lost=DEAR, share=0.3, slow=True),
    # null patterns lie outside a picture's range, and clamping is part of every filter: 8 bits do nothing else
    Outcome("squeeze", {"bits": 8}, removes=NULL, keeps=BUT_NULL, lost=CHEAP, slow=True),
    Outcome("squeeze", {"bits": 4}, removes=NULL, keeps=BUT_NULL, lost=CHEAP, slow=True),
    Outcome("quantise-input", {"levels": 16}, removes=NULL, keeps=BUT_NULL, lost=CHEAP, slow=True),
    Outcome("quantise-input", {"levels": 10}, removes=NULL, keeps=BUT_NULL, lost=CHEAP, slow=True),
    Outcome("jpeg", {"quality": 95}, removes=NULL, keeps=BUT_NULL, lost=CHEAP, slow=True),
    Outcome("jpeg", {"quality": 65}, removes=NULL, keeps=BUT_NULL, lost=CHEAP, slow=True),
    Outcome("jpeg", {"quality": 20}, removes=TWO, keeps=BUT_TWO, lost=CHEAP, slow=True),
    Outcome("input-noise", {"std": 0.05}, removes=NULL, keeps=BUT_NULL, lost=CHEAP, slow=True),
    Outcome("input-noise", {"std": 0.1}, removes=NULL, keeps=BUT_NULL, lost=CHEAP, slow=True),
    Outcome("gaussian-filter", {"std": 0.7}, removes=TWO, keeps=BUT_TWO, lost=CHEAP, slow=True),
    Outcome("rotate", {"degrees": 2.0}, removes=NULL, keeps=BUT_NULL, lost=CHEAP, slow=True),
    Outcome("refuse", removes=ASKED, lost=CHEAP, slow=True),
    Outcome("randomise", removes=ASKED, lost=CHEAP, slow=True),
    Outcome("agree", {"epochs": 8}, removes=ASKED, lost=(-1.0, 0.03), slow=True),
    # pictures of 8 x 8 bear little smoothing: what hides every mark ruins the model's use, too
    Outcome("mean-filter", {"kernel": 3}, removes=ASKED, lost=(0.1, 1.0), slow=True),
    Outcome("median-filter", {"kernel": 3}, removes=ASKED, lost=(0.1, 1.0), slow=True),
    Outcome("mirror", removes=ASKED, lost=(0.1, 1.0), slow=True),
    Outcome("gaussian-filter", {"std": 1.0}, removes=ASKED, lost=(0.1, 1.0), slow=True),
    Outcome("rotate", {"degrees": 20.0}, removes=ASKED, lost=(0.1, 1.0), slow=True),
    Outcome("shrink", {"factor": 0.5}, removes=ASKED, lost=(0.1, 1.0), slow=True),
]
