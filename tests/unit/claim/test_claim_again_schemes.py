"""A verdict computed again, for every scheme that verdicts hold: by the suspect, by the record, and against made-up numbers."""

import dataclasses

import claim_cases as cases
import pytest
from test_claim_second import BY_TESTS, CHANGES, Knowing, Nameless, dispute, keys  # noqa: F401

from modelmark.claim.dates.deposit import Trust
from modelmark.claim.judging import again
from modelmark.claim.judging.again import LEFT_OUT, SAME
from modelmark.claim.judging.judge import Recorded
from modelmark.claim.papers import envelope, transcript
from modelmark.claim.papers.statement import Statement
from modelmark.claim.papers.transcript import Head


def signed(made, **changes):
    return envelope.sign(dataclasses.replace(made.verdict, **changes), cases.JUDGE)


@pytest.mark.parametrize(("scheme", "test"), BY_TESTS)
def test_suspect_or_record_give_what_the_judge_signed_and_nothing_else(keys, tmp_path, scheme, test):  # noqa: F811
    suspect = Knowing(keys[scheme])
    made = dispute(tmp_path, keys[scheme], suspect, test=test)
    whole = again.again(signed(made), made.papers, Trust(), suspect=suspect)
    assert whole.agrees
    assert {one.came for one in whole.checks} == {SAME}
    recorded = again.again(signed(made), made.papers, Trust(), record=made.record)
    assert recorded.agrees
    assert [one.name for one in recorded.checks if one.came == LEFT_OUT] == ["suspect"]
    (weighed,) = made.verdict.weighed
    for name, change in CHANGES.items():
        forged = signed(made, weighed=(dataclasses.replace(weighed, **change(weighed)),))
        assert again.again(forged, made.papers, Trust(), record=made.record).differing == (
            "the numbers of the test",
        ), name


def test_a_record_of_weights_is_read_in_as_many_ways_as_were_charged(keys, tmp_path):  # noqa: F811
    made = dispute(tmp_path, keys["uchida"], Nameless(keys["uchida"]))
    assert again.again(signed(made), made.papers, Trust(), record=made.record).agrees


@pytest.mark.parametrize("older", [True, False], ids=["version 1", "version 2"])
def test_verdicts_of_version_1_charge_nothing_for_a_test_named_late_and_are_not_accused(keys, tmp_path, older):  # noqa: F811
    key = keys["adi"]
    statement, shown = Statement.of(key.statement), dict(enumerate(cases.leaves(key)))
    claim = cases.claimed(statement)
    answers = dict(enumerate(cases.answered(Knowing(key), statement, shown, {})))
    record = transcript.of(Head(claim.digest, 0, 0), shown, answers)
    made = dispute(tmp_path, key, Recorded(record))
    assert again.again(signed(made), made.papers, Trust(), record=record).agrees
    (weighed,) = made.verdict.weighed
    free = dataclasses.replace(weighed, charges=weighed.charges[:-1], net=weighed.net + 1000)
    written = signed(made, weighed=(free,), burned=() if older else made.verdict.burned)
    assert again.again(written, made.papers, Trust(), record=record).agrees == older
