"""``spread`` keys for weight files whose network nobody builds, and their marks into copies of such files, tensor by tensor."""

import datetime
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from modelmark.carriers.spread import Run, Runs
from modelmark.errors import MismatchError, ModelmarkError, NotEmbeddedError, SuspectError, UsageError
from modelmark.feeds.base import Feed
from modelmark.feeds.pictures import PictureFeed
from modelmark.key.secret import Secret
from modelmark.marks.confidential import is_confidential
from modelmark.marks.keys import Key, KeyPolicy
from modelmark.marks.marks import Mark
from modelmark.marks.reach import Reach
from modelmark.marks.reaching import require_reach
from modelmark.schemes import _pushing, spread
from modelmark.schemes.spread import Size, Spread
from modelmark.suspects.files import WeightFile, copying, digest, name_of, open_weights
from modelmark.suspects.files.dtypes import called
from modelmark.suspects.places import Layout, Place, guessed
from modelmark.suspects.state import State

NO_FEED: Feed = PictureFeed((1,), ("0", "1"))
"""In the statement of a key that was made for a file alone, as claims take it; no reading of weights depends on it."""
_NOT_MARKED = re.compile(
    r"(^|[._])(lm_head|head|classifier|score|wte|wpe|(tok|token|word|position|pos)?_?embed\w*|emb)(?=[._]|$)"
)
"""What heads and tables of tokens are called: other tasks have others."""


def sizes(file: WeightFile) -> list[Size]:
    """Return the layers of a file that are marked: tensors ``.weight`` of two to five axes, but for heads and embeddings.

    Raises:
        UsageError: there is none.
    """
    found = []
    for name in file.names:
        shape, path = file.shapes[name], name.removesuffix(".weight")
        if path == name or not 2 <= len(shape) <= 5 or 0 in shape or _NOT_MARKED.search(path):
            continue
        if called(file.tensor(name).dtype) in spread.KINDS:
            filters, kernel = Layout("weight", "conv").size(shape)
            found.append((path, filters, int(np.prod(kernel))))
    if not found:
        raise UsageError(
            f"expected weights of layers before the head in {file.path.name}, found none",
            hint="matrices and kernels named .weight of type f32, f64, f16 or bf16 can be marked",
        )
    return found


def keygen_for_file(
    scheme: Spread, file: WeightFile, *, secret: Secret | None = None, policy: KeyPolicy | None = None
) -> Key:
    """Return a new key for a file of which only names and sizes are known; it commits to the file as its host.

    Args:
        scheme: with or without defaults left open.
        file: unmarked.
        secret: drawn from the operating system unless given.
        policy: what evidence is to be worth; left out: as for ``keygen``.

    Raises:
        CapacityError: full evidence would stay below the bar, or there are fewer weights than bits.
        UsageError: the file has no layers to mark.
        SuspectError: a weight to mark is no number, or all are zero.
    """
    there, secret = sizes(file), secret or Secret.generate()
    resolved, policy = scheme.for_sizes(there), policy or KeyPolicy()
    if not policy.self_check:
        require_reach(resolved, NO_FEED, policy.bar, policy.draw)
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    attached = resolved.laid(secret, there)
    key = Key(
        resolved, secret, NO_FEED, attached, host=file.digest, created=now, self_check=policy.self_check,
        draw_kind=policy.draw,
    )  # fmt: skip
    _require_numbers(key.carriers, file)  # type: ignore[arg-type]
    return key


def _require_numbers(carriers: Runs, file: WeightFile) -> None:
    """Raise SuspectError unless the weights to mark are finite and not all zero, a block of them in memory at a time."""
    (probe,) = carriers.probes()
    (held,) = State(file).observe(probe)
    deviations = [_pushing.deviation(run, sheet) for run, sheet in zip(carriers.runs, held, strict=True)]
    if not any(deviations):
        raise SuspectError(f"expected weights that differ to mark in {file.path.name}, got one number everywhere")


def is_safetensors(file: WeightFile) -> bool:
    """Return whether a file, or every shard, is safetensors, which is copied tensor by tensor."""
    return file.what.split(" shards of ")[-1] == "safetensors"


def require_safetensors(file: WeightFile) -> None:
    """Raise UsageError unless a file, or every shard, is safetensors."""
    if not is_safetensors(file):
        raise UsageError(
            f"expected safetensors to mark without training, got a {file.what}",
            hint="save the state dict with safetensors.torch.save_file, or make the key for a network: --arch and --data",
        )


def is_host(key: Key, file: WeightFile) -> bool:
    """Return whether a file holds the host that a key committed to: these tensors, or those of the network they build.

    All bytes of the file are hashed. Code of its owner's, which a key may name, is not run: there the tensors alone count.
    """
    if key.host == file.digest:
        return True
    names, read = {*file.shapes, *file.aliases}, file.again()
    if file.aliases and key.host == digest(names, lambda name: read(file.aliases.get(name, name))):
        return True
    if not key.arch:
        return False
    try:
        network = State(file, key.arch).network(key.feed)
    except ModelmarkError:
        return False
    from modelmark.suspects import weights

    return key.host == weights.digest(network.state_dict())


