"""Audits: rows that are right, runs that go on after being killed, cells that die alone."""

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from modelmark.attacks.detection.weight_statistics import WeightStatistics
from modelmark.audit import measure as measures
from modelmark.audit import prepare
from modelmark.audit.grid import Entry
from modelmark.audit.measure import blank, measure
from modelmark.audit.prepare import Bench
from modelmark.audit.result import INDEPENDENT, parse, read
from modelmark.audit.run import cells, run
from modelmark.errors import MalformedError, UsageError
from modelmark.report.parts import parts
from modelmark.report.rows import load

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from hostile_attacks import GRID  # noqa: E402

PLAIN = replace(
    GRID, attacks=tuple(Entry(name) for name in ("prune", "noise", "permute", "finetune", "overwrite", "collude"))
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("audit")


@pytest.fixture(scope="module")
def results(folder):
    return run(PLAIN, folder / "rows.jsonl")


def test_rows_say_what_happened(results, folder):
    rows = {result.attack: result for result in results}
    assert list(rows) == [INDEPENDENT, *(entry.name for entry in PLAIN.attacks)]
    assert all(result.status == "done" for result in results), [result.reason for result in results]
    assert all(result.marked["verdict"] == "established" for result in results)
    assert rows["permute"].accuracy.after == rows["permute"].accuracy.marked
    assert rows["permute"].removed is False  # read aligned
    assert rows["permute"].after["charges"][-1]["reason"] == "8 readings tried"
    assert rows["overwrite"].thief["evidence"]["trials"] == 256
    assert rows["prune"].thief["share"] == pytest.approx(0.3, abs=0.01)
    assert rows["finetune"].cost.cpu_s > 0 < rows["finetune"].cost.training_cpu_s
    assert json.loads(rows["prune"].line())["versions"]["torch"]


def test_a_network_of_the_same_make_is_read_first_and_is_of_another_seed(results, folder):
    first = results[0]
    assert (first.kind, first.attack, first.settings) == (INDEPENDENT, INDEPENDENT, {})
    assert (first.marked["verdict"], first.after["verdict"]) == ("established", "not established")
    assert first.after["root"] == first.marked["root"]
    assert (first.removed, first.lost, first.succeeded, first.cost) == (None, None, None, None)  # nothing was stolen
    bench = Bench(PLAIN, 0, folder / "rows.jsonl.nets" / PLAIN.setup)
    assert not torch.equal(flat(bench.independent), flat(bench.host))
    assert abs(first.accuracy.after - first.accuracy.host) < 0.1
    assert bench.independent.state_dict().keys() == bench.host.state_dict().keys()


def test_a_file_from_before_that_network_was_read_is_gone_on_with(results, folder, tmp_path):
    output = beside(folder, tmp_path)
    output.write_text("".join(row.line() + "\n" for row in results[1:]))
    assert run(PLAIN, output) == [*results[1:], replace(results[0], started=read(output)[0][-1].started)]


def test_a_second_run_measures_nothing(results, folder):
    before = (folder / "rows.jsonl").read_bytes()
    assert run(PLAIN, folder / "rows.jsonl") == results
    assert (folder / "rows.jsonl").read_bytes() == before


def test_the_same_seed_gives_the_same_row(results, folder):
    bench = Bench(PLAIN, 0, next((folder / "rows.jsonl.nets").iterdir()))
    again = measure(bench, cells(PLAIN)[1])
    first = results[1]
    assert (again.after, again.accuracy) == (first.after, first.accuracy)


def test_what_cells_share_is_measured_once(folder, results, tmp_path, monkeypatch):
    """Also by a second process: what was measured lies beside the networks."""
    grid = replace(
        PLAIN,
        attacks=tuple(Entry(name) for name in ("prune", "noise", "permute", "weight-statistics", "query-statistics")),
    )
    made, read_, detected = [], [], []
    monkeypatch.setattr(prepare, "keygen", counting(prepare.keygen, made))
    monkeypatch.setattr(measures, "_read", counting(measures._read, read_))
    monkeypatch.setattr(WeightStatistics, "__call__", counting(WeightStatistics.__call__, detected))
    output = beside(folder, tmp_path)
    found = run(grid, output, backend="threading")
    assert (len(made), len(read_), len(detected)) == (1, 4, 2)
    output.unlink()
    again = run(grid, output, backend="threading")
    assert (len(made), len(read_), len(detected)) == (1, 8, 3)  # the process kept the key
    told = [[(row.accuracy, row.marked, row.after, row.finding) for row in rows] for rows in (found, again)]
    assert told[0] == told[1]
    assert [row.marked for row in found] == [results[0].marked] * 6


def counting(function, calls):
    """Return ``function``, which notes that it was called."""

    def counted(*given, **options):
        calls.append(given)
        return function(*given, **options)

    return counted


def test_a_mark_that_does_not_go_in_is_a_refusal(folder):
    grid = replace(PLAIN, schemes=(Entry("uchida", ({"bits": 100_000, "layer": "fc2"},)),), attacks=(Entry("prune"),))
    _, result = run(grid, folder / "refused.jsonl")
    assert result.status == "refused"
    assert "100000" in result.reason
    assert result.removed is None


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that can be killed")
def test_a_cell_that_dies_is_reported_and_stops_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    rows = {result.attack: result for result in run(GRID, tmp_path / "rows.jsonl", jobs=2)}
    assert len(rows) == 6
    assert rows["hostile_attacks:Dies"].status == "failed"
    assert "killed" in rows["hostile_attacks:Dies"].reason
    assert rows["hostile_attacks:Breaks"].reason == "ZeroDivisionError: by mistake"
    assert {rows[name].status for name in ("prune", "noise", "permute")} == {"done"}


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that can be killed")
def test_a_network_whose_training_dies_fails_its_own_cells_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    schemes = (Entry("hostile_attacks:Fatal", GRID.schemes[0].strengths), *GRID.schemes)
    grid = replace(GRID, schemes=schemes, attacks=(Entry("prune"), Entry("noise")))
    rows = run(grid, tmp_path / "rows.jsonl", jobs=2)
    assert {(row.scheme, row.status) for row in rows} == {("uchida", "done"), ("hostile_attacks:Fatal", "failed")}
    assert all("killed" in row.reason for row in rows if row.status == "failed")
    assert len(rows) == 6


@pytest.mark.slow
def test_killed_at_random_moments_it_goes_on(tmp_path):
    """Each start gets a little further; nothing that was in the file is lost or measured twice."""
    output, grid = tmp_path / "rows.jsonl", tmp_path / "grid.toml"
    grid.write_text(
        'arch = "mlp"\nepochs = 2\nschemes = { uchida = { layer = "fc2", bits = 160, strength = 0.3 } }\nsweep = true\n'
        'attacks = ["prune", "noise", "permute", "finetune"]\n'
    )
    command = [sys.executable, "-m", "modelmark", "audit", str(grid), "-o", str(output), "--jobs", "1"]
    chance, seen = random.Random(7), []
    for _ in range(4):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(2, 7))
        process.send_signal(signal.SIGKILL)
        process.wait()
        if output.exists():
            whole = [parse(line.decode()) for line in output.read_bytes().split(b"\n")[:-1]]
            assert whole[: len(seen)] == seen
            seen = whole
    subprocess.run(command, check=True, capture_output=True)
    results, whole = read(output)
    assert whole == output.stat().st_size
    assert [parse(line) for line in output.read_text().splitlines()] == results  # no cell twice
    assert results[: len(seen)] == seen
    assert len(results) == 1 + 5 + 5 + 1 + 5


