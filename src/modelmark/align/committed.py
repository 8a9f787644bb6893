"""The one host that a suspect may be aligned to: what the key committed to before the draw."""

from typing import TYPE_CHECKING

from modelmark.align.bymeans import ByMeans
from modelmark.errors import MismatchError, UsageError
from modelmark.feeds.base import Feed
from modelmark.suspects.base import Suspect
from modelmark.suspects.placing import Placed
from modelmark.suspects.state import State

if TYPE_CHECKING:
    from torch import nn


OTHER_HOST = "expected the unmarked host that the key committed to before the draw, got other weights"
_WHY = "a marked model knows the message, and what is aligned to it would match; see keygen --host"


def require(host: "nn.Module | State", *, committed: str, scheme: str) -> None:
    """Refuse a host that is not the one committed. A marked host would carry the message into the reading.

    Args:
        host: said to be it, as a network or a file.
        committed: digest of the host in the key's statement; empty if there is none.
        scheme: name of the key's scheme, for messages.

    Raises:
        MismatchError: another host, or a key without one.
    """
    if not committed:
        raise MismatchError(
            f"expected a key that committed to a host, this {scheme} key was made without one", hint="keygen --host"
        )
    if committed != (host.digest if isinstance(host, State) else _digest(host)):
        raise MismatchError(OTHER_HOST, hint=_WHY)


def _digest(host: "nn.Module") -> str:
    from modelmark.suspects import weights

    return weights.digest(host.state_dict())


def obstacle(host: "nn.Module") -> str:
    """Return why no suspect can be put into the coordinates of this network, or nothing where one can; see ``put``."""
    from modelmark.blocks.networks import of_network
    from modelmark.channels import trace

    if of_network(host) is not None:
        return ""
    try:
        trace(host)
    except (MismatchError, UsageError) as error:
        return str(error)
    return ""


def placed(suspect: Suspect, host: State) -> Suspect:
    """Return a suspect whose filters stand in the places of a host whose network nobody builds; see ``Placed``.

    A transformer, known by the names and sizes of its weights, is put into the host's coordinates first.

    Raises:
        MismatchError: a suspect that is no weight file.
    """
    if not isinstance(suspect, State):
        raise MismatchError("expected a weight file to look for the host's filters in, got another suspect")
    from modelmark.align.transformers.files import aligned as in_coordinates

    file = in_coordinates(suspect.file, host.file)
    if file is None:
        return Placed(suspect.file, host, suspect.notes)
    suspect.notes |= {"heads, hidden units and stream of the transformer put into the host's coordinates": None}

    def kept() -> Suspect:
        own = in_coordinates(suspect.file, host.file, restored=False)
        return Placed(own or file, host, suspect.notes, moved=True)

    return ByMeans(Placed(file, host, suspect.notes, moved=True), kept)


def put(suspect: Suspect, host: "nn.Module", feed: Feed) -> Suspect:
    """Return the suspect in the coordinates of a host that was compared with what was committed.

    Raises:
        MismatchError: a suspect known by its answers alone, of another architecture, or whose channels cannot be followed.
        SuspectError: its weights are no numbers.
    """
    from modelmark.align.alignment import align  # loads scipy's optimisers and torch's tracer
    from modelmark.align.transformers.networks import align as align_transformer
    from modelmark.blocks.networks import of_network
    from modelmark.suspects.module import HasNetwork, WhiteBox

    if not isinstance(suspect, HasNetwork):
        raise MismatchError("expected a suspect whose weights are at hand to align, got its answers alone")
    network = suspect.network(feed, host)
    if (described := of_network(host)) is not None:
        return ByMeans(
            WhiteBox(align_transformer(network, host, described)),
            lambda: WhiteBox(align_transformer(network, host, described, restored=False)),
        )
    try:
        return WhiteBox(align(network, host, feed))
    except UsageError as error:  # of these two networks; the suspect as it is can be read all the same
        raise MismatchError(str(error), hint=error.hint) from error
