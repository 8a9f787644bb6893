"""What people read of a verdict: no sentence says what was not checked, and none can be taken for a word on copying."""

import dataclasses
import html
import re
from collections.abc import Callable

import claim_cases as cases
import pytest
from verdict_cases import DECIDED, DRAWS, WAYS, Case, dated, failing, judged

from modelmark.claim.judging import explaining, pages, strength, telling, wording
from modelmark.claim.papers import envelope
from modelmark.claim.papers.verdict import Charged, Check, Weighed

Condition = Callable[[Case], bool]


def deposited(case: Case, *kinds: str) -> bool:
    return case.outcome("deposit") == "pass" and case.draw in kinds


SAYS: dict[str, Condition] = {
    r"dated the claim[;.]": lambda case: deposited(case, "timestamp", "beacon"),
    r"signed there": lambda case: deposited(case, "timestamp"),
    r"dated the claim before the beacon": lambda case: deposited(case, "beacon"),
    r"No timestamp authority stands for a date": lambda case: deposited(case, "offline"),
    r"from the timestamp that the claim got": lambda case: deposited(case, "timestamp"),
    r"public random value": lambda case: deposited(case, "beacon"),
    r"anew in secret": lambda case: deposited(case, "offline"),
    r"when the claim was made": lambda case: deposited(case, "offline"),
    r"Claim proven to exist:? \d": lambda case: deposited(case, "timestamp", "beacon"),
    r"Suspect first known:? \d": lambda case: case.outcome("suspect's date") == "pass",
    r"is proven to be older": lambda case: case.outcome("order in time") == "pass",
    r"knows no older trace": lambda case: (
        case.outcome("order in time") == "pass" or case.verdict.order == "claim-first"
    ),
    r"which is older": lambda case: case.verdict.order == "unknown",
    r"(less|more|rarer) (likely )?than": lambda case: bool(case.verdict.weighed),
    r"chance of such an agreement": lambda case: bool(case.verdict.weighed),
    r"Nothing was compared": lambda case: not case.verdict.weighed,
    r"all were counted, once": lambda case: [one.test for one in case.verdict.weighed] == ["exact"],
    r"one after the other, and counted": lambda case: [one.test for one in case.verdict.weighed] == ["e-process"],
    r"those that were drawn": lambda case: case.outcome("test") == "pass",
    r": reached": lambda case: case.verdict.decision == "dependence-shown",
    r"not reached": lambda case: bool(case.verdict.weighed) and case.verdict.decision == "no-evidence",
    r"[Ss]hows that the suspect depends|To depend on the message": lambda case: (
        case.verdict.decision == "dependence-shown"
    ),
    r"claim or its papers do not hold|The claim does not hold": lambda case: case.verdict.decision == "invalid-claim",
    r"papers hold": lambda case: False,  # the fixed sentence of not-decidable, of papers that nobody may have looked at
    r"[Ii]ndependent": lambda case: False,  # who stands behind an authority is nothing that a judge checks
    r"before anything was shown": lambda case: False,  # not so of a record of answers
    r"Reason: ": lambda case: any(check.outcome == "fail" for check in case.verdict.checks),
    r"kept the record": lambda case: case.verdict.suspect.kind == "transcript",
}
"""What may stand in a text, by pattern, and when."""


def texts(case: Case) -> dict[str, list[str]]:
    """Return what a person may get to read of a verdict, with all papers at hand and with the verdict alone."""
    told = telling.tell(case.signed, case.claim, case.challenge)
    alone = pages.page(case.signed)
    return {
        "lines": explaining.explain(case.signed, case.claim, case.challenge),
        "lines of the verdict alone": explaining.explain(case.signed),
        "page": readable(pages.page(case.signed, case.claim, case.challenge, "Ada Lovelace")),
        "page of the verdict alone": readable(alone),
        "cli": [explaining.summary(case.signed), wording.MEANINGS[told.decision]],
    }


def readable(page: str) -> list[str]:
    """Return the text of a page, an element a line; a definition with its term."""
    body = re.sub(r"</dt>\s*<dd>", ": ", page[page.index("<body>") :])
    parts = re.split(r"</?(?:p|li|h1|h2|div|tr|dl|dt|dd|section)\b[^>]*>", body)
    return [text for part in parts if (text := " ".join(html.unescape(re.sub(r"<[^>]*>", "", part)).split()))]


