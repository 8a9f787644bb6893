"""Where cells are measured: in this process, in several, or on a Dask cluster; all through joblib."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import joblib

from modelmark.errors import MissingPackageError, UsageError, WorkerDiedError

T = TypeVar("T")


def each(
    work: Callable[[Any], T], items: Sequence[Any], *, jobs: int, dask: str = "", backend: str = "loky"
) -> Iterator[T]:
    """Yield the results of ``work`` on each item as they come.

    Args:
        work: importable by name, with an argument that can be pickled.
        items: what to work on.
        jobs: processes; with ``dask`` the cluster decides.
        dask: address of a Dask scheduler.
        backend: another back end that joblib knows, such as ``ray`` once ``ray.util.joblib.register_ray()`` was called.

    Raises:
        WorkerDiedError: a process died; results that it and others were working on are lost.
    """
    with _backend(dask, backend):
        parallel = joblib.Parallel(n_jobs=-1 if dask else jobs, return_as="generator_unordered", batch_size=1)
        results = parallel(joblib.delayed(work)(item) for item in items)
        try:
            yield from results
        except joblib.externals.loky.process_executor.TerminatedWorkerError as error:
            raise WorkerDiedError(f"a process died: {str(error).splitlines()[0]}") from None
        finally:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # of joblib, about the cells that an error cuts off
                results.close()


@contextmanager
def _backend(dask: str, backend: str) -> Iterator[None]:
    """Have joblib use a back end, or a cluster whose client is closed in the end."""
    if not dask:
        threads = {"inner_max_num_threads": 1} if backend == "loky" else {}
        with joblib.parallel_config(backend=backend, **threads):
            yield
        return
    try:
        from distributed import Client
    except ImportError:
        raise MissingPackageError("expected Dask to be installed", hint="pip install 'modelmark[dask]'") from None
    try:
        client = Client(dask, timeout=10)
    except (OSError, ValueError) as error:
        raise UsageError(f"expected a Dask scheduler at {dask}, got: {error}"[:300]) from None
    with client, joblib.parallel_config(backend="dask"):
        yield
