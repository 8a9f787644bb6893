"""Keys of marks in data on the command line, and suspects that say how likely records are."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelmark.cli.terminal import say
from modelmark.errors import UsageError

if TYPE_CHECKING:
    from modelmark.feeds.base import Feed
    from modelmark.marks.keys import Key, KeyPolicy
    from modelmark.suspects.likelihoods import Likelihoods
    from modelmark.suspects.state import State


def is_in_data(scheme: str) -> bool:
    """Return whether a scheme's mark is in the data."""
    from modelmark.schemes import IN_DATA

    return scheme in IN_DATA


def keygen(
    scheme: str,
    chosen: dict[str, object],
    files: Sequence[Path],
    reference: Path | None,
    arch: str,
    policy: "KeyPolicy",
) -> "Key":
    """Return the key that records make.

    Args:
        scheme: its name.
        chosen: settings that were typed.
        files: of records; see ``data.records``.
        reference: of what is asked beforehand how likely each record is; None: nothing.
        arch: how to build it.
        policy: what evidence is to be worth.

    Raises:
        UsageError: no records, or nothing to build the reference with.
        MalformedError: a file is no such file.
    """
    from modelmark import options
    from modelmark.carriers.pairs import VERSIONS
    from modelmark.data import records
    from modelmark.marks.ondata import keygen_of_records
    from modelmark.schemes import scheme_class

    if not files:
        raise UsageError(
            f"expected records for {scheme}, got none", hint="--records FILE: texts as .jsonl, arrays as .npz"
        )
    repeated: list[str] | None = [] if scheme == "choice" else None  # a prompt that is asked again has its coin already
    found = records.load(files, 1 if scheme in ("dawn", "order") else VERSIONS, repeated=repeated)
    if repeated:
        say(
            f"{len(repeated)} pairs are left out, their prompt came before or both answers are the same: first {repeated[0]}"
        )
    known = None
    if reference is not None:
        known = folder(reference, found.feed) or _state(reference, arch)
    made: Any = options.make(scheme_class(scheme), chosen)
    return keygen_of_records(made, found, reference=known, policy=policy)


def folder(path: Path, feed: "Feed") -> "Likelihoods | None":
    """Return the language model in a folder, with its tokenizer, as who weighs texts; None of a key of anything else.

    Raises:
        UsageError: there is no folder of a model.
        MalformedError: what is there is none.
    """
    from modelmark.feeds.records import TEXTS

    if feed != TEXTS:
        return None
    from modelmark.suspects.likelihoods import of_folder

    there = path if path.is_dir() else path.parent  # a folder is opened by the name of what it holds
    if not (there / "config.json").is_file():
        raise UsageError(
            f"expected a folder of transformers with its tokenizer for a key of texts, got {path.name} alone",
            hint="name the folder that save_pretrained wrote, or ask an address: --template openai-echo",
        )
    return of_folder(there)


def _state(path: Path, arch: str) -> "State":
    from modelmark.suspects.files import open_weights
    from modelmark.suspects.state import State

    if not arch:
        raise UsageError("expected an architecture for --reference, got none", hint="name it: --arch NAME")
    return State(open_weights(path), arch, trusted=True)
