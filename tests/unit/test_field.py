"""``field``: what an edited head answers, what a student of it inherits, what stays with chance; and what cannot be marked."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import fielding
from modelmark import options
from modelmark.carriers.field import CLIP, COUNTED, GRADES, MOST_SIGNS, SCALE, Fields, fault_of
from modelmark.errors import CapacityError, MismatchError, ModelmarkError, NotEmbeddedError, SuspectError, UsageError
from modelmark.evidence.scores import Scores, tail_bits
from modelmark.feeds.floats import FloatFeed
from modelmark.feeds.pictures import PictureFeed
from modelmark.feeds.tokens import TokenFeed
from modelmark.key.secret import Secret
from modelmark.marks import keyfile
from modelmark.marks.embedding import embed, reach
from modelmark.marks.imprinting import imprint
from modelmark.marks.keys import KeyPolicy, keygen
from modelmark.schemes._fielding import principal, shares
from modelmark.schemes.field import Field
from modelmark.seeding import seeded
from modelmark.suspects.base import Ask
from modelmark.suspects.function import BlackBox
from modelmark.suspects.module import WhiteBox, logits
from modelmark.training.loop import fit
from modelmark.training.rehearsing import rehearse
from modelmark.training.task import Task, accuracy

SCHEME = fielding.SCHEME
_SELF = KeyPolicy(self_check=True)


@pytest.fixture(scope="module")
def problem():
    return fielding.problem()


@pytest.fixture(scope="module")
def mark(problem):
    return problem.mark()


@pytest.fixture(scope="module")
def marked(problem, mark):
    return imprint(problem.host, mark)


def state(model):
    return b"".join(tensor.numpy().tobytes() for tensor in model.state_dict().values())


def bits(mark, model):
    return mark.evidence(WhiteBox(model)).gross_bits


def test_a_marked_model_is_established_and_nothing_that_has_no_field(problem, mark, marked):
    reached, before = reach(mark, marked), state(problem.host)
    assert (reached.done, reached.whole) == (True, mark.evidence(WhiteBox(marked)).count)
    assert mark.evidence(WhiteBox(marked)).established
    assert accuracy(problem.host, problem.task) - accuracy(marked, problem.task) <= 0.06
    for model in (problem.host, *problem.students, fit(fielding.network(9), problem.task, fielding.RECIPE, seed=9)):
        assert bits(mark, model) < 12
    wrong = problem.mark(secret=1)
    assert bits(wrong, marked) < 12
    assert bits(wrong, imprint(problem.host, wrong)) > 145
    assert state(problem.host) == before


def test_a_student_of_the_answers_inherits_the_field_and_a_student_of_the_host_has_none(problem, mark, marked):
    assert bits(mark, problem.stolen(marked)) > 40
    assert bits(mark, problem.stolen(problem.host)) < 12


def test_messages_that_were_not_drawn_match_an_unmarked_model_as_coins_do(problem, mark):
    (probe,) = mark.carriers.probes()
    symbols = mark.carriers.symbols(WhiteBox(problem.host).observe(probe)[0])
    coins = np.random.default_rng(0).integers(0, 2, (400, len(symbols)))
    rate = (coins == symbols).mean(axis=1)
    assert abs(rate.mean() - 0.5) < 4 * 0.5 / np.sqrt(coins.size)
    assert abs(rate.std() * np.sqrt(len(symbols)) / 0.5 - 1) < 0.2


def test_what_is_read_through_an_api_is_what_the_network_reads_and_a_refused_query_counts_for_nothing(mark, marked):
    def labels(inputs):
        return logits(marked, inputs).argmax(dim=1)

    assert mark.evidence(BlackBox(labels)).gross_bits == bits(mark, marked)
    found = mark.carriers
    answers = np.arange(len(found.inputs)) % 10
    refused = np.where(np.arange(len(answers)) < 100, -1, answers)
    fewer = replace(
        found, inputs=found.inputs[100:], coordinates=found.coordinates[100:], references=found.references[100:]
    )
    assert np.array_equal(found.sums(refused), fewer.sums(answers[100:]))
    assert np.array_equal(found.sums(np.full(len(answers), -1)), np.zeros(mark.message.size))
    assert (found.symbols(np.full(len(answers), -1)) == -1).all()


def test_embedding_marks_what_training_ends_with_or_says_what_was_reached(problem, mark):
    short = replace(fielding.RECIPE, epochs=1)
    done = embed(problem.host, [mark], problem.task, short, seed=3)
    assert done.reached[0].done
    assert done.rounds == 1
    weak = problem.mark(replace(SCHEME, strength=0.05))
    with pytest.raises(NotEmbeddedError, match=r"field \d+/480 expected signs, [\d.]+ bits \(needs 145\.6\)"):
        embed(problem.host, [weak], problem.task, short, seed=3, rounds=1)


def test_one_seed_gives_the_same_bytes(problem, mark, marked):
    again = SCHEME.prepared(problem.host, problem.task, students=problem.students, pool=problem.pool)
    for name, array in problem.key().attachments.items():
        assert array.tobytes() == again[name].tobytes(), name
    assert state(imprint(problem.host, mark)) == state(marked)
    one, two = (
        rehearse(fielding.network(1), problem.host, problem.task, fielding.RECIPE, seed=seed) for seed in (1, 3)
    )
    assert state(one) == state(problem.students[0])
    assert state(two) != state(one)


def test_a_rehearsal_never_sees_the_owners_labels(problem):
    other = replace(problem.task, train_targets=torch.zeros_like(problem.task.train_targets))
    again = rehearse(fielding.network(1), problem.host, other, fielding.RECIPE, seed=1)
    assert state(again) == state(problem.students[0])


def test_a_key_file_and_an_opening_read_as_the_key_does(problem, mark, marked, tmp_path):
    keyfile.save(mark.key, tmp_path / "f.key", None)
    loaded = keyfile.load(tmp_path / "f.key")
    assert loaded.digest == mark.key.digest
    assert loaded.scheme == mark.key.scheme
    assert state(imprint(problem.host, loaded.mark())) == state(marked)
    own = mark.carriers

    class Public:
        scheme, parameters = "field", {"directions": 48, "queries": 2000}
        carriers, trials, alphabet, feed = 2000, 480, 2, fielding.FEED

    opened = Fields.opened(Public(), dict(enumerate(own.leaves())), {})
    assert opened.edit is None
    (probe,) = opened.probes()
    labels = WhiteBox(marked).observe(probe)[0]
    assert all(map(np.array_equal, opened.every([labels]), own.every([labels])))
    with pytest.raises(UsageError, match="expected the edit of the head in the key, got carriers of an opening"):
        mark.key.scheme.imprint(copy.deepcopy(problem.host), opened, mark.message)
    with pytest.raises(MismatchError, match="expected all 2000 queries"):
        Fields.opened(Public(), dict(enumerate(own.leaves()[:-1])), {})


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16, torch.float64])
def test_a_head_of_coarse_numbers_keeps_its_bits(kind, problem, mark, marked):
    """Each number becomes the nearest: a head of bfloat16 loses 2 of 230 bits, one of float16 none."""
    given = copy.deepcopy(problem.host).to(kind)
    edited = imprint(given, mark)
    assert {parameter.dtype for parameter in edited.parameters()} == {kind}
    wide = copy.deepcopy(edited).float()
    assert bits(mark, wide) > 0.97 * bits(mark, marked)


def test_shares_are_whole_numbers_that_add_up():
    drawn = np.random.default_rng(0).dirichlet(np.full(7, 0.05), 500)
    found = shares(drawn)
    assert (found.astype(int).sum(axis=1) == SCALE).all()
    assert np.abs(found - drawn * SCALE).max() <= 1
    assert fault_of(np.full((1, 2), CLIP + 1, np.int16), found[None, :2]) == f"coordinates of at most {CLIP}"
    assert fault_of(np.zeros((1, 2), np.int16), found[None, :2] + np.uint16(1)) == f"references that add up to {SCALE}"


def test_directions_left_out_are_those_in_which_features_vary():
    rng = np.random.default_rng(0)
    narrow = rng.normal(size=(500, 5)) @ rng.normal(size=(5, 30))
    directions, centre = principal(narrow, None, 64)
    along = (narrow - centre) @ directions.T
    assert directions.shape == (5, 30)
    assert np.allclose(np.cov(along.T), np.eye(5), atol=1e-6)
    assert len(principal(rng.normal(size=(500, 100)), None, 64)[0]) == 64
    with pytest.raises(CapacityError, match="expected 6 directions in which what the head receives varies, found 5"):
        principal(narrow, 6, 64)


@pytest.mark.parametrize(("classes", "directions"), [(10, 64), (256, 64), (1000, 16), (16384, 1)])
def test_no_key_is_made_of_more_signs_than_an_opening_holds(classes, directions):
    """64 directions of 1,000 classes made a key and a mark that no claim would take."""
    feed = PictureFeed((1, 8, 8), tuple(map(str, range(classes))))
    assert Field.most_directions(feed) == directions
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, classes))
    assert Field().for_model(net, feed, {}).directions == directions
    if directions < 64:
        with pytest.raises(CapacityError, match=f"expected at most {MOST_SIGNS} signs, got"):
            Field(directions=directions + 1).for_model(net, feed, {})


def test_a_key_is_warned_of_whose_grades_no_verdict_holds():
    feed = PictureFeed((1, 8, 8), tuple(map(str, range(20))))
    net = nn.Linear(64, 20)
    assert Field(directions=COUNTED // 20).cautions(net, feed, host=True) == []
    (said,) = Field(directions=64).cautions(net, feed, host=True)
    assert said.endswith("--set directions=50")
    for signs, counted in ((COUNTED, True), (4 * COUNTED, False)):
        table = np.zeros((signs, 2), np.int64)
        table[:, 1] = np.random.default_rng(0).integers(0, GRADES + 1, signs) // 2
        assert Scores(table).is_counted == counted


def test_another_draw_tells_what_a_key_comes_to(problem, mark, marked):
    foretold, lost = SCHEME.foretold(problem.host, problem.task, mark.key.attachments)
    found = max(tail_bits(table, table.total(mark.message)).bits for table in mark.read(WhiteBox(marked)).scores)
    assert 0.6 * found < foretold < 1.5 * found
    assert abs(lost - 100 * (accuracy(problem.host, problem.task) - accuracy(marked, problem.task))) < 2


class Scaled(nn.Module):
    """A network whose last linear layer does not give the scores."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(x).flip(1)


