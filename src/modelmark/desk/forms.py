"""What may be dropped on each page of the desk, in plain words: one literal table."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Field:
    """One entry of a form.

    Args:
        name: by which a browser sends it.
        label: for people.
        hint: what to drop or type, in a sentence; may be empty.
        kind: ``files``, ``secret``, ``number`` or ``word``.
        needed: whether it must be filled.
        most: files that may be dropped, or the largest number.
    """

    name: str
    label: str
    hint: str = ""
    kind: Literal["files", "secret", "number", "word"] = "files"
    needed: bool = True
    most: int = 1


@dataclass(frozen=True)
class Form:
    """One page with one button.

    Args:
        name: in its address; ``work.WORK`` says what is done.
        title: of the page, and of the way to it.
        lead: what it does, in sentences.
        action: on the button.
        fields: that everybody fills.
        more: that few need.
    """

    name: str
    title: str
    lead: tuple[str, ...]
    action: str
    fields: tuple[Field, ...]
    more: tuple[Field, ...] = ()

    @property
    def every(self) -> dict[str, Field]:
        """All fields by name."""
        return {field.name: field for field in (*self.fields, *self.more)}


_PASSPHRASE = Field(
    "passphrase", "Passphrase of the key",
    "Leave it empty if the key was made without one. It is used once and not kept.", "secret", needed=False,
)  # fmt: skip
_SUSPECT = Field(
    "suspect", "The suspect: the model's weights",
    "Weights as safetensors, GGUF, ONNX and others; of a model in parts all files, with the index. Files of torch.save (.pt, "
    ".pth, .bin) are refused: they can hold programs.", most=500,
)  # fmt: skip
_TRIED = Field(
    "suspects", "How many models have you tried with this key, this one included?",
    "Who tries many meets a chance agreement sooner; that is taken off.", "number", most=1_000_000,
)  # fmt: skip
_HOST = Field(
    "host", "The unmarked model that the key was made for",
    "Undoes re-ordered or rescaled layers. Only the very model that the key names counts.", needed=False,
)  # fmt: skip
_BASE = Field(
    "base", "The model that an adapter stands on",
    "If the suspect is an adapter (adapter_config.json with its weights): the model that it was made over, all files.",
    needed=False, most=500,
)  # fmt: skip
_ARCH = Field(
    "arch", "How the suspect is built, if not as the key says",
    "For a copy that was trained into another kind of network: mlp, cnn, lenet5, resnet8, resnet18 and others that modelmark "
    "builds by name. Empty: as the key says.", "word", needed=False,
)  # fmt: skip
_DATED = (
    Field("claim", "The claim", "If the key waits for a timestamp: the claim that was dated.", needed=False),
    Field("deposit", "The deposit of that claim", needed=False),
)
_AUTHORITIES = Field(
    "authorities", "Timestamp authorities that you trust",
    "Their root certificates (PEM). Take them from the authorities themselves and not from a party to the dispute.",
    needed=False, most=16,
)  # fmt: skip
_REGISTRY = Field("registry", "The registry of copies", "The file beside the key; its name ends in .copies.")

FORMS: dict[str, Form] = {
    form.name: form
    for form in (
        Form(
            "verdict", "Check a verdict",
            ("A verdict is what a judge signed about a suspect model. Drop it with its papers: every check is made again on "
             "this machine, and explained in plain words beside what the judge signed.",
             "Nothing here needs a secret. Nobody should send you a key file; if somebody did, do not drop it."),
            "Check the verdict",
            (
                Field("verdict", "The verdict", "Its name often ends in .verdict."),
                Field("papers", "Its papers, all at once",
                      "Claim, deposit, challenge, opening, the carriers beside the opening, the record of answers, and other "
                      "verdicts and revocations that you know of. Which is which is found by what is in them.",
                      needed=False, most=100),
                _AUTHORITIES,
            ),
            (
                Field("suspect", "The suspect: the weights that were judged",
                      "Without them the record of its answers is used, if that is among the papers.",
                      needed=False, most=500),
                Field("host", "The unmarked model that the claimant handed to the judge", needed=False),
            ),
        ),
        Form(
            "suspect", "Read a suspect",
            ("Is the mark of your key in this model? The model is read, and what is found is weighed: how likely so good an "
             "agreement would be by luck.",),
            "Read the suspect",
            (Field("key", "Your key", "Several keys that you named beforehand count together.", most=8),
             _PASSPHRASE, _SUSPECT, _TRIED),
            (_BASE, _ARCH, _HOST, *_DATED, _AUTHORITIES),
        ),
        Form(
            "copies", "Who has a copy",
            ("The registry says which customer got which copy, and when.",),
            "Show the copies",
            (Field("key", "The key of the copies"), _PASSPHRASE, _REGISTRY),
        ),
        Form(
            "trace", "Whose copy is this",
            ("A model turned up where it should not be. It is read once, and compared with the copy of every customer in the "
             "registry.",),
            "Trace the suspect",
            (Field("key", "The key of the copies"), _PASSPHRASE, _REGISTRY, _SUSPECT, _TRIED),
            (_BASE, _HOST, *_DATED, _AUTHORITIES),
        ),
        Form(
            "audit", "Read an audit",
            ("An audit attacks marked models and writes down what became of the marks, a line each. Here is the report of it.",),
            "Show the report",
            (Field("rows", "The results of the audit", "Files of lines, as modelmark audit writes them (.jsonl).", most=50),),
        ),
    )
}  # fmt: skip
"""Every page by its name."""
