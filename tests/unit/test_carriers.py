"""The law of all carriers, what opens shows what the key has; and what is not of their form is refused."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from modelmark import carriers
from modelmark.carriers.base import complete, plurality
from modelmark.carriers.filtered import Filters, Repeated
from modelmark.carriers.means import Means
from modelmark.carriers.pictures import require_bytes
from modelmark.claim.judging import reading
from modelmark.claim.papers.statement import Statement
from modelmark.errors import CapacityError, MalformedError, MismatchError
from modelmark.feeds.causal import CausalFeed
from modelmark.feeds.pictures import PictureFeed
from modelmark.feeds.prompts import Prompts, packed
from modelmark.key.secret import Secret
from modelmark.marks.keys import Key
from modelmark.marks.reading import read
from modelmark.schemes import IN_DATA, SCHEMES, _signature, scheme_class
from modelmark.schemes.adi import Adi
from modelmark.schemes.answers import Answers
from modelmark.schemes.blackmarks import BlackMarks
from modelmark.schemes.certified import Certified
from modelmark.schemes.classes import Classes
from modelmark.schemes.composite import Composite
from modelmark.schemes.coupled import Coupled
from modelmark.schemes.dawn import Dawn
from modelmark.schemes.deepsigns import DeepSigns
from modelmark.schemes.deepsigns_blackbox import DeepSignsBlackBox
from modelmark.schemes.entangled import Entangled
from modelmark.schemes.field import Field
from modelmark.schemes.frontier import Frontier
from modelmark.schemes.margin import Margin
from modelmark.schemes.null_embedding import NullEmbedding
from modelmark.schemes.spread import Spread
from modelmark.schemes.uchida import Uchida
from modelmark.schemes.zhang import Zhang
from modelmark.suspects.base import ABSTAIN, MISSING
from modelmark.suspects.module import WhiteBox

SECRET = Secret(bytes(range(32)))
FACE = PictureFeed((1, 4, 4), ("0", "1", "2"), (1307,), (3081,))


def counting(*shape: int) -> np.ndarray:
    return (np.arange(np.prod(shape)) % 251).astype(np.uint8).reshape(shape)


OWN = {"pictures": counting(3, 1, 4, 4), "labels": np.array([0, 1, 2])}
NULL = NullEmbedding(patterns=3, side=2, queries=2, pictures=3, owner="Emmy Noether", timestamp="2026-01-01")
COUPLED = Coupled(symbols=5, layouts=2, queries=2, repeats=16, triggers=2)
SIDES = np.array([[0, 1], [2, 0], [1, 2]])
LAYERS = np.frombuffer(b'[["fc0", 4, 16, 0, 4], ["fc1", 5, 4, 1, 3]]', np.uint8)
KEYS = {
    "adi": Key(Adi(triggers=6), SECRET, FACE),
    "blackmarks": Key(
        BlackMarks(triggers=3),
        SECRET,
        FACE,
        {"pictures": counting(3, 1, 4, 4), "sides": np.array([[0, 1]] * 3), "groups": np.array([0, 1, 0])},
    ),
    "certified": Key(Certified(triggers=3), SECRET, FACE),
    "classes": Key(Classes(triggers=3, queries=2), SECRET, FACE),
    "composite": Key(
        Composite(symbols=5, layouts=2, queries=2, triggers=2), SECRET, FACE, {"sources": counting(3, 2, 1, 4, 4)}
    ),
    "coupled": Key(COUPLED, SECRET, FACE, {"sources": counting(3, 2, 1, 4, 4)}),
    "dawn": Key(Dawn(triggers=3), SECRET, FACE, {"records": counting(3, 1, 4, 4), "given": np.array([0, 1, 2])}),
    "deepsigns": Key(
        DeepSigns(layer="fc1,fc2", classes=2, bits=3, inputs=2, width=(4, 5)),
        SECRET,
        FACE,
        {"inputs": counting(2, 2, 1, 4, 4)},
    ),
    "deepsigns-blackbox": Key(DeepSignsBlackBox(keys=3), SECRET, FACE, {"kept": np.array([0, 7, 14])}),
    "entangled": Key(Entangled(triggers=3, queries=2, side=2), SECRET, FACE, {"sources": counting(6, 1, 4, 4)}),
    "frontier": Key(Frontier(triggers=3), SECRET, FACE, {"pictures": counting(3, 1, 4, 4), "sides": SIDES}),
    "margin": Key(Margin(triggers=3), SECRET, FACE, {"pictures": counting(3, 1, 4, 4)}),
    "null": Key(NULL, SECRET, FACE, OWN),
    "spread": Key(Spread(bits=5, strength=0.1), SECRET, FACE, {"layers": LAYERS}),
    "zhang": Key(Zhang(triggers=3, side=2), SECRET, FACE, {"sources": counting(3, 1, 4, 4)}),
    "uchida": Key(Uchida(layer="fc1", bits=5, width=4), SECRET, FACE),
}
TOLD = CausalFeed((4,), vocabulary=16)
ASKED = Prompts(
    np.array([[1, 2, 3, 4], [5, 6, -1, -1], [7, 8, 9, -1]], np.int32),
    np.array([[1, 9, 15], [2, 10, 3], [4, 0, 8]], np.int32),
    ("a b", "c", "d é"),
    ((" x", " y", " z"),) * 3,
)
KEYS["answers"] = Key(Answers(prompts=3, candidates=3, tokens=4), SECRET, TOLD, packed(ASKED))
SHARES = np.full((4, 2, 3), (4096, 8192, 4096), np.uint16)
KEYS["field"] = Key(
    Field(directions=2, queries=4, reference="attached"),
    SECRET,
    FACE,
    {
        "queries": counting(4, 1, 4, 4),
        "coordinates": np.array([[256, -768], [768, 1], [-3, 0], [0, 100]], np.int16),
        "references": SHARES,
        "edit": np.zeros((2, 6), np.float32),
    },
)
EACH = {"classes": 2, "composite": 2, "coupled": 2, "entangled": 2, "null": 2}
NAMES = pytest.mark.parametrize("name", KEYS)


class Net(nn.Module):
    """Three dense layers, small enough to be every key's suspect."""

    def __init__(self) -> None:
        super().__init__()
        self.fc0, self.fc1, self.fc2 = nn.Linear(16, 4), nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, x):
        if x.shape[1:] != (1, 4, 4) and x.dtype == torch.int64:  # rows of tokens: any scores will do
            return torch.sin(torch.arange(16) * (1 + x[:, :, None]))
        return self.fc2(self.fc1(self.fc0(x.flatten(1)).relu()).relu())