def require_true(case: Case) -> None:
    """Assert that nothing is said of this case that was not checked, and that what was is said."""
    for where, lines in texts(case).items():
        text = "\n".join(lines)
        for pattern, condition in SAYS.items():
            if re.search(pattern, text):
                assert condition(case), f"{where} of {case.draw}, {case.verdict.decision}: {pattern}"
        if where == "cli":
            continue
        for check in case.verdict.checks:
            question, holds, fails = wording.CHECKS[check.name]
            special = check.name == "deposit" and check.outcome == "pass"  # in words of its own, by the kind of draw
            said = {"pass": holds, "fail": fails, "skipped": question}[check.outcome]
            assert special or said in text, (where, check)
            for outcome, sentence in (("pass", holds), ("fail", fails)):
                assert check.outcome == outcome or sentence not in text, (where, check)


@pytest.fixture(scope="module")
def held(authorities):
    """Return a function from a kind of draw to its claim, made once."""
    made = {}

    def get(draw):
        if draw not in made:
            made[draw] = dated(draw, authorities)
        return made[draw]

    return get


@pytest.mark.parametrize(("draw", "end"), WAYS)
@pytest.mark.parametrize("known", [False, True], ids=["undated", "dated"])
@pytest.mark.parametrize("test", ["exact", "e-process"])
def test_no_sentence_says_what_was_not_checked(held, draw, end, known, test):
    case = judged(held(draw), draw, end, known=known, test=test)
    assert case.verdict.decision == DECIDED[end]
    looked = end in ("matches", "misses")
    orders = {True: "claim-first" if known and draw != "offline" else "unknown", False: case.verdict.order}
    assert case.verdict.order == orders[looked]
    require_true(case)


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("end", ["matches", "misses"])
@pytest.mark.parametrize("test", ["exact", "e-process"])
def test_no_sentence_says_what_was_not_checked_of_a_record_of_answers(held, draw, end, test):
    require_true(judged(held(draw), draw, end, test=test, recorded=True))


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("decision", ["invalid-claim", "not-decidable", "no-evidence"])
def test_no_sentence_says_what_was_not_checked_whichever_check_fails(held, draw, decision):
    case = judged(held(draw), draw, "matches", known=True)
    for check in case.verdict.checks:
        require_true(failing(case, check.name, decision))


def test_the_old_words_told_readers_of_an_offline_claim_that_authorities_saw_it(held):
    """The old rule: one sentence a check, whatever the claim and whatever became of the check."""
    old = {
        "deposit": "Independent timestamp authorities saw the claim before its secret message was drawn from their answer.",
        "order in time": "The claim is older than the suspect.",
        "lot": "This portion of the evidence was not shown to anybody before.",
    }
    case = judged(held("offline"), "offline", "matches")
    said = [f"{check.name}: {old[check.name]}" for check in case.verdict.checks if check.name in old]
    assert not deposited(case, "timestamp", "beacon")  # nobody dated it
    assert case.outcome("order in time") == "skipped"  # and nobody is known to have been first
    assert [line for line in said if "authorities saw the claim" in line or "older than the suspect." in line]
    text = "\n".join(line for lines in texts(case).values() for line in lines)
    assert not [sentence for sentence in old.values() if sentence in text]
    assert ". deposit: not checked. No timestamp authority stands for a date of this claim." in text
    assert ". order in time: not checked. Is the claim older than the suspect? [a date is lacking" in text


def test_the_fixed_sentence_of_not_decidable_is_not_repeated_where_papers_were_not_looked_at(held):
    case = judged(held("offline"), "offline", "swapped")
    lost = failing(case, "lot", "not-decidable")  # a spent lot: the opening, which comes after it, was never looked at
    assert lost.outcome("opening") == "skipped"
    assert lost.verdict.sentence.startswith("The papers hold")  # the old words, which the document keeps
    assert all("papers hold" not in "\n".join(lines) for lines in texts(lost).values())


CHARGING = re.compile(
    r"\b(cop(y|ied|ying)|steal|stolen|theft|thie(f|ves)|owns|plagiar|infring|guilt|innocen|proof|proves)\b", re.I
)


@pytest.mark.parametrize(("draw", "end"), WAYS)
def test_no_text_can_be_read_as_proof_of_copying(held, draw, end):
    for lines in texts(judged(held(draw), draw, end)).values():
        for line in lines:
            for sentence in re.split(r"(?<=[.;])\s", line):
                if CHARGING.search(sentence):
                    assert re.search(r"\bnot\b|a copy, training on .* all look alike", sentence), sentence


def weighed(net: int, bar: int = 64, charges: tuple[Charged, ...] = ()) -> Weighed:
    return Weighed("exact", 64, 64, 10, net + sum(one.millibits for one in charges), charges, net, bar)


