"""Texts into token numbers, by the ``tokenizer.json`` of a folder; no other file of it is read and nothing of it is run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from modelmark.data.folder import Folder
from modelmark.data.rows import LONGEST
from modelmark.data.streams import judging, shown
from modelmark.errors import MismatchError, UsageError
from modelmark.feeds.tokenizer import FILE, Tokenizer

_PIECE = 1 << 16  # characters of a long text that are told apart at a time
_HINT = "save it with transformers: AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)"


@dataclass(frozen=True)
class Words:
    """The tokenizer of a folder, which must be of the network beside it.

    Args:
        folder: what its configuration says.
    """

    folder: Folder

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer.

        Raises:
            UsageError: there is none.
            MalformedError: it is damaged.
            MismatchError: it is of another network, of fewer tokens than it has.
        """
        if not (self.folder.path / FILE).is_file():
            raise UsageError(f"expected {FILE} in {shown(str(self.folder.path))}, found none", hint=_HINT)
        found = Tokenizer.load(self.folder.path)
        if 0 < self.folder.vocabulary < found.vocabulary:
            raise MismatchError(
                f"expected a tokenizer of at most {self.folder.vocabulary} tokens, as config.json says, "
                f"got one of {found.vocabulary}",
                hint="it belongs to another model",
            )
        return found

    @property
    def digest(self) -> str:
        """Digest of the tokenizer, hex."""
        return self.tokenizer.digest

    @property
    def vocabulary(self) -> int:
        """Tokens that the network knows; where it does not say, those of the tokenizer."""
        return self.folder.vocabulary or self.tokenizer.vocabulary

    def length(self, wanted: int) -> int:
        """Return how many tokens a row may have: ``wanted``, or if that is 0 at most ``LONGEST``.

        Raises:
            MismatchError: the network's context is shorter than ``wanted``.
        """
        context = self.folder.context
        if context and wanted > context:
            raise MismatchError(f"expected rows of at most {context} tokens, the model's context, got {wanted}")
        return wanted or min(context or LONGEST, LONGEST)

    @property
    def padding(self) -> int:
        """The token that fills rows up.

        Raises:
            UsageError: the configuration names none.
        """
        if self.folder.padding is None:
            raise UsageError(
                "expected pad_token_id in config.json, as texts differ in length, found none",
                hint="set it to the token that the model was trained to leave aside",
            )
        return self.folder.padding

    def whole(self, texts: Sequence[str], length: int = 0) -> list[list[int]]:
        """Return the tokens of texts with the special ones, of each no more than ``length`` where that is not 0."""
        with judging(FILE):
            return self.tokenizer.whole(list(texts), length)

    def running(self, text: str) -> Iterator[int]:
        """Yield the tokens of a running text, without special ones; a long one is told apart in pieces, cut at line ends."""
        start = 0
        while start < len(text):
            end = start + _PIECE
            if end < len(text):
                end = text.rfind("\n", start, end) + 1 or text.rfind(" ", start, end) + 1 or end
            with judging(FILE):
                yield from self.tokenizer.plain(text[start:end])
            start = end


def of(where: Path) -> Words:
    """Return the tokenizer of a folder.

    Raises:
        UsageError: there is no such folder.
        MalformedError: its configuration is none.
    """
    return Words(Folder.read(where))
