"""The host that a claimant hands to a judge: a weight file, which must be what the key committed to."""

from typing import TYPE_CHECKING

from modelmark.align import committed
from modelmark.errors import MismatchError, UsageError
from modelmark.feeds.base import Feed
from modelmark.suspects.base import Suspect
from modelmark.suspects.files import WeightFile
from modelmark.suspects.state import State

if TYPE_CHECKING:
    from torch import nn


class Handed:
    """The unmarked host of a key, in a file.

    Args:
        file: open.
        arch: code of its network as a person typed it, for a key that names code of its owner's, or none.
    """

    def __init__(self, file: WeightFile, arch: str = "") -> None:
        self._file, self._arch = file, arch
        self._network: nn.Module | None = None
        self._is_the_hosts = False

    def require(self, host: str, *, arch: str, feed: Feed) -> None:
        """Build the network, if its code can be known, and refuse weights that are not the host's.

        Args:
            host: digest in the key's statement.
            arch: that the opening revealed; may be empty.
            feed: how it is fed.

        Raises:
            UsageError: they are others, or the code of their network is neither typed nor known here.
        """
        if not (arch or self._arch) and self._file.digest == host:  # nothing can be aligned to it, only compared
            self._is_the_hosts = True
            return
        typed = "" if arch and ":" not in arch else self._arch
        try:
            network = State(self._file, typed or arch, trusted=bool(typed)).network(feed)
            committed.require(network, committed=host, scheme="")
        except MismatchError as error:
            problem = f"{committed.OTHER_HOST} in {self._file.path.name}"
            raise UsageError(problem, hint=f"leave it out to read the suspect as it is; {error}") from None
        self._network, self._is_the_hosts = network, True

    def itself(self) -> Suspect:
        """Return the host, which ``require`` has seen, as one who answers probes."""
        if not self._is_the_hosts:
            raise UsageError("expected a host that was compared with the statement, got one that was not")
        if self._network is None:
            return State(self._file)
        from modelmark.suspects.module import WhiteBox

        return WhiteBox(self._network)

    def aligned(self, suspect: Suspect, feed: Feed) -> Suspect:
        """Return the suspect in the order and scale of the host, which ``require`` has seen; its filters, where no code is known.

        Raises:
            MismatchError: it is of another kind, or its channels cannot be followed.
            SuspectError: its weights are no numbers.
        """
        if not self._is_the_hosts:
            raise UsageError("expected a host that was compared with the statement, got one that was not")
        if self._network is None:
            return committed.placed(suspect, State(self._file))
        return committed.put(suspect, self._network, feed)
