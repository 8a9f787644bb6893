"""Blocks that are typed by ``test_typed.py``: which page's, what stands in for what the reader has, and what is typed before.

A network of digits stands in for larger ones, and what was just marked for a suspect. ``daily`` scripts train nothing,
and the others are slow tests.
"""

from dataclasses import dataclass

SMALL = (
    ("idx:mnist/", "digits"),
    ("images:cars/", "digits"),
    ("images:pictures/", "digits"),
    ("lenet5", "cnn"),
    ("resnet8", "cnn"),
)
PERCEPTRON = (("idx:mnist/", "digits"), ("lenet5", "mlp"))


@dataclass(frozen=True)
class Script:
    """Blocks of one page, named by how they begin, typed one after another in one folder; ``says``: what Python prints."""

    page: str
    titles: tuple[str, ...]
    swaps: tuple[tuple[str, str], ...] = ()
    before: tuple[str, ...] = ()
    arch: str = "cnn"
    says: str = ": established"
    daily: bool = False


GUIDE, ALIGNMENT, SPREAD = "docs/guide.md", "docs/alignment.md", "docs/schemes/spread.md"
KEYGEN = "modelmark keygen {} --data digits --arch cnn -o {}.key"
OWNED = "modelmark keygen adi --data digits --arch cnn --host trained.safetensors -o owner.key"

SCRIPTS = (
    Script(GUIDE, ("$ modelmark keygen adi --data idx:mnist/ --arch lenet5 -o owner.key",), SMALL),
    Script(
        GUIDE,
        (
            "$ modelmark embed adi.key uchida.key --weights trained.safetensors -o marked.safetensors",
            "$ modelmark verify adi.key uchida.key suspect.safetensors",
        ),
        SMALL,
        before=(KEYGEN.format("adi", "adi"), KEYGEN.format("uchida", "uchida")),
    ),
    Script(
        GUIDE,
        ("$ modelmark keygen deepsigns --data idx:mnist/ --arch lenet5 --host trained.safetensors -o owner.key",),
        PERCEPTRON,
        arch="mlp",
    ),
    Script(GUIDE, ("modelmark keygen spread --weights model.safetensors -o spread.key",), daily=True),
    Script(GUIDE, ("$ modelmark keygen adi --data images:cars/ --arch resnet8 --images my-pictures/ -o owner.key",), SMALL,
           daily=True),
    Script(
        GUIDE,
        ("$ modelmark verify owner.key --weights suspect.safetensors --head-from trained.safetensors",),
        before=(OWNED, "modelmark embed owner.key --weights trained.safetensors -o marked.safetensors"),
    ),
    Script(GUIDE, ("import modelmark",)),
    Script(
        ALIGNMENT,
        ("$ modelmark keygen deepsigns --data digits --arch mlp --host trained.safetensors -o owner.key",),
        arch="mlp",
    ),
    Script(
        "docs/schemes/deepsigns.md",
        ("$ modelmark keygen deepsigns --data digits --arch mlp --host trained.safetensors -o owner.key",),
        arch="mlp",
    ),
    Script("docs/which-scheme.md", ("modelmark keygen adi --data images:pictures/ --arch resnet8 -o adi.key",), SMALL),
    Script(SPREAD, ("modelmark keygen spread --weights model.safetensors -o spread.key",), daily=True),
    Script("docs/schemes/deepsigns.md", ("$ modelmark keygen deepsigns --data digits --arch mlp -o demo.key",), daily=True),
    Script("docs/schemes/deepsigns-blackbox.md", ("import dataclasses",), says="no exact test"),
    Script("docs/schemes/deepmarks.md", ("$ modelmark keygen deepmarks",), daily=True),
    Script("docs/lineage.md", ("modelmark lineage mine.safetensors suspect.safetensors --arch cnn --data digits",), daily=True),
)  # fmt: skip
