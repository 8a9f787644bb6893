"""Marks: a key with its draw; what embeds, reads and weighs."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from modelmark.carriers.base import Carriers, Ruled
from modelmark.errors import MismatchError, UsageError
from modelmark.evidence.evidence import BAR, Charge, Evidence, Graded, Observation, charge_name, charge_tries
from modelmark.evidence.scores import Scores, tail_bits
from modelmark.key.draw import Draw
from modelmark.marks.reading import Reading, Unread, read, tried
from modelmark.schemes import reference
from modelmark.suspects.base import Suspect
from modelmark.suspects.state import State

if TYPE_CHECKING:
    from torch import Tensor, nn

    from modelmark.feeds.records import Records
    from modelmark.marks.attaching import Attached
    from modelmark.marks.keys import Key
    from modelmark.marks.mixing import Collator, Mixed
    from modelmark.training.hooks import Hooks


@dataclass(frozen=True)
class Mark:
    """A key with its draw; only it can embed, read and weigh.

    Args:
        key: the key.
        draw: bound to this key's statement.
    """

    key: "Key"
    draw: Draw

    def __post_init__(self) -> None:
        if self.draw.statement != self.key.digest:
            raise MismatchError("expected the draw of this key, got the draw of another statement")

    @property
    def carriers(self) -> Carriers:
        """What is looked at: the key's carriers."""
        return self.key.carriers

    @cached_property
    def message(self) -> npt.NDArray[np.int64]:
        """The expected symbols, ``(trials,)``."""
        chosen = self._chosen
        trials, alphabet = self.key.scheme.size(self.key.feed)
        return self.draw.message(alphabet, trials) if chosen is None else chosen

    @cached_property
    def _chosen(self) -> npt.NDArray[np.int64] | None:
        return self.key.scheme.literal_message(self.key.material)

    def hooks(self, model: "nn.Module", *, seed: int = 0) -> "Hooks":
        """Return the hooks that embed this mark into ``model`` in any training loop."""
        return self.key.scheme.hooks(self.carriers, self.message, model, seed=seed)

    def margins(self, model: "nn.Module") -> "Tensor":
        """Return how clearly ``model`` gives each symbol, ``(trials,)``; negative where it gives another.

        Weights that FSDP2 has cut into pieces are not put together; every process must ask then.
        """
        from modelmark.networks import shards

        shards.settle(model)
        return self.hooks(model).margins(model)

    def records(self) -> "Records":
        """Return what is to be trained on, of a mark in data; see ``schemes.twins``, ``choice`` and ``order``.

        Raises:
            UsageError: the mark is not in data.
        """
        from modelmark.marks.ondata import records

        return records(self)

    def sampler(self, *, seed: int = 0) -> "Iterable[int]":
        """Return in which order to train on the records of an ``order`` key, for the ``sampler`` of any DataLoader.

        Raises:
            UsageError: the mark is no ``order``.
        """
        from modelmark.marks.ondata import Slots

        return Slots.of(self, seed=seed)

    def attach(self, optimizer: Any, model: "nn.Module", *, seed: int = 0) -> "Attached":
        """Embed this mark with every step of an optimiser, in any loop: the slope of its term joins the gradients before each.

        Nothing of the loss changes. The term is added once a step, after accumulation, unscaling, averaging over processes and
        clipping; it is neither clipped nor part of the norm.

        Args:
            optimizer: that steps the marked layer, also inside what accelerate or Lightning make of it.
            model: that is trained, also under DDP, ``torch.compile`` or, on its pieces, ``fully_shard``.
            seed: of everything random.

        Returns:
            A handle with ``margins``, ``finish`` and ``remove``; ``with`` finishes.

        Raises:
            UsageError: the mark needs the batch or what layers receive, it is attached already, or the optimiser cannot step it.
            MismatchError: key and model do not belong together.
        """
        from modelmark.marks.attaching import Attached

        return Attached(self, optimizer, model, seed=seed)

    def mixed(self, dataset: Any, *, times: int | None = None, seed: int = 0) -> "Mixed":
        """Return a dataset with this mark's carriers among its samples, for any ``DataLoader``.

        Of N samples and P carriers it has N + P * times: each carrier as often as any other, one in every stretch of
        1 + N / (P * times), at a place drawn by the seed. Shuffled or not, cut by a ``DistributedSampler`` or read by workers, a
        batch has them in proportion, on average.

        Args:
            dataset: samples that can be indexed: pairs of input and label, or dictionaries, inputs as ``forward`` takes them.
            times: how often each carrier is shown a pass; left out: what comes nearest to the scheme's own rate.
            seed: of the places.

        Raises:
            UsageError: the dataset cannot be indexed; the mark is in the weights, or not embedded by samples alone.
            MismatchError: samples are not what the key says.
        """
        from modelmark.marks.mixing import Mixed

        return Mixed(self, dataset, times=times, seed=seed)

    def collator(self, collate_fn: "Callable[[Any], Any] | None" = None, *, pad: int = 0, seed: int = 0) -> "Collator":
        """Return a ``collate_fn`` with this mark's next carriers behind each batch, at the scheme's own rate.

        Args:
            collate_fn: makes a batch of samples: a pair, or a dictionary such as Hugging Face's; left out: torch's own.
            pad: token that fills up rows of tokens.
            seed: of the order of the carriers.

        Raises:
            UsageError: the mark is in the weights, or not embedded by samples alone.
        """
        from modelmark.marks.mixing import Collator

        return Collator(self, collate_fn, pad=pad, seed=seed)

    def read(self, suspect: Suspect) -> Reading:
        """Return what a suspect shows, whatever the message is.

        Raises:
            MismatchError: suspect and scheme do not belong together.
            SuspectError: what the suspect answers is no answer.
        """
        return read(self.carriers, suspect)

    def readings(self, suspect: Suspect, *, align_to: "nn.Module | State | None" = None) -> list[Reading | Unread]:
        """Return the reading of a suspect as it is, and with its channels in a host's order.

        A mark that is read by several rules is read by all of them, and against the host by more.

        Args:
            suspect: that is read.
            align_to: the unmarked host whose digest the key committed to; a suspect that can be read in one of the two ways
                alone, because its layers have other widths or names, is read in that one. The file of a host whose network is
                not known is compared with, where the mark can be read so; what is aligned to it are filters, by their likeness.

        Raises:
            MismatchError: ``align_to`` is not the committed host; suspect and scheme do not belong together.
        """
        if align_to is None:
            return [self.read(suspect)]
        from modelmark.align.committed import placed, put, require

        require(align_to, committed=self.key.host, scheme=self.key.scheme.name)
        own = self.carriers
        if isinstance(align_to, State):
            beside = own.against(align_to) if isinstance(own, Ruled) else own
            named = tried(lambda: read(beside, suspect))
            if isinstance(named, Unread):
                return [named, read(beside, placed(suspect, align_to))]
            return [named, tried(lambda: read(beside, placed(suspect, align_to)))]
        from modelmark.suspects.module import WhiteBox

        carriers = own.against(WhiteBox(align_to)) if isinstance(own, Ruled) else own
        plain = tried(lambda: read(carriers, suspect))
        if isinstance(plain, Unread):
            return [plain, read(carriers, put(suspect, align_to, self.key.feed))]
        return [plain, tried(lambda: read(carriers, put(suspect, align_to, self.key.feed)))]

    def weigh(
        self,
        readings: Sequence[Reading | Unread],
        *,
        bar: float = BAR,
        suspects: int = 1,
        references: Sequence[Suspect] = (),
        looks: int = 1,
    ) -> Evidence | Observation:
        """Return what the readings of one suspect say: the best of them counts, and all that were tried are charged.

        Args:
            readings: all that were tried, at least one; each candidate of each is one.
            bar: net bits named beforehand.
            suspects: how many suspects were tried with this key; charged.
            references: models known to be unmarked, whose match rates an Observation shows.
            looks: how often such readings could be weighed while the suspect is still asked; charged.

        Returns:
            Evidence, or an Observation where no exact test exists.
        """
        found = [reading for reading in readings if isinstance(reading, Reading)]
        tables = [(table, (reading, i)) for reading in found for i, table in enumerate(reading.scores)]
        count = len(tables) + len(readings) - len(found)
        table, place = max(tables, key=lambda pair: self._worth(pair[0], tables), default=(None, None))
        total = 0 if table is None else table.total(self.message)
        reasons = [reading.reason for reading in readings if isinstance(reading, Unread)]
        note = _noted(*place) if place else f"not readable: {reasons[0]}"
        queries = sum(reading.queries for reading in found)
        scheme, trials = reference(self.key.scheme), len(self.message)
        if objection := self._objection(found):
            rates = tuple(self._rate(other) for other in references)
            return Observation(scheme, total, trials, objection, queries, rates, note)
        charges = (
            Charge(f"{self.draw.kind} draw", float(self.draw.charge)),
            *charge_name(self.draw.recipient),
            *charge_tries("suspects tried", suspects),
            *charge_tries("readings tried", count),
            *charge_tries("looks that could be taken", looks),
        )
        chance = Fraction(1, self.key.scheme.size(self.key.feed)[1])
        weighed = Evidence(
            scheme,
            total,
            trials,
            chance,
            charges,
            queries,
            bar,
            self.key.self_check,
            str(self.key.statement["root"]),
            note,
            getattr(self.key.scheme, "noun", ""),
        )
        if table is None or table.is_counting:
            return weighed
        return Graded(**vars(weighed) | {"trials": table.most}, tail=tail_bits(table, total))

    def evidence(
        self,
        suspect: Suspect,
        *,
        align_to: "nn.Module | State | None" = None,
        bar: float = BAR,
        suspects: int = 1,
        budget: int = 0,
    ) -> Evidence | Observation:
        """Read a suspect and weigh what was read; see ``readings`` and ``weigh``.

        With a ``budget`` no more queries than that are asked, and no more than it takes to reach the bar; see ``marks.looking``.
        """
        if budget:
            from modelmark.marks import looking

            if align_to is not None:
                raise UsageError("expected a budget of queries, or a host to align to, got both")
            return looking.evidence(self, suspect, budget, bar=bar, suspects=suspects)
        return self.weigh(self.readings(suspect, align_to=align_to), bar=bar, suspects=suspects)

    def _objection(self, readings: Sequence[Reading]) -> str:
        own = self.key.scheme.objection() or ("the message was chosen, not drawn" if self._chosen is not None else "")
        return own or next((reading.objection for reading in readings if reading.objection), "")

    def _worth(self, table: Scores, tables: Sequence[tuple[Scores, object]]) -> float:
        """Return by what tables of one suspect are compared: their sums, or bits where one sum is not worth what another is."""
        total = table.total(self.message)
        return total if len({one.is_counting or one.most for one, _ in tables}) == 1 else tail_bits(table, total).bits

    def _rate(self, suspect: Suspect) -> float:
        """Return the share of its highest score that a suspect reaches."""
        table = self.read(suspect).scores[0]
        return table.total(self.message) / (len(self.message) if table.is_counting else table.most)


def _noted(reading: Reading, number: int) -> str:
    """Return what a reading says for people, and by which rule the table of this number was read."""
    rule = reading.rule(number)
    return "; ".join(part for part in (reading.note, f"read with {rule}" if rule else "") if part)
