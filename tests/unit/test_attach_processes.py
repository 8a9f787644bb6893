"""``Mark.attach`` where two processes train one model: copies (DDP), and pieces (``fully_shard``), against one process.

What is equal is said test by test: bytes of all processes; of pieces put together, where nothing is summed in another order;
else weights to a few last digits, and every bit read.
"""

import copy
from functools import partial

import numpy as np
import pytest
import torch
from torch import distributed, nn
from torch.nn.functional import cross_entropy

import gloo
from modelmark.errors import MismatchError, UsageError
from modelmark.feeds.pictures import PictureFeed
from modelmark.key.secret import Secret
from modelmark.marks.keys import keygen
from modelmark.networks import layers, shards
from modelmark.schemes.spread import Spread
from modelmark.schemes.uchida import Uchida
from modelmark.seeding import seeded
from modelmark.suspects.module import WhiteBox
from modelmark.suspects.places import LAYOUTS, Layout

FEED, SECRET = PictureFeed((1, 8, 8), tuple("0123456789")), Secret(bytes(range(32)))
STEPS, LAYER = 4, "3"
ROWS, TURNED, EXPERTS = (
    Layout("weight", "linear"),
    Layout("weight", "linear", axis=1),
    Layout("weight", "expert", stacked=1),
)
WEIGHTS = {  # shape, how it holds filters, along which axis it is cut on each side of a mesh of 1 x 2
    "rows": ((5, 8), ROWS, (None, 0)),
    "one row": ((1, 8), ROWS, (None, 0)),
    "columns": ((5, 7), ROWS, (None, 1)),
    "both": ((5, 7), ROWS, (1, 0)),
    "whole": ((5, 7), ROWS, (None, None)),
    "kernels": ((6, 3, 3, 3), LAYOUTS["torch.nn.modules.conv.Conv2d"][0], (None, 0)),
    "channels": ((6, 3, 3, 3), LAYOUTS["torch.nn.modules.conv.Conv2d"][0], (None, 1)),
    "turned": ((8, 5), TURNED, (None, 0)),
    "turned columns": ((8, 5), TURNED, (None, 1)),
    "experts": ((3, 4, 6), EXPERTS, (None, 0)),
    "experts' columns": ((3, 4, 6), EXPERTS, (None, 2)),
}  # fmt: skip


def net(filters=25):
    with seeded(0):
        return nn.Sequential(
            nn.Flatten(), nn.Linear(64, 320), nn.ReLU(), nn.Linear(320, filters), nn.ReLU(), nn.Linear(filters, 10)
        )


def mark_of(scheme, filters=25):
    return keygen(scheme, net(filters), FEED, secret=SECRET).mark()


def batches():
    generator = torch.Generator().manual_seed(1)
    return [
        (torch.randn(12, 1, 8, 8, generator=generator), torch.randint(10, (12,), generator=generator))
        for _ in range(STEPS)
    ]


def train(model, optimizer, rank=0, of=1, accumulate=1):
    for x, y in batches():
        mine = x[rank::of], y[rank::of]
        for part in range(accumulate):
            if accumulate > 1:
                model.set_requires_gradient_sync(part == accumulate - 1)
            (cross_entropy(model(mine[0][part::accumulate]), mine[1][part::accumulate]) / accumulate).backward()
        optimizer.step()
        optimizer.zero_grad()


def alone(mark, filters=25):
    model = net(filters)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    with mark.attach(optimizer, model):
        train(model, optimizer)
    return model


def sharded(filters=25):
    from torch.distributed.fsdp import fully_shard

    model = net(filters)
    fully_shard(model[3])
    return fully_shard(model)


def whole(model):
    return {name: value.full_tensor() for name, value in model.state_dict().items()}


def copies(rank):
    """DDP, attached before it wraps the model."""
    model, mark = net(), mark_of(Uchida())
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    handle = mark.attach(optimizer, model)
    train(nn.parallel.DistributedDataParallel(model), optimizer, rank, 2)
    return {"steps": handle.steps, "weights": model.state_dict(), "margins": handle.margins()}


