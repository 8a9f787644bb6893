"""Keys and a suspect in one list of names, as a person types them."""

from pathlib import Path

from modelmark.errors import UsageError
from modelmark.suspects.http.address import is_address


def reached(named: list[str], weights: Path | None, form: str) -> tuple[list[Path], Path | str]:
    """Return the keys and the suspect, which may be an address; see ``told_apart``.

    Raises:
        UsageError: not one suspect and a key or more.
    """
    from modelmark.marks import keyfile

    paths, addresses = ([word for word in named if is_address(word) is right] for right in (False, True))
    keys = list(map(Path, paths))
    if not addresses:
        return told_apart(keys, weights, form)
    others = [path for path in keys if not keyfile.is_key(path)]
    if len(addresses) > 1 or others or weights is not None or not keys:
        got = " and ".join(["an address", *map(str, others[:2]), *(["another"] if len(addresses) > 1 else [])])
        raise UsageError(f"expected keys and one suspect, got {got if keys else 'an address without a key'}", hint=form)
    return keys, addresses[0]


def told_apart(named: list[Path], weights: Path | None, form: str) -> tuple[list[Path], Path]:
    """Return the keys and the suspect: key files are known by their first bytes, and what is none is the suspect.

    Args:
        named: what stands after the command.
        weights: the suspect, if an option named it; then all others are keys.
        form: the command as it should be typed.

    Raises:
        UsageError: not one suspect and a key or more.
    """
    from modelmark.marks import keyfile

    if weights is not None:
        if weights.parts[:1] in (("http:",), ("https:",)):
            raise UsageError("expected a file for --weights, got an address", hint=form)
        return named, weights
    others = [path for path in named if not keyfile.is_key(path)]
    if len(others) == 1 and len(named) > 1:
        return [path for path in named if path not in others], others[0]
    if absent := [path for path in others if not path.exists()]:
        got = f"no file at {absent[0]}"
    elif not others:
        got = "keys alone"
    else:
        got = f"{' and '.join(map(str, others[:3]))} without a key" if len(others) == len(named) else _several(others)
    raise UsageError(f"expected keys and one suspect, got {got}", hint=form)


def _several(others: list[Path]) -> str:
    return f"{len(others)} files that are no keys: {', '.join(map(str, others[:3]))}"
