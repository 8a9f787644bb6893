"""The secret of an address, from a file or the environment: never on a command line, in a message or in a record."""

import os
from pathlib import Path

from modelmark import files
from modelmark.errors import MalformedError, UsageError
from modelmark.suspects.http.address import Address

_MOST = 2**16
_HINT = "--secret-file FILE, whose first line it is, or --secret-env NAME"


def header(address: Address, file: Path | None, variable: str, name: str = "Authorization") -> dict[str, str]:
    """Return the header that carries a secret; none where neither a file nor a variable is named.

    Args:
        address: that it goes to.
        file: whose first line it is.
        variable: of the environment.
        name: of the header; in ``Authorization`` a secret of one word becomes a bearer token.

    Raises:
        UsageError: both are named, the variable is not set, or others could read it on the way.
        MalformedError: the file has none, or one that no header can hold.
    """
    if file is None and not variable:
        return {}
    if file is not None and variable:
        raise UsageError("expected --secret-file or --secret-env, got both")
    if not address.is_private:
        raise UsageError("expected an address of https, where a secret is sent along, got http")
    if file is not None:
        where, secret = str(file), files.read(file, limit=_MOST, what="a secret").decode("utf-8", "replace")
    elif variable not in os.environ:
        raise UsageError(f"expected a secret in the environment's {variable}, which is not set", hint=_HINT)
    else:
        where, secret = variable, os.environ[variable]
    secret = (secret.splitlines() or [""])[0].strip()
    if not secret or not (secret.isascii() and secret.isprintable()):
        raise MalformedError(f"expected a secret of printable ASCII in {where}, got something else")
    if name.lower() == "authorization" and " " not in secret:
        secret = f"Bearer {secret}"
    return {name: secret}