@pytest.fixture(scope="module")
def suspect():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return WhiteBox(Net())


def stated(name, **changes):
    key = KEYS[name]
    return dataclasses.replace(Statement.of(key.statement), **changes), dict(enumerate(key.carriers.leaves()))


def opened(name, statement, shown):
    return reading.kind(statement).opened(statement, shown, KEYS[name].private)


def plain(probe):
    """Return a probe's fields, arrays and what is made by slices as what they hold."""
    given = {field.name: getattr(probe, field.name) for field in dataclasses.fields(probe)}
    held = {name: value[:] if isinstance(value, Repeated) else value for name, value in given.items()}
    return {
        name: (value.dtype, value.shape, value.tobytes()) if isinstance(value, np.ndarray) else value
        for name, value in held.items()
    }


def asked(made, suspect):
    return made.answers([suspect.observe(probe)[0] for probe in made.probes()])


def test_every_scheme_of_the_table_reads_with_the_kind_that_the_table_names():
    every = SCHEMES | IN_DATA
    assert {name: carriers.kind(name) for name in every} == {name: scheme_class(name).reads for name in every}
    assert sorted(carriers.KINDS) == sorted(every)
    assert carriers.kind("module:Class") is None


@NAMES
def test_what_is_opened_asks_and_scores_as_the_key_does(name, suspect):
    own, (statement, shown) = KEYS[name].carriers, stated(name)
    made = opened(name, statement, shown)
    assert [(type(probe), plain(probe)) for probe in made.probes()] == [
        (type(probe), plain(probe)) for probe in own.probes()
    ]
    assert made.queries() == own.queries()
    assert list(made.trials) == list(own.trials) == list(range(statement.trials))
    answers = asked(own, suspect)
    assert np.array_equal(asked(made, suspect), answers)
    assert np.array_equal(made.scores(answers).table, own.scores(answers).table)
    assert own.scores(answers).table.shape == (statement.trials, statement.alphabet)


