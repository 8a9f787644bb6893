"""Make the folders beside this one with orbax-checkpoint 0.12.8, jax 0.10.2: ``python make.py``. Not run by the tests."""

import shutil
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

HERE = Path(__file__).parent


def main():
    rng = np.random.default_rng(0)
    conv, dense = (rng.standard_normal(shape).astype(np.float32) for shape in ((3, 3, 4, 8), (8, 6)))
    params = {
        "conv": {"kernel": conv, "bias": np.zeros(8, np.float32)},
        "dense": {"kernel": jnp.asarray(dense, jnp.bfloat16)},
    }
    tree = {"params": params, "opt_state": {"mu": conv}, "step": 3}
    for name, words in (("ocdbt", {}), ("zarr3", {"use_zarr3": True}), ("plain", {"use_ocdbt": False})):
        shutil.rmtree(HERE / name, ignore_errors=True)
        ocp.Checkpointer(ocp.PyTreeCheckpointHandler(**words)).save(HERE / name, tree)
    shutil.rmtree(HERE / "manager", ignore_errors=True)
    with ocp.CheckpointManager(HERE / "manager") as manager:
        manager.save(7, args=ocp.args.StandardSave({"conv": {"kernel": {"value": conv}}}))  # as a state of nnx is
    dense = np.asarray(params["dense"]["kernel"], np.float32)
    np.savez(HERE / "truth.npz", **{"conv": conv.transpose(3, 2, 0, 1), "dense": dense.T})


if __name__ == "__main__":
    main()
