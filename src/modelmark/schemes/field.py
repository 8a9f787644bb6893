"""``field``: ordinary answers that lean a little, by drawn signs, in directions that a student of the answers learns too.

Sources: the cosine signal on served probabilities of Charette, Chu, Chen, Pei, Wang and Zhang, "Cosine model watermarking against
ensemble distillation", AAAI 2022, arXiv 2203.02777; the directions of Sablayrolles, Douze, Schmid and Jégou, "Radioactive data",
ICML 2020, arXiv 2002.00937. Many drawn signs instead of one secret wave, labels alone, and the exact null are our own.

A host's scores get ``eps * sum_k s_kc u_k(x) / sqrt(K)`` added: u are principal directions of what its head receives, whitened,
s the drawn signs. For such directions one edit of the head is all of the embedding.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from modelmark.carriers.base import Carriers
from modelmark.carriers.field import COUNTED, MOST_DIRECTIONS, MOST_SIGNS, Fields, kind_of
from modelmark.errors import CapacityError, MismatchError, UsageError
from modelmark.feeds.base import Array, Feed
from modelmark.key.secret import Secret
from modelmark.schemes.base import Attachments, Drawn, Material

if TYPE_CHECKING:
    from torch import Tensor, nn

    from modelmark.schemes._field_along import Along, Leaning
    from modelmark.training.hooks import Hooks
    from modelmark.training.task import Task

DIRECTIONS = 64
"""That are chosen at most."""
MOST_QUERIES = 2**14
"""As an opening holds."""
ATTACHED = ("queries", "coordinates", "references", "edit")


@dataclass(frozen=True)
class Field(Drawn):
    """Drawn signs in the answers to ordinary inputs (black-box).

    Args:
        directions: K; left out: as many as the head receives numbers, at most 64.
        queries: ordinary inputs that are asked; of a pool those that tell most.
        lose: points of accuracy that fields of other draws may cost on average; the strength follows from it.
        strength: eps, in scores; 0: what ``lose`` allows.
        coordinates: what a field is a sum of: ``features``, what the host's head receives, put in by an edit of the head;
            ``pixels``, or numbers of the owner's ``own`` function of an input, put in by training: see ``leaning``.
        answers: what is read of a suspect. Of ``probabilities`` a copy shows a third more, and they are had of weights, or a
            function that says them; whatever gives labels can be read by ``labels`` alone.
        reference: follows: what answers are compared with: the ``host``'s, or what is ``attached``; see ``prepared``.
    """

    name: ClassVar[str] = "field"
    summary: ClassVar[str] = "ordinary answers that lean by drawn signs, which a student of them inherits; no training"
    reads: ClassVar[type[Carriers]] = Fields
    reading: ClassVar[str] = "signs of the answers' deviation from the references along each direction, for each class"
    noun: ClassVar[str] = "signs"
    counted: ClassVar[str] = "directions"
    margin: ClassVar[float] = 0.0
    whole: ClassVar[bool] = True

    directions: int | None = None
    queries: int = 5000
    lose: float = 0.9
    strength: float = 0.0
    coordinates: Literal["features", "pixels", "own"] = field(default="features", metadata={"later": True})
    answers: Literal["labels", "probabilities"] = field(default="labels", metadata={"later": True})
    reference: Literal["host", "attached"] = field(default="host", metadata={"derived": True})

    def __post_init__(self) -> None:
        if self.directions is not None and not 1 <= self.directions <= MOST_DIRECTIONS:
            raise ValueError(f"expected 1 to {MOST_DIRECTIONS} directions, got {self.directions}")
        if not 1 <= self.queries <= MOST_QUERIES:
            raise ValueError(f"expected 1 to {MOST_QUERIES} queries, got {self.queries}")
        if not (0 < self.lose <= 100 and 0 <= self.strength <= 100):
            raise ValueError(
                f"expected points to lose above 0, strength of at least 0, both to 100, got {self.lose}, {self.strength}"
            )

    def for_model(self, model: "nn.Module", feed: Feed, attachments: Attachments) -> "Field":
        """Fill in the number of directions and check what is attached.

        Raises:
            CapacityError: the head receives fewer numbers than there are to be directions.
            UsageError: the model has no head that can be edited.
        """
        require_labels(feed)
        if attachments:
            if lacking := [name for name in ATTACHED if name not in attachments]:
                raise UsageError(
                    f"expected {lacking[0]} among what is attached, got none", hint="Field.prepared makes all"
                )
            count, directions = np.shape(attachments["coordinates"])
            _require_signs(directions, feed)
            return replace(self, directions=directions, queries=count, reference="attached")
        if self.reference == "attached":
            raise UsageError("expected queries with their references, got none", hint="Field.prepared makes them")
        if self.coordinates == "own":
            raise UsageError(
                "expected queries with coordinates of the owner's own, got none",
                hint="Field.prepared(..., along=...) makes them",
            )
        width = self._width(model, feed)
        if self.directions is not None and self.directions > width:
            raise CapacityError(
                f"expected at most {width} directions, as many as there are numbers to be summed, got {self.directions}"
            )
        _require_signs(self.directions or 1, feed)
        return replace(self, directions=self.directions or min(self.most_directions(feed), width))

    @staticmethod
    def most_directions(feed: Feed) -> int:
        """Return K where nobody says it: 64, or of many classes as many as a verdict holds signs of."""
        return min(DIRECTIONS, MOST_SIGNS // feed.classes)

    def cautions(self, model: "nn.Module", feed: Feed, *, host: bool) -> list[str]:
        """Return that grades of so many signs are no verdict's, where that is so."""
        signs, _ = self.size(feed)
        if signs <= COUNTED:
            return []
        return [
            f"of {signs} signs a verdict counts which agree and cannot weigh how clearly, as of {COUNTED} or fewer: "
            f"--set directions={max(COUNTED // feed.classes, 1)}"
        ]

    def _width(self, model: "nn.Module", feed: Feed) -> int:
        if self.coordinates == "pixels":
            from modelmark.schemes._field_along import width

            return width(feed)
        from modelmark.schemes._field_head import head_of

        return head_of(model)[1].in_features

    def collect(self, secret: Secret, model: "nn.Module", task: "Task | None") -> dict[str, npt.NDArray[Any]]:
        """Return queries of the test data with what belongs to them, the host's answers as the reference.

        ``model`` should be trained: it is the host.
        """
        if self.reference == "attached":
            return {}
        if task is None:
            raise UsageError("expected data to take directions and queries from, got none")
        return self.prepared(model, task)

    def prepared(
        self,
        host: "nn.Module",
        task: "Task",
        *,
        students: "Sequence[nn.Module]" = (),
        pool: "Tensor | None" = None,
        along: "Along | None" = None,
    ) -> dict[str, npt.NDArray[Any]]:
        """Return what a key holds, for ``keygen(..., attachments=...)``. Nothing here knows a draw.

        Args:
            host: trained and unmarked.
            task: the owner's data; its test data say how much a field costs.
            students: rehearsals, see ``rehearse``: what a copy of this host answers without a mark; none: the host itself is the
                reference, and half of the bits of a copy are lost.
            pool: ordinary inputs to choose queries from, as the feed stores them, ``(N, *input_shape)``; no label is needed, and
                neither host nor students should have learned from them. Left out: the test inputs.
            along: with coordinates of one's ``own``, from inputs as ``forward`` takes them to numbers of each, ``(N, M)``, such
                as a public encoder's features.

        Raises:
            CapacityError: the pool has fewer inputs than there are to be queries, or numbers vary in fewer directions.
            UsageError: no field costs so little, the host has no head that can be edited, or a function too many or too few.
        """
        require_labels(task.feed)
        from modelmark.schemes._fielding import prepared

        return prepared(self, host, task, students=students, pool=pool, along=along)

    def foretold(self, host: "nn.Module", task: "Task", made: Attachments) -> tuple[float, float]:
        """Return what a key of ``made`` will come to, by another draw: gross bits in the host, and points of accuracy lost."""
        from modelmark.schemes._fielding import foretold

        return foretold(self, host, task, made)

    def check(self, model: "nn.Module", feed: Feed) -> None:
        """Raise MismatchError unless the model takes the key's inputs and scores its classes."""
        from modelmark.schemes import blackbox

        blackbox.check(model, feed)

    def size(self, feed: Feed) -> tuple[int, int]:
        """Return a sign for each direction and class."""
        return self._directions * feed.classes, 2

    @property
    def _directions(self) -> int:
        if self.directions is None:
            raise ValueError("expected a resolved scheme, got one whose number of directions is left open")
        return self.directions

    def carriers(self, material: Material) -> Fields:
        """Return the queries with their coordinates and references, and the edit of the head, which is not committed.

        Raises:
            MismatchError: what is attached is not this scheme's.
        """
        inputs, coordinates, references, edit = (_attached(material, name) for name in ATTACHED)
        feed, count, directions = material.feed, self.queries, self._directions
        inputs = feed.unpacked(inputs)
        try:
            feed.check(inputs, "queries")
        except ValueError as error:
            raise MismatchError(str(error)) from None
        shapes = (
            (np.dtype(np.int16), (count, directions)),
            (np.dtype(np.uint16), (count, 2, feed.classes)),
            (np.dtype(np.float32), (directions, *edit.shape[1:])),
        )
        for found, (kind, shape) in zip((coordinates, references, edit), shapes, strict=True):
            if found.dtype != kind or found.shape != shape:
                raise MismatchError(f"expected {kind} {shape} in a field key, got {found.dtype} {found.shape}")
        if len(inputs) != count or edit.ndim != 2:
            raise MismatchError(f"expected {count} queries and a matrix in a field key, got {len(inputs)} or no matrix")
        kind = kind_of(self.answers)
        if fault := kind.fault(coordinates, references):
            raise MismatchError(f"expected {fault} in a field key, got others")
        return kind(feed, inputs, coordinates, references, edit)

    def imprint(self, model: "nn.Module", carriers: Fields, message: npt.NDArray[np.int64]) -> None:
        """Edit the head of a trained host, in place.

        Raises:
            MismatchError: the head is not the host's.
            UsageError: the field is not of what a head receives.
        """
        if not self.instant:
            raise UsageError(
                f"expected a field of features, an edit of the head, got one of {self.coordinates}, which training embeds",
                hint="mark.hooks or leaning in a loop, or embed with --epochs",
            )
        from modelmark.schemes._field_head import edit_head

        edit_head(model, carriers, message)

    def hooks(self, carriers: Fields, message: npt.NDArray[np.int64], model: "nn.Module", *, seed: int) -> "Hooks":
        """Return hooks that leave training as it is and edit the head that it ends with; of other coordinates see ``leaning``.

        Raises:
            UsageError: coordinates are of the owner's own function, which the key does not know.
        """
        from modelmark.schemes._field_head import AtTheEnd, require_head

        self.check(model, carriers.feed)
        if not self.instant:
            return self.leaning(carriers, message)
        require_head(model, carriers)
        return AtTheEnd(carriers, message)

    @property
    def instant(self) -> bool:
        """Whether an edit of the head puts it in; else training does."""
        return self.coordinates == "features"

    def leaning(self, carriers: Fields, message: npt.NDArray[np.int64], along: "Along | None" = None) -> "Leaning":
        """Return hooks that train a network to lean; see ``_field_along``.

        Args:
            carriers: of the key.
            message: 0 or 1 for each sign.
            along: the function that ``prepared`` was given, with coordinates of one's ``own``.

        Raises:
            UsageError: a function is missing, or not wanted, or the head is edited.
        """
        from modelmark.schemes._field_along import Leaning, numbers_of

        return Leaning(carriers, message, numbers_of(self.coordinates, carriers.feed, along))


def require_labels(feed: Feed) -> None:
    """Raise UsageError unless a network that is fed so tells one of a few classes for each input."""
    if feed.kind in ("causal", "texts"):
        raise UsageError(
            f"expected inputs of which a network tells the class, got {feed.kind}",
            hint="answers marks a language model; choice marks what it serves",
        )


def _require_signs(directions: int, feed: Feed) -> None:
    if directions * feed.classes > MOST_SIGNS:
        raise CapacityError(
            f"expected at most {MOST_SIGNS} signs, got {directions} directions of {feed.classes} classes",
            hint=f"--set directions={MOST_SIGNS // feed.classes}" if feed.classes <= MOST_SIGNS else "",
        )


def _attached(material: Material, name: str) -> Array:
    found = material.attachments.get(name)
    if found is None:
        raise MismatchError(f"expected {name} in a field key, got none")
    return found