@NAMES
def test_opened_carriers_have_the_leaves_that_were_shown(name):
    statement, shown = stated(name)
    assert opened(name, statement, shown).leaves() == list(shown.values())


def test_every_query_of_a_mark_whose_bits_share_all_carriers_names_them_all():
    statement, shown = stated("spread")
    before = opened("spread", statement, shown).queries()
    assert len(set(before.values())) == len(before) == statement.trials
    changed = shown | {1: shown[1].replace(b'"count":3', b'"count":2')}
    after = opened("spread", statement, changed).queries()
    assert all(before[query] != after[query] for query in before)


@pytest.mark.parametrize("name", [name for name in KEYS if name not in ("answers", "spread")])
def test_every_query_names_all_that_its_answer_depends_on(name):
    statement, shown = stated(name)
    before = opened(name, statement, shown).queries()
    count = statement.carriers if name == "field" else statement.trials * EACH.get(name, 1)
    assert len(set(before.values())) == len(before) == count
    last = shown[statement.carriers - 1]
    changed = shown | {statement.carriers - 1: last[:-1] + bytes([last[-1] ^ 1])}
    after = opened(name, statement, changed).queries()
    assert 0 < sum(before[query] != after[query] for query in before) < len(before)


@pytest.mark.parametrize(("old", "new"), [(b"[7,8,9]", b"[7,8,6]"), (b"[4,0,8]", b"[4,0,7]"), (b'" y"', b'" w"')])
def test_a_prompts_query_names_its_tokens_its_candidates_and_their_texts(old, new):
    statement, shown = stated("answers")
    before, after = (
        opened("answers", statement, shown | change).queries() for change in ({}, {2: shown[2].replace(old, new)})
    )
    assert [before[query] != after[query] for query in before] == [False, False, True]


@pytest.mark.parametrize(
    ("name", "trials"),
    [("adi", (2, 5)), ("deepsigns-blackbox", (1,)), ("uchida", (0, 3, 4)), ("coupled", (1, 4)), ("answers", (0, 2))],
)
def test_some_of_the_trials_are_read_as_they_are_among_all(name, trials, suspect):
    statement, shown = stated(name)
    each = EACH.get(name, 1)
    numbers = [trial * each + query for trial in trials for query in range(each)]
    part = opened(name, statement, {number: shown[number] for number in numbers})
    assert tuple(part.trials) == trials
    assert list(part.queries()) == numbers
    answers = asked(KEYS[name].carriers, suspect)
    assert np.array_equal(asked(part, suspect), answers[numbers])
    whole = KEYS[name].carriers.scores(answers).table
    assert np.array_equal(part.scores(answers[numbers]).table, whole[list(trials)])


def test_a_trial_is_not_opened_in_part():
    statement, shown = stated("coupled")
    with pytest.raises(MismatchError, match="all 2 carriers of every trial"):
        opened("coupled", statement, {0: shown[0], 1: shown[1], 4: shown[4]})


