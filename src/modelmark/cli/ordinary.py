"""Ordinary queries, to hide carriers among: pictures made as the carriers are, and images of the judge's own."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from modelmark.claim.papers.statement import Statement


def pictures(statement: "Statement", spec: str, count: int, nonce: str) -> "NDArray[np.uint8]":
    """Return ordinary queries in an order of their own, uint8 ``(N, *input_shape)``.

    Args:
        statement: of the key that is asked about; where it says that pictures were rendered, others are rendered likewise.
        spec: data whose images are taken, ``none`` for nothing at all, or empty: what can be rendered.
        count: of each kind.
        nonce: of the record, hex: the same gives the same pictures.

    Raises:
        UsageError: nothing was named and nothing can be rendered, or the data are fewer.
        MismatchError: images of another shape.
    """
    import numpy as np

    from modelmark.errors import UsageError

    empty = np.empty((0, *statement.feed.input_shape), np.uint8)
    if spec == "none":
        return empty
    kinds = [_images(statement, spec, count, nonce)] if spec else []
    kinds += [_rendered(statement, count, nonce)] if _renders(statement) else []
    if not kinds:
        raise UsageError(
            "expected ordinary images to hide the carriers among, got none",
            hint="--ordinary SPEC, images that who answers does not know; or --ordinary none",
        )
    found = np.concatenate(kinds)
    return found[np.random.default_rng(int(nonce, 16)).permutation(len(found))]


def _renders(statement: "Statement") -> bool:
    return statement.scheme == "adi" and statement.parameters.get("pictures", "synthetic") == "synthetic"


def _rendered(statement: "Statement", count: int, nonce: str) -> "NDArray[np.uint8]":
    """Return pictures of the carriers' own family, made with the nonce where a key has its secret."""
    from modelmark.carriers.pictures import require_bytes
    from modelmark.key.secret import Secret
    from modelmark.rendering import triggers

    require_bytes(count, statement.feed.input_shape)
    return triggers.render(Secret(bytes.fromhex(nonce)), count, statement.feed.input_shape)


def _images(statement: "Statement", spec: str, count: int, nonce: str) -> "NDArray[np.uint8]":
    import numpy as np
    import torch

    from modelmark.cli.loading import load_task
    from modelmark.errors import MismatchError, UsageError

    task = load_task(spec)
    images = torch.cat([task.train_inputs, task.test_inputs]).cpu().numpy()
    if tuple(images.shape[1:]) != statement.feed.input_shape:
        raise MismatchError(f"expected ordinary images of {statement.feed.input_shape}, got {tuple(images.shape[1:])}")
    if len(images) < count:
        raise UsageError(
            f"expected {count} ordinary images in {spec}, got {len(images)}", hint="fewer a carrier: --per-carrier"
        )
    chosen: NDArray[np.uint8] = images[np.random.default_rng(int(nonce, 16) ^ 1).permutation(len(images))[:count]]
    return chosen
