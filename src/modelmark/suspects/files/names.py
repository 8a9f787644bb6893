"""How the names in a file map to a network's, under what wrappers and trainers put before and between them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

WRAPPERS = frozenset({
    "module",  # DataParallel and its kind, DeepSpeed, averages
    "_orig_mod",  # torch.compile
    "_fsdp_wrapped_module", "_fpw_module",
    "_checkpoint_wrapped_module",
    "_forward_module",  # Lightning Fabric
    "_module",  # Opacus
    "base_layer",  # peft
})  # fmt: skip
"""Parts of a path that wrappers add and no layer's name needs."""
AS_THEY_ARE = "names as they are"
_DEPTH = 8  # parts of a path that may stand before a network's own
_TRIED = 32  # places at which a network may lie in a file

Names = Mapping[str, str]


@dataclass(frozen=True)
class Way:
    """One way to map names.

    Args:
        names: of the file, by the network's.
        words: what it took, for messages.
        certain: it only removed what wrappers add; a place in a larger network is a guess unless it is the only one.
    """

    names: Names
    words: str
    certain: bool


def bare(name: str) -> str:
    """Return a name without what wrappers add, anywhere in its path."""
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)


def ways(expected: Iterable[str], found: Iterable[str]) -> Iterator[Way]:
    """Yield the ways to map names, the plainest first.

    Args:
        expected: names of the network.
        found: names of the file.
    """
    expected, found = list(expected), list(found)
    there = set(found)
    yield Way({name: name for name in expected if name in there}, AS_THEY_ARE, certain=True)
    ours, theirs = _by_bare(expected), _by_bare(found)
    yield Way({ours[name]: theirs[name] for name in ours if name in theirs}, "names without wrappers", certain=True)
    for before, own in _prefixes(list(ours), list(theirs)):
        names = {
            ours[own + rest]: theirs[before + rest]
            for rest in (name.removeprefix(own) for name in ours if name.startswith(own))
            if before + rest in theirs
        }
        words = " and ".join(f"{what} {prefix!r}" for what, prefix in (("under", before), ("for", own)) if prefix)
        yield Way(names, f"names {words}", certain=False)


def _by_bare(names: Iterable[str]) -> dict[str, str]:
    """Return names by their bare form; forms that two names share are left out."""
    counts = Counter(map(bare, names))
    return {form: name for name in names if counts[form := bare(name)] == 1}


def _prefixes(ours: list[str], theirs: list[str]) -> list[tuple[str, str]]:
    """Return what may stand before the file's names and before the network's, the pairs that match most names first."""
    before_ours: Counter[tuple[str, str]] = Counter()
    before_theirs: Counter[tuple[str, str]] = Counter()
    for own in {"", _shared(ours)}:
        rests = {name.removeprefix(own) for name in ours}
        for name in theirs:
            before_theirs.update((before, own) for before, rest in _splits(name) if rest in rests)
    for before in {"", _shared(theirs)}:
        rests = {name.removeprefix(before) for name in theirs}
        for name in ours:
            before_ours.update((before, own) for own, rest in _splits(name) if rest in rests)
    counts = before_ours | before_theirs
    return [pair for pair, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_TRIED]]


def _shared(names: list[str]) -> str:
    """Return the parts that all paths begin with, up to the last dot."""
    if not names:
        return ""
    first, last = min(names).split(".")[:-1], max(names).split(".")[:-1]
    same = 0
    while same < min(len(first), len(last), _DEPTH) and first[same] == last[same]:
        same += 1
    return "".join(f"{part}." for part in first[:same])


def _splits(name: str) -> Iterator[tuple[str, str]]:
    at = -1
    for _ in range(_DEPTH):
        at = name.find(".", at + 1)
        if at < 0:
            return
        yield name[: at + 1], name[at + 1 :]