@pytest.mark.parametrize(("name", "count"), [("deepsigns", 10), ("null", 7)])
def test_carriers_that_stand_together_are_opened_together(name, count):
    statement, shown = stated(name)
    with pytest.raises(MalformedError, match=f"all {count} carriers"):
        opened(name, statement, {number: shown[number] for number in range(count - 1)})


@pytest.mark.parametrize("name", ["uchida", "deepsigns"])
def test_a_layer_that_was_not_revealed_is_not_looked_for(name):
    statement, shown = stated(name)
    assert reading.kind(statement).reveals == ("layer",)
    with pytest.raises(MismatchError, match="expected the layer to be revealed"):
        reading.kind(statement).opened(statement, shown, {})
    with pytest.raises(MismatchError, match="expected 2 layers to be revealed, got 1"):
        Means.opened(*stated("deepsigns"), {"layer": "fc1"})


@pytest.mark.parametrize("name", ["deepsigns", "null", "uchida"])
def test_a_record_of_answers_decides_nothing_where_carriers_are_not_asked_as_they_are(name):
    with pytest.raises(MismatchError, match="asked as they are"):
        reading.kind(stated(name)[0], recorded=True)


def test_numbers_of_the_statement_that_do_not_fit_are_refused():
    for name, parameters in [
        ("null", {"pictures": 2}), ("null", {"pictures": True}), ("null", {"queries": 0}), ("null", {"queries": 2**19}),
        ("null", {"side": 0}), ("null", {"amplitude": 2**21}),
        ("deepsigns", {"classes": 3}), ("deepsigns", {"bits": 0}), ("deepsigns", {"bits": 4}), ("deepsigns", {"width": ()}),
        ("deepsigns", {"width": (4,)}), ("deepsigns", {"width": ("4", "5")}), ("deepsigns", {"message": "secret"}),
        ("uchida", {"width": 0}), ("uchida", {"width": 2**29}), ("uchida", {"message": "ones"}),
        ("answers", {"candidates": 4}), ("answers", {"candidates": "3"}),
        ("field", {"directions": 3}), ("field", {"directions": 0}), ("field", {"directions": 2**10 + 1}),
        ("frontier", {"message": "secret"}),
        ("field", {"queries": 3}), ("field", {"queries": True}), ("field", {"queries": 2**16 + 1}),
        ("coupled", {"queries": 3}), ("coupled", {"queries": 0}), ("coupled", {"queries": 2**20}), ("coupled", {"queries": "2"}),
    ]:  # fmt: skip
        statement, _ = stated(name)
        with pytest.raises(MismatchError):
            reading.kind(dataclasses.replace(statement, parameters=statement.parameters | parameters))
    for name, changes in [
        ("frontier", {"alphabet": 4}), ("frontier", {"carriers": 4}),
        ("field", {"carriers": 5}), ("field", {"trials": 7}), ("field", {"alphabet": 3}),
        ("answers", {"carriers": 4}), ("answers", {"interface": stated("adi")[0].interface, "v": 1}),
        ("adi", {"alphabet": 4}), ("adi", {"carriers": 7}), ("adi", {"trials": 5}), ("uchida", {"alphabet": 3}),
        ("uchida", {"trials": 4}), ("null", {"alphabet": 2}), ("null", {"carriers": 8}), ("deepsigns", {"alphabet": 3}),
    ]:  # fmt: skip
        with pytest.raises(MismatchError):
            reading.kind(stated(name, **changes)[0])
    with pytest.raises(MismatchError, match="carriers of elsewhere:Scheme are not known here"):
        reading.kind(stated("adi", scheme="elsewhere:Scheme")[0])