def pieces(rank, filters=25, accumulate=1):
    """FSDP2; how much travelled for a look and for a step is counted."""
    from torch.distributed.tensor.debug import CommDebugMode

    model, mark = sharded(filters), mark_of(Uchida(layer=LAYER), filters)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    handle = mark.attach(optimizer, model)
    train(model, optimizer, rank, 2, accumulate)
    model(batches()[0][0])  # an evaluation leaves gathered weights behind, which no step will ever see
    with CommDebugMode() as counted:
        margins = handle.margins()
        handle._adding.add(optimizer)
    travelled = {getattr(op, "__name__", str(op)): count for op, count in counted.get_comm_counts().items()}
    here = model[3].weight.to_local().shape[0]
    return {"steps": handle.steps, "weights": whole(model), "margins": margins, "travelled": travelled, "here": here}


def pushed(rank):
    """FSDP2 and a mark that is pushed at the end."""
    model, mark = sharded(), mark_of(Spread())
    model(batches()[0][0])
    handle = mark.attach(torch.optim.SGD(model.parameters(), lr=0.1), model)
    reach = handle.finish()
    return {"done": reach.done, "weights": whole(model), "margins": handle.margins()}


def layouts(rank):
    """Every way to hold and to cut filters."""
    from torch.distributed.tensor import Replicate, Shard, distribute_tensor, init_device_mesh

    mesh, found = init_device_mesh("cpu", (1, 2)), {}
    for name, (shape, layout, axes) in WEIGHTS.items():
        placements = [Replicate() if axis is None else Shard(axis) for axis in axes]
        with seeded(0):
            tensor, filters, width = torch.randn(shape), layout.size(shape)[0], int(np.prod(layout.size(shape)[1]))
            added, new = torch.randn(width), torch.randn(filters - 1, width)
        cut, changed = (distribute_tensor(tensor.clone(), mesh, placements) for _ in range(2))
        part = slice(1, filters)
        found[name] = {
            "mean": shards.mean(cut, layout),
            "rows": shards.rows(cut, layout, part),
            "middle": shards.rows(cut, layout, slice(filters // 2, filters // 2 + 1)),
        }
        shards.put(changed, layout, part, new)
        shards.add(cut, added, layout)
        found[name] |= {"added": cut.full_tensor(), "put": changed.full_tensor()}
    return found


def refusals(rank):
    """What cannot be done, by name."""
    from torch.distributed.fsdp import FullyShardedDataParallel, fully_shard

    mark, found = mark_of(Uchida(layer=LAYER)), {}
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    handle = mark.attach(optimizer, model)
    fully_shard(model)
    with pytest.raises(UsageError) as told:
        train(model, optimizer)
    found["made before"] = str(told.value)
    handle.remove()
    with pytest.raises(UsageError) as told:
        mark.hooks(model).loss(torch.zeros(()), model, *batches()[0], None)
    found["in the loss"] = str(told.value)
    with pytest.raises(MismatchError) as told:
        mark.evidence(WhiteBox(model))
    found["evidence"] = str(told.value)
    flat = FullyShardedDataParallel(net(), device_id=torch.device("cpu"))
    with pytest.raises(UsageError) as told:
        mark.attach(torch.optim.SGD(flat.parameters(), lr=0.1), flat)
    found["flat"] = str(told.value)
    return found


def everything(rank):
    found = {}
    for work in (
        copies, pieces, partial(pieces, filters=1), partial(pieces, accumulate=2), pushed, layouts, refusals
    ):  # fmt: skip
        given = work.keywords if isinstance(work, partial) else {}
        name = " ".join([getattr(work, "func", work).__name__, *(f"{k}={v}" for k, v in given.items())])
        found[name] = work(rank)
        distributed.barrier()
    return found


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return gloo.run(everything, tmp_path_factory.mktemp("gloo"))


def same(a, b):
    return all(map(torch.equal, a.values(), b.values()))


def nearly(a, b):
    return all(torch.allclose(a[name], b[name], rtol=1e-3, atol=2e-5) for name in b)


@pytest.mark.parametrize("name", ["copies", "pieces", "pieces filters=1", "pieces accumulate=2"])
def test_two_processes_train_what_one_trains(made, name):
    filters = 1 if "filters" in name else 25
    mark = mark_of(Uchida(layer=LAYER), filters)
    one, (first, second) = alone(mark, filters), (each[name] for each in made)
    assert same(first["weights"], second["weights"])
    assert torch.equal(first["margins"], second["margins"])
    assert first["steps"] == second["steps"] == STEPS + ("travelled" in first)
    assert nearly(first["weights"], one.state_dict())
    assert torch.allclose(first["margins"].float(), mark.margins(one), atol=1e-4)
    unmarked = net(filters)
    train(unmarked, torch.optim.AdamW(unmarked.parameters(), lr=1e-2))
    assert not nearly(first["weights"], unmarked.state_dict())


def test_the_evidence_is_that_of_one_process(made):
    mark = mark_of(Uchida(layer=LAYER))
    one = mark.evidence(WhiteBox(alone(mark)))
    for name in ("copies", "pieces", "pieces accumulate=2"):
        model = net()
        model.load_state_dict(made[0][name]["weights"])
        two = mark.evidence(WhiteBox(model))
        assert (two.matches, two.trials, two.net_bits) == (one.matches, one.trials, one.net_bits), name


def test_rows_are_uneven_and_one_process_may_have_none(made):
    assert [each["pieces"]["here"] for each in made] == [13, 12]
    assert [each["pieces filters=1"]["here"] for each in made] == [1, 0]


def test_a_vector_travels_and_no_weight(made):
    """Two sums: one for the margins, one for the slope. Gathering would show as another collective."""
    for each in made:
        assert list(each["pieces"]["travelled"].values()) == [2]
        assert "allreduce" in "".join(each["pieces"]["travelled"]).replace("_", "")


def test_pieces_are_pushed_to_the_bytes_of_the_whole(made):
    mark, one = mark_of(Spread()), net()
    mark.hooks(one).finish(one)
    for each in made:
        assert each["pushed"]["done"]
        assert same(each["pushed"]["weights"], one.state_dict())
        assert torch.equal(each["pushed"]["margins"], mark.margins(one))


@pytest.mark.parametrize("name", WEIGHTS)
def test_every_cut(made, name):
    shape, layout, _ = WEIGHTS[name]
    with seeded(0):
        tensor = torch.randn(shape)
        filters, kernel = layout.size(shape)
        added, new = torch.randn(int(np.prod(kernel))), torch.randn(filters - 1, int(np.prod(kernel)))
    order = layout.order(len(shape))
    rows = tensor.permute(order).reshape(filters, -1)
    inverse = [order.index(axis) for axis in range(len(shape))]

    def back(rows):
        return rows.reshape([shape[axis] for axis in order]).permute(inverse)

    moved = copy.deepcopy(tensor)
    shards.add(moved, added, layout)
    assert torch.equal(moved, back(rows + added))  # a whole tensor, too
    torch.testing.assert_close(shards.mean(tensor, layout), rows.mean(dim=0))
    for each in made:
        found = each["layouts"][name]
        torch.testing.assert_close(found["mean"], rows.mean(dim=0))
        assert torch.equal(found["rows"], rows[1:])
        assert torch.equal(found["middle"], rows[filters // 2][None])
        assert torch.equal(found["added"], moved)
        assert torch.equal(found["put"], back(torch.cat([rows[:1], new])))


def test_what_is_refused_in_pieces(made):
    assert made[0]["refusals"] == {
        "made before": "expected the marked layer among the optimiser's parameters, it is in none of its groups",
        "in the loss": "expected a whole weight for a term of the loss, this one is cut between processes",
        "evidence": "expected whole weights to read, these are cut between processes",
        "flat": "expected weights with their shapes, FSDP1 keeps them flat",
    }
    assert layers.weight(net(), LAYER).shape == (25, 320)
