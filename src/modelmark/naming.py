"""Names a person may mistype: suggestions, plurals, and importing ``module:attribute`` on request."""

import difflib
import importlib
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from modelmark.errors import MissingPackageError, UsageError


def suggest(name: str, known: Iterable[str]) -> str:
    """Return a hint naming the known names nearest to ``name``, or all of them when few."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    if near:
        return f"did you mean {', '.join(near)}?"
    if not known:
        return ""
    shown = ", ".join(known[:12])
    return f"known: {shown}" + (", ..." if len(known) > 12 else "")


def counted(count: int, one: str, many: str = "") -> str:
    """Return ``1 attack``, ``2 attacks``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def import_object(reference: str) -> Any:
    """Import ``module:attribute``; the working folder counts as a place to look.

    Importing runs the module's code: call this only for references a person typed, never for one read from a file.

    Raises:
        UsageError: the reference is not of that form, or nothing is there.
    """
    module_name, colon, attribute = reference.partition(":")
    if colon and (module_name.endswith(".py") or "/" in module_name):
        hint = f"in the folder of the file, or with it on PYTHONPATH: {Path(module_name).stem}:{attribute}"
        raise UsageError(f"expected module:name, got the file {module_name!r}", hint=hint)
    if not colon or not module_name or not attribute or module_name.startswith("."):
        raise UsageError(f"expected module:name, got {reference!r}")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # whatever the module does when it is run
        what = str(error) if isinstance(error, ImportError) else f"{type(error).__name__}: {error}"
        raise UsageError(
            f"expected an importable module, got {module_name!r}: {' '.join(what.split())[:300]}"
        ) from error
    try:
        return getattr(module, attribute)
    except AttributeError:
        raise UsageError(
            f"expected {attribute!r} in module {module_name}, found no such name",
            hint=suggest(
                attribute, (n for n, v in vars(module).items() if getattr(v, "__module__", "") == module_name)
            ),
        ) from None


_TELLING = ("openvino_telemetry",)
"""Packages that tell their makers what is done, as soon as ``import openvino``; their users do without them."""


def library(*names: str, extra: str) -> ModuleType:
    """Return the first of these modules that is installed: packages that only some suspects need are loaded late.

    Args:
        names: of modules, the preferred one first.
        extra: of modelmark's own, which installs it.

    Raises:
        MissingPackageError: none is.
    """
    for telling in _TELLING:
        sys.modules.setdefault(telling, None)  # type: ignore[arg-type]  # as if it were not installed
    for name in names:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    package = names[0].partition(".")[0].replace("_", "-")
    raise MissingPackageError(f"expected {package} to be installed", hint=f"pip install 'modelmark[{extra}]'")