def imprint_file(source: Path, output: Path, marks: list[Mark]) -> list[Reach]:
    """Write a copy of a safetensors file, or a folder of shards, with ``spread`` marks; all else is the same byte for byte.

    Args:
        source: a file, the index of shards, or a folder that holds either.
        output: a file, or a folder for what comes in shards; must not exist.
        marks: of different keys.

    Returns:
        How far each mark is in.

    Raises:
        UsageError: a mark of another scheme, or the same key twice; ``output`` cannot be written, or the folder copied:
            see ``copying.planned``.
        MismatchError: a layer is not there, of another size, or of a type that cannot be marked.
        SuspectError: a weight is no number.
        NotEmbeddedError: a bit is not read as it should be.
    """
    if len({mark.key.digest for mark in marks}) < len(marks):
        raise UsageError("expected different keys, got the same one twice")
    for mark in marks:
        if not isinstance(mark.key.scheme, Spread):
            raise UsageError(f"expected a spread mark, got {mark.key.scheme.name}")
    file = open_weights(source)  # what is damaged is said before anything is copied
    require_safetensors(file)
    with copying.copied(copying.planned(source, output, is_confidential)) as stored:
        laid = [sheets_of(mark.key.carriers, file, stored) for mark in marks]  # type: ignore[arg-type]
        scales = []
        for mark, sheets in zip(marks, laid, strict=True):
            strength = mark.key.scheme.strength  # type: ignore[attr-defined]
            before = _pushing.push(mark.key.carriers, mark.message, sheets, strength=strength, target=spread.TARGET)  # type: ignore[arg-type]
            scales.append(before.scales)
        reached = [_reach(*each) for each in zip(marks, laid, scales, strict=True)]
        if not all(entry.done for entry in reached):
            raise NotEmbeddedError(
                f"expected every bit with its margin, got {'; '.join(map(str, reached))}",
                hint="a key of fewer bits, or of more strength",
            )
    return reached


def _reach(mark: Mark, sheets: "list[_Sheet]", scales: _pushing.Reals) -> Reach:
    margins = _pushing.standing(mark.key.carriers, mark.message, sheets, scales).deviations  # type: ignore[arg-type]
    needed, right = float(mark.key.scheme.margin), int((margins >= 0).sum())
    return Reach("spread", right, len(margins), float(margins.min()), needed, int((margins < needed).sum()))


def sheets_of(carriers: Runs, file: WeightFile, stored: Mapping[str, copying.Stored]) -> "list[_Sheet]":
    """Return the layers of a copy that the runs mark.

    Raises:
        MismatchError: a layer is not there, of another size, or of a type that cannot be marked.
    """
    return [_sheet(run, file, stored) for run in carriers.runs]


def _sheet(run: Run, file: WeightFile, stored: Mapping[str, copying.Stored]) -> "_Sheet":
    place = Place.named(run.layer, run.width)
    name = name_of(file, place.path)
    if name in file.stored:
        raise MismatchError(
            f"expected the weights of {place.path} as torch lays them out, {file.what} holds them otherwise",
            hint="mark the file that torch saved, and convert that",
        )
    found = stored[name]
    layout = guessed(found.shape, place.width, place.layout)
    if layout is None or layout.stacked or layout.size(found.shape)[0] != run.filters:
        raise MismatchError(f"expected {run.filters} filters of {run.width} weights in {place.path}, got {found.shape}")
    if not found.kind:
        raise MismatchError(f"expected weights of f32, f64, f16 or bf16 in {place.path}, got another type")
    return _Sheet(found, layout)


@dataclass(frozen=True, eq=False)
class _Sheet:
    """A tensor of a file, mapped anew for each slice so that what was read does not stay in memory."""

    stored: copying.Stored
    layout: Layout

    def __len__(self) -> int:
        return self.layout.size(self.stored.shape)[0]

    @property
    def together(self) -> int:
        """See ``_pushing.Sheet``."""
        order = self.layout.order(len(self.stored.shape))
        return math.prod(self.stored.shape[axis] for axis in order[2:])

    def _rows(self) -> npt.NDArray[np.generic]:
        return self.stored.mapped().transpose(self.layout.order(len(self.stored.shape)))

    def __getitem__(self, part: slice) -> npt.NDArray[np.floating]:
        found = self._rows()[part]
        flat = found.reshape(len(found), -1)
        if self.stored.kind == "bf16":
            return (flat.astype(np.uint32) << 16).view(np.float32)
        return flat.astype(np.float64 if self.stored.kind == "f64" else np.float32)

    def put(self, part: slice, values: _pushing.Reals, words: _pushing.Words) -> None:
        """Write filters; see ``_pushing.Sheet.put``."""
        rows = self._rows()
        rows[part] = _pushing.rounded(values, words, self.stored.kind).reshape(-1, *rows.shape[1:])