def _without_bias(host):
    host[3] = nn.Linear(48, 10, bias=False)
    return host


def _normed(host):
    nn.utils.parametrizations.weight_norm(host[3])
    return host


def _pruned(host):
    nn.utils.prune.l1_unstructured(host[3], "weight", 0.1)
    return host


def _convolved(host):
    return nn.Sequential(nn.Conv2d(1, 10, 8), nn.Flatten())


def _broken(host):
    host[3].bias.data[0] = torch.nan
    return host


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        (_without_bias, UsageError, "expected a linear head with a bias to edit, 3 is Linear without one"),
        (_normed, UsageError, "expected a head with a weight of its own to edit, that of 3 is computed from others"),
        (_pruned, UsageError, "expected a head with a weight of its own to edit, that of 3 is computed from others"),
        (_convolved, UsageError, "expected a linear head with a bias to edit, 0 is Conv2d"),
        (_broken, SuspectError, "expected finite scores from host and rehearsals, got NaN or infinity"),
        (Scaled, UsageError, "expected a head whose outputs are the scores, those of network.3 are changed behind it"),
    ],
)
def test_hosts_whose_head_cannot_be_edited_are_refused_in_one_line(change, error, says, problem):
    host = change(copy.deepcopy(problem.host))
    with pytest.raises(error) as refused:
        keygen(
            SCHEME,
            host,
            fielding.FEED,
            task=problem.task,
            attachments=SCHEME.prepared(host, problem.task, pool=problem.pool),
        )
    assert str(refused.value) == says