SIZES = [
    0,
    1,
    999,
    1000,
    1001,
    1999,
    2000,
    8000,
    23_999,
    24_000,
    47_999,
    48_000,
    63_999,
    64_000,
    162_603,
    252_100,
    10**6,
    10**7,
]


@pytest.mark.parametrize("net", SIZES)
def test_the_chance_in_words_is_never_below_the_one_that_was_computed(net):
    said, whole = strength.odds(net), net // 1000
    lottery, coin, power = (
        re.search(p, said) for p in (r"ticket (once|[\d,]+)", r"than ([\d,]+) head", r"10\^([\d,]+)")
    )
    number = {"once": 1}
    if lottery:
        times = number.get(lottery[1]) or int(lottery[1].replace(",", ""))
        assert 13_983_816**times < 2**whole  # so the lottery is likelier
        assert times == whole // 24
        assert 10 ** int(power[1].replace(",", "")) < 2**whole < 100 * 10 ** int(power[1].replace(",", ""))
    elif coin:
        assert int(coin[1]) == whole >= 1
        assert "no more likely" in said  # as likely, where the bits are whole
    else:
        assert said == "no rarer than luck is every day"
        assert whole < 1  # likelier than one in two


def test_a_hostile_number_of_bits_costs_nothing():
    assert "10^330,985,980" in strength.odds(2**40)


def test_bits_are_rounded_to_the_side_of_the_suspect():
    assert [strength.down(bits) for bits in (63_999, 212_603, 0, 99, 100)] == ["63.9", "212.6", "0.0", "0.0", "0.1"]
    assert [strength.up(bits) for bits in (80_000, 1585, 1, 0)] == ["80.0", "1.6", "0.1", "0.0"]
    assert "63.9 bits are left; the bar that the challenge named is 64: not reached" in strength.reached(
        weighed(63_999)
    )
    assert strength.reached(weighed(64_000)).endswith("is 64: reached.")
    assert "lower than the usual 64 bits" in strength.reached(weighed(9000, bar=8))


def test_charged_bits_are_not_counted_into_the_strength():
    """212.6 bits of which 204 are charged are 8 heads in a row, and nothing else is said of a chance."""
    charges = (Charged("offline draw", 80_000), Charged("many claims on this matter", 124_000))
    said = strength.sentence(weighed(8603, charges=charges))
    assert "no more likely than 8 heads in a row" in said
    assert not re.search("lottery|10\\^", said)
    assert "no rarer than luck is every day" in strength.sentence(weighed(0, charges=charges))


def test_the_strength_is_said_once_in_words(held):
    case = judged(held("timestamp"), "timestamp", "matches")
    for where, lines in texts(case).items():
        assert "\n".join(lines).count("less likely than") == (where != "cli"), where


def test_case_judge_and_claimant_are_named_and_hashes_come_last(held):
    case = judged(held("offline"), "offline", "matches")
    lines = explaining.explain(case.signed, case.claim, case.challenge, "Ada Lovelace")
    for wanted in ("Judge: Ada Lovelace", "Case, as the judge calls it: Noether v. Hilbert"):
        assert wanted in lines
    assert "Claimant, by the claim's own word: Emmy Noether" in lines
    assert lines.index("Fingerprints") < min(n for n, line in enumerate(lines) if re.search(r"\b[0-9a-f]{64}\b", line))
    page = pages.page(case.signed, case.claim, case.challenge, "Ada Lovelace")
    assert "Ada Lovelace" in page
    assert "Noether v. Hilbert" in page
    assert page.index('<section id="papers">') < min(found.start() for found in re.finditer(r"\b[0-9a-f]{64}\b", page))


def test_papers_of_another_dispute_are_left_aside(held):
    case = judged(held("offline"), "offline", "matches")
    other = judged(held("timestamp"), "timestamp", "matches", case="another case")
    lines = explaining.explain(case.signed, other.claim, other.challenge)
    assert lines == explaining.explain(case.signed)
    assert "another case" not in pages.page(case.signed, other.claim, other.challenge)


def test_a_check_without_words_here_is_shown_with_its_own(held):
    case = judged(held("offline"), "offline", "matches")
    checks = (*case.verdict.checks, Check("moon", "pass", "it was full"))
    signed = envelope.sign(dataclasses.replace(case.verdict, checks=checks), cases.JUDGE)
    assert f"[+] {len(checks)}. moon: holds. [it was full]" in explaining.explain(signed)
