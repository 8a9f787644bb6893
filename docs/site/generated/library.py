"""Every public name of the library, from its docstring: a page a room."""

import importlib
from itertools import groupby

import modelmark

ROOMS = {
    "marks": "Keys, marks, embedding and reading",
    "key": "Secrets and draws",
    "schemes": "Schemes",
    "feeds": "What an input is",
    "data": "Data",
    "models": "Networks to build",
    "networks": "What a network returns",
    "suspects": "Suspects",
    "training": "Training",
    "evidence": "Evidence",
    "copies": "Copies for recipients",
    "errors": "Errors",
}
"""What the names of a room have in common; the order of the pages."""
EXTENDING = {
    "A scheme of your own": ("modelmark.schemes.base", ("Scheme", "Drawn", "Material")),
    "What carriers are": ("modelmark.carriers.base", ("Carriers",)),
    "An attack of your own": ("modelmark.attacks.base", ("Attack", "Thief", "Removal", "Extraction", "Collusion", "Evasion",
                              "PictureFilter", "TokenFilter", "Forgery", "Detection")),
    "What checks them": ("modelmark.testing", ("check_scheme", "check_attack")),
}  # fmt: skip
"""Names that a scheme or an attack of your own is written with: they are in their modules, not in ``modelmark``."""

TITLE = f"""# Python

`import modelmark` has {len(modelmark.__all__)} names; each is imported when it is first used.
They are described by what they are about:

"""


def pages() -> dict[str, str]:
    """Return a page that lists all names, and below it a page a room."""
    places = {name: modelmark._NAMES[name].split(":") for name in modelmark.__all__}
    order = list(ROOMS)
    named = sorted(places, key=lambda name: (order.index(_room(places[name][0])), name.lower()))
    made, lines = {}, []
    for room, group in groupby(named, key=lambda name: _room(places[name][0])):
        names = list(group)
        shown = ", ".join(f"`{name}`" for name in names)
        lines.append(f"- [{ROOMS[room]}](python/{room}.md): {shown}")
        made[f"reference/python/{room}.md"] = _page(ROOMS[room], [f"modelmark.{name}" for name in names])
    lines.append("- [For schemes and attacks of your own](python/extending.md)")
    parts = ["# For schemes and attacks of your own\n"]
    for title, (module, names) in EXTENDING.items():
        parts.append(_page(title, [f"{module}.{name}" for name in names], "##"))
    return {
        "reference/python.md": TITLE + "\n".join(lines) + "\n",
        **made,
        "reference/python/extending.md": "\n".join(parts),
    }


def _room(module: str) -> str:
    return module.split(".")[1]


def _page(title: str, names: list[str], sign: str = "#") -> str:
    return f"{sign} {title}\n\n" + "\n".join(_described(name) for name in names)


def _described(path: str) -> str:
    module, _, name = path.rpartition(".")
    if not isinstance(getattr(importlib.import_module(module), name), type):
        return f"```{{eval-rst}}\n.. autofunction:: {path}\n```\n"
    members = "" if path in _SCHEMES else "\n   :members:"
    return f"```{{eval-rst}}\n.. autoclass:: {path}{members}\n```\n"


_SCHEMES = {f"modelmark.{name}" for name, place in modelmark._NAMES.items() if place.startswith("modelmark.schemes.")}