def test_what_is_not_the_host_is_refused_by_its_head(problem, mark):
    for width, classes, says in (
        (40, 10, "a head that receives 48 numbers, got 40"),
        (48, 7, "a head of 10 classes, got 7"),
    ):
        other = nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, classes))
        with pytest.raises(MismatchError, match=says):
            imprint(other, mark)
    twin = nn.DataParallel(copy.deepcopy(problem.host))
    assert state(imprint(twin, mark).module) == state(imprint(problem.host, mark))


def test_a_head_that_is_cut_into_pieces_is_refused(problem, mark, monkeypatch):
    monkeypatch.setattr("modelmark.schemes._field_head.shards.is_cut", lambda tensor: tensor.shape == (10, 48))
    with pytest.raises(UsageError, match="expected a head that is whole, that of 3 is cut into pieces"):
        imprint(problem.host, mark)


def _prepared(problem, scheme=SCHEME, **options):
    return scheme.prepared(problem.host, problem.task, students=problem.students, **{"pool": problem.pool} | options)


def _answered(problem):
    """The data with what the host answers as labels, of which any change is a loss."""
    told = [WhiteBox(problem.host).observe(Ask(fielding.FEED, problem.task.test_inputs.numpy()))[0]]
    return replace(problem.task, test_labels=torch.from_numpy(told[0]))


