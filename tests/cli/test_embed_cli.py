"""``embed`` as typed: marked in seconds or short of it, what is kept, what a log hears, and what may be asked for."""

import pytest

from modelmark.cli.checkpoint import Checkpoint
from modelmark.cli.progress import Lines
from modelmark.training.loop import Progress

SHORT = ("--release", "adi", "--epochs", 1, "--rounds", 1)  # a paper's recipe settles nothing


def test_a_trained_model_is_marked_without_an_epoch(run, story, tmp_path):
    out = tmp_path / "m.safetensors"
    ran = run("embed", story / "uchida.key", "--weights", story / "host.safetensors", "-o", out)
    assert ran.status == 0, ran
    assert "as many epochs as it takes, perhaps none; from host.safetensors" in ran.err
    assert "after 0 epochs of the whole network" in ran.err
    assert run("verify", story / "uchida.key", "--weights", out).status == 0


def test_what_is_short_of_its_margin_is_written_where_that_is_asked_for(run, story, tmp_path):
    out = tmp_path / "m.safetensors"
    ran = run("embed", story / "adi.key", *SHORT, "-o", out)
    assert (ran.status, out.exists()) == (1, False)
    assert "; test accuracy " in ran.err
    assert "1 epoch of batch" in ran.err
    assert "after 1 round of 1 epoch, got" in ran.err
    assert "--keep" in ran.err
    ran = run("embed", story / "adi.key", *SHORT, "--keep", "-o", out)
    assert (ran.status, out.exists()) == (1, True)
    assert "short of it)" in ran.err
    assert "test accuracy" in ran.err
    assert "got fewer; written all the same (--keep)" in ran.err
    assert run("verify", story / "adi.key", "--weights", out).status == 1


@pytest.mark.parametrize("command", [("demo",), ("embed", "a.key"), ("rehearse", "host.safetensors")])
def test_epochs_have_a_bound(command, run, tmp_path):
    ran = run(*command, "--epochs", 99999999999999999999, "-o", tmp_path / "out")
    assert (ran.status, "--epochs" in ran.err) == (2, True), ran


def test_suspects_have_a_bound(run, story):
    ran = run("verify", story / "adi.key", "--weights", story / "host.safetensors", "--suspects", 99999999999999999999)
    assert (ran.status, "--suspects" in ran.err) == (2, True), ran


@pytest.mark.parametrize(
    ("ended", "way"), [(False, "begins anew: no whole epoch was done"), (True, "goes on from the last whole epoch")]
)
def test_an_interruption_says_whether_an_epoch_is_kept(ended, way, tmp_path):
    checkpoint = Checkpoint.beside(tmp_path / "m.safetensors", "run")
    checkpoint.keep(0, Progress(1, 2, ended, dict))
    assert checkpoint.way_on == way


@pytest.fixture
def log(capsys):
    """What a log hears of steps that take a second each."""

    def heard(*steps, seconds=1, runs=""):
        now = iter(range(0, 10**6, seconds))
        lines = Lines("embedding", lambda: next(now), runs=runs)
        for step in steps:
            lines(*step)
        return capsys.readouterr().err.splitlines()

    return heard


def test_a_log_has_a_line_each_tenth_and_an_estimate_with_the_first(log):
    heard = log(*((done, 200) for done in range(1, 201)))
    assert heard[0] == "modelmark: embedding: 3 %, about 194 s left".replace("194 s", "3 min")
    assert [line.split(",")[0].split()[-2] for line in heard[1:]] == [str(tenth) for tenth in range(10, 101, 10)]


def test_what_is_over_soon_says_nothing(log):
    assert log(*((done, 4) for done in range(1, 5))) == []


def test_another_round_begins_anew_and_says_which_it_is(log):
    steps = [(done, 30) for done in range(1, 31)]
    once, twice = log(*steps, runs="round"), log(*steps, *steps, runs="round")
    assert len(twice) == 2 * len(once)
    assert twice[len(once) :] == [line.replace("round 1", "round 2") for line in once]
    assert all("left of it" in line for line in once[:-1])
    assert once[-1] == "modelmark: embedding, round 1: 100 %"  # what is done has no time left
    gone_on = log(*((done, 30, 4) for done in range(11, 31)), runs="round")
    assert all(line.startswith("modelmark: embedding, round 4: ") for line in gone_on)


def test_hours_are_said_as_such(log):
    assert "about 2.7 h left" in log(*((done, 100) for done in range(1, 4)), seconds=100)[-1]