def test_carriers_of_another_form_are_refused():
    shown = {name: stated(name)[1] for name in KEYS}
    picture, below = shown["null"][6], shown["null"][6].partition(b"\n")[2]
    for name, number, carrier in [
        ("null", 3, b"filter 0 0 101"), ("null", 3, b"filter 3 0 1111"), ("null", 3, b"filter 00 0 1111"),
        ("null", 3, b"filter 0 0 1112"), ("null", 3, picture), ("null", 6, b"label x\n" + below), ("null", 6, picture[:-1]),
        ("null", 6, below), ("deepsigns", 0, shown["deepsigns"][0][:-4]), ("deepsigns", 9, shown["deepsigns"][0]),
        ("deepsigns", 9, b"class 0\n" + shown["deepsigns"][9]), ("deepsigns", 9, shown["deepsigns"][6]),
        ("adi", 0, shown["adi"][0][:-1]), ("adi", 0, shown["adi"][0] + b"\0"), ("adi", 0, shown["adi"][0][1:] + b"\0"),
        *(("answers", 1, shown["answers"][1].replace(old, new)) for old, new in [
            (b"[5,6]", b"[5, 6]"), (b"[5,6]", b"[5,16]"), (b"[5,6]", b"[]"), (b"[5,6]", b"[5,true]"), (b"[5,6]", b"[1,2,3,4,5]"),
            (b"[2,10,3]", b"[2,10]"), (b"[2,10,3]", b"[2,2,3]"), (b"[2,10,3]", b"[2,10,-1]"), (b'"c"', b"3"), (b'" z"', b"0"),
            (b'"text":"c",', b""), (b',"text":"c","words":[" x"," y"," z"]', b""), (b'" z"', b'" ' + b"z" * 2**18 + b'"'),
        ]),
        ("answers", 0, shown["adi"][0]), ("answers", 0, b"[]"), ("answers", 0, b""),
        *(("frontier", 1, shown["frontier"][1].replace(b"code 1 - 0", code)) for code in [
            b"code 1 - 2", b"code 1 -", b"code 1 - 0 -", b"code 1 - 00", b"code 1  - 0", b"code 1 - x", b"code", b"",
            b"code 1 -1 0",
        ]),
        ("frontier", 1, shown["adi"][0]), ("frontier", 1, shown["frontier"][1][:-1]),
        ("uchida", 0, shown["uchida"][0] + bytes(4)), ("uchida", 0, b""),
        ("field", 0, b""), ("field", 0, shown["field"][0][:16]), ("field", 0, shown["field"][0][:-1]),
        ("field", 0, shown["field"][0] + b"\0"), ("field", 0, shown["field"][0][16:]), ("field", 3, shown["adi"][0]),
        ("field", 1, b"\x03\x01" + shown["field"][1][2:]), ("field", 1, b"\xfc\xff" + shown["field"][1][2:]),
        ("field", 2, shown["field"][2][:4] + bytes(2) + shown["field"][2][6:]),
        ("field", 2, shown["field"][2][:10] + b"\x10\x01" + shown["field"][2][12:]),
    ]:  # fmt: skip
        statement, _ = stated(name)
        with pytest.raises(MalformedError):
            opened(name, statement, shown[name] | {number: carrier})


def test_a_filter_needs_a_picture():
    flat = dataclasses.replace(stated("null")[0].interface, input_shape=(16,))
    statement, shown = stated("null", interface=flat)
    with pytest.raises(MalformedError, match=r"expected pictures \(channels, height, width\)"):
        opened("null", statement, shown)


def test_the_plurality_goes_to_the_lowest_class_and_refusals_do_not_count():
    answers = np.array([[2, 1, 1], [2, 1, 0], [ABSTAIN, 2, ABSTAIN], [ABSTAIN] * 3, [MISSING, 1, 2]])
    assert plurality(answers, 3).tolist() == [1, 0, 2, ABSTAIN, 1]
    assert plurality(np.array([[2], [ABSTAIN], [MISSING]]), 3).tolist() == [2, ABSTAIN, ABSTAIN]


def test_trials_are_complete_up_to_the_first_that_lacks_an_answer():
    answers = np.array([0, 1, 2, ABSTAIN, MISSING, 1, 0, 0])
    assert complete(answers, 2) == 2
    assert complete(answers, 1) == 4
    assert complete(answers[:4], 2) == 2