@pytest.mark.parametrize(
    ("attempt", "error", "says"),
    [
        (lambda p: _prepared(p, pool=p.pool[:500]), CapacityError, "expected at least 2000 ordinary inputs to choose"),
        (lambda p: _prepared(p, replace(SCHEME, directions=49)), CapacityError, "expected 49 directions in which"),
        (
            lambda p: replace(SCHEME, queries=500, lose=1e-9).prepared(p.host, _answered(p)),
            UsageError,
            "even the weakest costs more",
        ),
        (
            lambda p: keygen(SCHEME, p.host, fielding.FEED),
            UsageError,
            "expected data to take directions and queries from",
        ),
        (
            lambda p: keygen(replace(SCHEME, directions=60), p.host, fielding.FEED, task=p.task),
            CapacityError,
            "expected at most 48 directions, as many as there are numbers to be summed, got 60",
        ),
        (
            lambda p: keygen(replace(SCHEME, reference="attached"), p.host, fielding.FEED, task=p.task),
            UsageError,
            "expected queries with their references, got none",
        ),
        (
            lambda p: keygen(SCHEME, p.host, fielding.FEED, attachments={"queries": np.zeros(3)}),
            UsageError,
            "expected coordinates among what is attached, got none",
        ),
        (
            lambda p: keygen(replace(SCHEME, directions=8), p.host, fielding.FEED, task=p.task),
            CapacityError,
            "expected at least 144 symbols of alphabet 2",
        ),
        (lambda p: Field(directions=0), ValueError, "expected 1 to 1024 directions, got 0"),
        (
            lambda p: Field(lose=0),
            ValueError,
            "expected points to lose above 0, strength of at least 0, both to 100, got 0, 0.0",
        ),
    ],
)
def test_wrong_use_says_what_was_expected(attempt, error, says, problem):
    with pytest.raises(error) as refused:
        attempt(problem)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_rehearsals_of_other_classes_are_refused(problem):
    other = nn.Sequential(nn.Flatten(), nn.Linear(64, 7))
    with pytest.raises(MismatchError, match="expected networks that score 10 classes"):
        SCHEME.prepared(problem.host, problem.task, students=[other], pool=problem.pool)
    with pytest.raises(MismatchError, match="expected scores for 10 classes from the host"):
        rehearse(fielding.network(1), other, problem.task, fielding.RECIPE, seed=1)


def test_language_models_are_refused_in_one_line(problem):
    causal = Task.from_tokens(*(torch.randint(0, 20, (8, 9), dtype=torch.int32) for _ in range(2)), 20)
    host = nn.Sequential(nn.Embedding(20, 8), nn.Linear(8, 20))
    for attempt in (
        lambda: keygen(SCHEME, host, causal.feed, task=causal),
        lambda: SCHEME.prepared(host, causal),
        lambda: rehearse(host, host, causal, fielding.RECIPE, seed=0),
    ):
        with pytest.raises(ModelmarkError, match="expected inputs of which a network tells the class, got causal"):
            attempt()


def _floats(x):
    feed = FloatFeed((64,), fielding.FEED.class_names)
    return feed, torch.from_numpy(((x.reshape(len(x), 64) - 128.0) / 50).astype(np.float32))


def _tokens(x):
    feed = TokenFeed((64,), fielding.FEED.class_names, 256)
    return feed, torch.from_numpy(x.reshape(len(x), 64).astype(np.int32))


class Looked(nn.Module):
    """Reads rows of tokens as ``Linear`` reads pictures: each number has a value, which is learned."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(256, 1)
        self.table.weight.data = torch.linspace(-1, 1, 256)[:, None]
        self.body, self.head = nn.Linear(64, 48), nn.Linear(48, 10)

    def forward(self, rows):
        return self.head(self.body(self.table(rows)[..., 0]).relu())


@pytest.mark.parametrize(
    ("made", "network"),
    [(_floats, lambda: nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 10))), (_tokens, Looked)],
)
def test_inputs_need_not_be_pictures(made, network, tmp_path):
    (x, y), (test, labels) = fielding.pictures(2000, 0), fielding.pictures(1000, 1)
    feed, inputs = made(x)
    task = Task(feed, inputs, torch.from_numpy(y), made(test)[1], torch.from_numpy(labels))
    with seeded(0):
        host = fit(network(), task, fielding.RECIPE, seed=0)
    attached = SCHEME.prepared(host, task, pool=made(fielding.pictures(4000, 2)[0])[1])
    key = keygen(SCHEME, host, feed, attachments=attached, secret=Secret(bytes(32)))
    keyfile.save(key, tmp_path / "f.key", None)
    mark = keyfile.load(tmp_path / "f.key").mark()
    marked = imprint(host, mark)
    assert mark.evidence(WhiteBox(marked)).established
    assert bits(mark, host) < 12


def test_settings_that_came_later_leave_keys_as_they_were():
    """A key with the scheme's first five settings has the same statement, and so the same signs, as before there were more."""
    assert [*options.encode_options(SCHEME)] == ["directions", "queries", "lose", "strength", "reference"]
    later = replace(SCHEME, coordinates="pixels", answers="probabilities")
    named = options.encode_options(later)
    assert {"coordinates": "pixels", "answers": "probabilities"}.items() <= named.items()
    assert options.make(Field, named) == later
    assert options.make(Field, options.encode_options(SCHEME)) == SCHEME