def test_a_full_disk_is_one_line_and_keeps_the_rows(results, folder, tmp_path):
    output = tmp_path / "rows.jsonl"
    output.write_bytes((folder / "rows.jsonl").read_bytes())
    os.symlink(folder / "rows.jsonl.nets", tmp_path / "rows.jsonl.nets")
    before = read(output)[0]
    grid = replace(PLAIN, attacks=(*PLAIN.attacks, Entry("rescale"), Entry("flip"), Entry("dummy")))
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (output.stat().st_size + 300, limit[1]))
    try:
        with pytest.raises(UsageError, match="to write a row"):
            run(grid, output)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, handler)
    assert read(output)[0] == before
    assert len(run(grid, output)) == len(before) + len(grid.attacks) - len(PLAIN.attacks)


def test_what_is_no_file_of_results_is_left_alone(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("dear diary\n")
    with pytest.raises(Exception, match="line 1"):
        run(PLAIN, path)
    assert path.read_text() == "dear diary\n"


@pytest.mark.parametrize(
    "content", ['{"payload":"a signed claim in one line"}', "x", "[core]", '{"type": "modelmark.key"']
)
def test_a_file_of_one_line_without_an_end_is_no_torn_row(content, tmp_path):
    path = tmp_path / "owner.claim"
    path.write_text(content)
    with pytest.raises(MalformedError, match="something else"):
        run(PLAIN, path)
    assert path.read_text() == content
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("processes", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_on_a_cluster(processes, results, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    distributed = pytest.importorskip("distributed", reason="needs the extra 'dask'")
    output = tmp_path / "rows.jsonl"
    os.symlink(folder / "rows.jsonl.nets", tmp_path / "rows.jsonl.nets")
    grid = replace(PLAIN, attacks=PLAIN.attacks[:3])
    workers = {"n_workers": 1, "threads_per_worker": 1, "processes": processes}
    with distributed.LocalCluster(**workers, dashboard_address=None) as cluster:
        found = run(grid, output, dask=cluster.scheduler_address)
    expected = {result.attack: result for result in results}
    assert {result.attack: result.after for result in found} == {
        name: expected[name].after for name in (INDEPENDENT, *(entry.name for entry in grid.attacks))
    }


def test_another_back_end_gives_the_same_rows(results, folder, tmp_path):
    os.symlink(folder / "rows.jsonl.nets", tmp_path / "rows.jsonl.nets")
    grid = replace(PLAIN, attacks=PLAIN.attacks[:1])
    [first, second] = run(grid, tmp_path / "rows.jsonl", jobs=1, backend="threading")
    assert [first.after, second.after] == [results[0].after, results[1].after]


def test_a_cell_is_told_apart_by_everything_that_was_set():
    cell = cells(PLAIN)[1]
    others = [
        replace(cell, attack="noise"),
        replace(cell, settings={"amount": 0.1}),
        replace(cell, seed=1),
        replace(cell, payload=1),
        replace(cell, scheme=Entry("adi")),
        replace(cell, scheme=Entry("uchida", ({"bits": 128},))),
    ]
    changes = {"data": "idx:mnist", "arch": "cnn", "thief": 0.4, "most": 5, "epochs": 3, "owner": 9}
    places = [blank(one, PLAIN).cell for one in (cell, *others)]
    places += [blank(cell, replace(PLAIN, **{name: value})).cell for name, value in changes.items()]
    assert len(set(places)) == 13
    assert blank(replace(cell, strength=3), PLAIN).cell == places[0]  # its number is no setting


def test_what_was_measured_without_a_control_is_measured_again_where_one_is_asked_for(results, folder, tmp_path):
    output = beside(folder, tmp_path)
    shutil.copy(folder / "rows.jsonl", output)
    grid = replace(PLAIN, attacks=(Entry("prune"), Entry("collude")), control=True, payloads=2)
    rows = {(row.attack, row.payload): row for row in run(grid, output, jobs=1)}
    assert {place for place, row in rows.items() if row.control} == {("prune", 0), ("prune", 1)}
    for row in (rows["prune", 0], rows["prune", 1]):
        assert (row.marked["verdict"], row.after["verdict"]) == ("established", "established")
        assert {name: reading["verdict"] for name, reading in row.control.items()} == dict.fromkeys(
            ("host", "after"), "not established"
        )
        assert {reading["root"] for reading in row.control.values()} == {row.marked["root"]}
    assert rows["prune", 0].marked["root"] != rows["prune", 1].marked["root"]  # a key of its own
    lines = output.read_bytes().count(b"\n")
    assert lines == len(results) + 3  # and another key in the network of another seed
    run(grid, output, jobs=1)
    assert output.read_bytes().count(b"\n") == lines


def test_payloads_beyond_the_first_meet_what_can_be_done_to_an_unmarked_network_too():
    grid = replace(PLAIN, payloads=3)
    assert {name: sum(cell.attack == name for cell in cells(grid)) for name in ("prune", "collude", INDEPENDENT)} == {
        INDEPENDENT: 3,
        "prune": 3,
        "collude": 1,
    }
    with pytest.raises(UsageError, match="expected at least one payload, got 0"):
        replace(PLAIN, payloads=0)


def test_colluders_get_as_many_copies_as_they_ask_for_and_mergers_the_base_of_all(folder, results):
    bench = Bench(PLAIN, 0, folder / "rows.jsonl.nets" / PLAIN.setup)
    (scheme,) = PLAIN.scheme_entries()
    row = measure(bench, measures.Cell(scheme, "collude", {"copies": 3}, 0, 0))
    assert (row.status, row.reason) == ("done", "")
    copies = sorted(path.name[-len("0.safetensors") :] for path in bench.folder.glob("*uchida*.safetensors"))
    assert copies == ["0.safetensors", "1.safetensors", "2.safetensors"]
    row = measure(bench, measures.Cell(scheme, "rebase", {"how": "shrink", "keep": 0.5}, 0, 0))
    assert (row.status, row.reason) == ("done", "")
    start, base, host = (flat(model) for model in (bench.fresh(), bench.base, bench.host))
    assert not torch.equal(base, host)
    assert (start - base).norm() < (start - host).norm()


def test_a_spread_mark_goes_in_without_training(folder, results):
    bench = Bench(PLAIN, 0, folder / "rows.jsonl.nets" / PLAIN.setup)
    marked, host = bench.marked(Entry("spread")).model.state_dict(), bench.host.state_dict()
    assert {name for name, value in marked.items() if not torch.equal(value, host[name])} == {
        "fc1.weight",
        "fc2.weight",
    }


def flat(model):
    return torch.cat([value.flatten() for value in model.parameters()]).detach()


def beside(folder, tmp_path):
    """A new file of results beside the networks of those in ``folder``."""
    os.symlink(folder / "rows.jsonl.nets", tmp_path / "rows.jsonl.nets")
    return tmp_path / "rows.jsonl"


def test_a_cell_named_twice_is_measured_once(results, folder, tmp_path):
    output = beside(folder, tmp_path)
    grid = replace(PLAIN, attacks=(Entry("prune"), Entry("permute"), Entry("prune", ({}, {}))))
    steps = []
    found = run(grid, output, watch=steps.append)
    assert [result.attack for result in found] == [INDEPENDENT, "prune", "permute"]
    assert len(output.read_bytes().splitlines()) == 3
    assert (steps[-1].done, steps[-1].total) == (3, 3)


def test_a_number_that_is_none_fails_its_cell_alone(results, folder, tmp_path):
    grid = replace(PLAIN, attacks=(Entry("hostile_attacks:Mumbles"), Entry("prune")))
    _, failed, done = run(grid, beside(folder, tmp_path))
    assert (failed.status, done.status) == ("failed", "done")
    assert failed.reason.startswith("ValueError: Out of range float")
    assert failed.marked == done.marked


def unmarked_alone(folder, nets):
    """Give a folder the unmarked networks of the one in ``folder``, and nothing else."""
    nets.mkdir(parents=True)
    for name in ("host", INDEPENDENT):
        for path in (folder / "rows.jsonl.nets" / PLAIN.setup).glob(f"seed0-{name}.*"):
            shutil.copy(path, nets)
    return nets


def left_unmarked(host, *_, **__):
    """Stand in for ``embed``, at once."""
    return SimpleNamespace(model=host)


def test_an_embedding_that_breaks_fails_its_cells_alone_and_is_tried_again(results, folder, tmp_path, monkeypatch):
    def breaks(*_, **__):
        raise ZeroDivisionError("by mistake")

    grid, output = replace(PLAIN, attacks=PLAIN.attacks[:2]), tmp_path / "rows.jsonl"
    unmarked_alone(folder, tmp_path / "rows.jsonl.nets" / PLAIN.setup)
    monkeypatch.setattr(prepare, "embed", breaks)
    found = run(grid, output, backend="threading")
    assert [result.reason for result in found] == ["ZeroDivisionError: by mistake"] * 3
    monkeypatch.setattr(prepare, "embed", left_unmarked)
    assert [result.status for result in run(grid, output, backend="threading", retry=True)] == ["done"] * 3


def test_a_network_that_cannot_be_kept_is_no_lasting_refusal(results, folder, tmp_path, monkeypatch):
    def full(*_):
        raise UsageError("no space left")

    bench = Bench(PLAIN, 0, unmarked_alone(folder, tmp_path / "nets"))
    monkeypatch.setattr(prepare, "embed", left_unmarked)
    with monkeypatch.context() as patched:
        patched.setattr(prepare.weights, "save", full)
        with pytest.raises(UsageError, match="no space"):
            bench.marked(PLAIN.schemes[0])
    assert not list(tmp_path.rglob("*.refused"))
    bench.marked(PLAIN.schemes[0])


def test_a_missing_package_is_a_failure_that_is_tried_again(results, folder, tmp_path, monkeypatch):
    pytest.importorskip("torchao", reason="needs the extra 'attacks'")
    grid, output = replace(PLAIN, attacks=(Entry("int8"),)), beside(folder, tmp_path)
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "torchao.quantization", None)
        _, found = run(grid, output, backend="threading")
    assert (found.status, found.reason) == (
        "failed", "expected torchao to be installed: pip install 'modelmark[attacks]'",
    )  # fmt: skip
    assert [result.status for result in run(grid, output, retry=True)] == ["done"] * 2


def test_two_audits_do_not_write_one_file(results, folder, tmp_path):
    fcntl = pytest.importorskip("fcntl")
    output = beside(folder, tmp_path)
    with output.open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(UsageError, match="for this audit alone, another one is writing it"):
            run(PLAIN, output)
    assert len(run(replace(PLAIN, attacks=PLAIN.attacks[:1]), output)) >= 1


def test_rows_say_what_their_setup_stands_for(results):
    assert {json.dumps(dict(result.limits)) for result in results} == {json.dumps(PLAIN.limits)}
    assert replace(PLAIN, most=PLAIN.most + 1).setup != PLAIN.setup


def test_marks_go_in_as_the_grid_says_and_rows_of_both_ways_never_meet(results, folder, tmp_path):
    """Settled, a mark ends at its margin; a whole recipe goes on."""
    grid, output = replace(PLAIN, recipe="default", attacks=(Entry("prune"),)), tmp_path / "rows.jsonl"
    nets = [place / "rows.jsonl.nets" / made.setup for place, made in ((folder, PLAIN), (tmp_path, grid))]
    shutil.copytree(nets[0], nets[1], ignore=lambda _, names: [name for name in names if "uchida" in name])
    found = run(grid, output)
    assert [row.status for row in found] == ["done"] * 2
    assert {row.recipe for row in read(output)[0]} == {"default"}
    assert not {row.setup for row in found} & {row.setup for row in results}
    assert found[0].marked["verdict"] == "established"
    trained, settled = (min(margins(place, made)) for place, made in zip(nets, (PLAIN, grid), strict=True))
    assert 0 < settled < trained
    (part,) = parts(load([output]).rows)
    assert part.limits.endswith("recipe default")


def margins(nets, grid):
    marked = Bench(grid, 0, nets).marked(grid.schemes[0])
    return marked.mark.margins(marked.model).tolist()


def test_a_row_of_the_whole_recipe_says_no_more_than_before(results):
    assert "recipe" not in json.loads(results[0].line())
    assert parse(results[0].line()).recipe == PLAIN.recipe