def test_a_trial_that_was_refused_scores_nothing():
    table = KEYS["adi"].carriers.scores(np.array([0, ABSTAIN, 2, MISSING, 1, 0])).table
    assert table.sum(axis=1).tolist() == [1, 0, 1, 0, 1, 1]


def test_a_class_stands_for_what_the_pictures_code_says_and_for_nothing_elsewhere():
    made = KEYS["frontier"].carriers
    assert made.leaves()[1].startswith(b"code 1 - 0\nuint8 1x4x4\n")
    for answers, symbols in [
        ([0, 2, 1], [0, 0, 0]),
        ([1, 0, 2], [1, 1, 1]),
        ([2, 1, 0], [-1] * 3),
        ([ABSTAIN, MISSING, 3], [-1] * 3),
    ]:
        assert made.symbols(np.array(answers)).tolist() == symbols
        assert made.scores(np.array(answers)).table.sum() == sum(symbol >= 0 for symbol in symbols)


def test_a_mean_filter_is_projected_and_an_exact_zero_is_one():
    made = KEYS["uchida"].carriers
    weight = np.random.default_rng(0).normal(size=(5, 4))
    expected = made.matrix.astype(float) / 65536 @ weight.mean(axis=0) >= 0
    assert made.answers([weight]).tolist() == expected.tolist()
    assert made.answers([np.zeros((5, 4))]).tolist() == [1] * 5


def test_means_are_projected_layer_by_layer_and_class_by_class():
    made = KEYS["deepsigns"].carriers
    received = [np.random.default_rng(width).normal(size=(4, width)) for width in (4, 5)]
    expected = [
        int(row.astype(float) @ (values[2 * group] + values[2 * group + 1]) >= 0)
        for values, projection in zip(received, made.projections, strict=True)
        for group in range(2)
        for row in projection
    ]
    assert made.answers(received).tolist() == expected


def test_the_note_says_how_many_pictures_keep_their_label_under_the_null_filter(suspect):
    found = read(KEYS["null"].carriers, suspect)
    kept = suspect.observe(KEYS["null"].carriers.probes()[1])[0] == OWN["labels"]
    assert found.note == f"acc_null {kept.mean():.2f} on 3 pictures"
    assert found.queries == 6 + 3


def test_filters_are_told_from_what_they_do_to_pixels():
    true = KEYS["null"].carriers.true
    again = Filters.of(true.planes(4, 4))
    assert np.array_equal(again.bits, true.bits)
    assert np.array_equal(again.places, true.places)
    assert again.leaves() == true.leaves()


def test_the_signed_filter_counts_every_query_null_ones_first(suspect):
    signed = _signature.sign_ed25519(SECRET, "Emmy Noether", "2026-01-01")
    attached = {"public_key": signed.public_key, "signature": signed.signature}
    key = Key(
        dataclasses.replace(NULL, message="signature", patterns=1),
        SECRET,
        FACE,
        OWN | {name: np.frombuffer(data, np.uint8) for name, data in attached.items()},
    )
    made = key.carriers
    true, null = (suspect.observe(probe)[0] for probe in made.probes())
    (found,) = read(made, suspect).scores
    assert found.symbols.tolist() == [*null, *true]
    assert list(made.trials) == list(range(6))
    assert made.leaves()[-3:] == [signed.public_key, signed.verifier, signed.signature]
    assert key.mark().message.tolist() == [0, 1, 2, *[made.y_w] * 3]


def test_pictures_too_many_or_too_large_to_make_are_refused_before_they_are_made():
    require_bytes(2048, (3, 512, 512))
    for count, shape in ((2049, (1, 1024, 1024)), (2**19 + 1, (1, 1, 1))):
        with pytest.raises(CapacityError, match="expected at most"):
            require_bytes(count, shape)
