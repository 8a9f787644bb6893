"""Prompts by text: kept where a tokenizer gives their numbers back, alone and in their place; another tokenizer is refused."""

from dataclasses import replace

import pytest

import language
import tokenizing
from modelmark.errors import CapacityError, MalformedError, MismatchError, UsageError
from modelmark.feeds.causal import CausalFeed
from modelmark.feeds.prompts import Prompts
from modelmark.feeds.tokenizer import Tokenizer
from modelmark.key.secret import Secret
from modelmark.marks import keyfile
from modelmark.marks.keys import KeyPolicy, keygen
from modelmark.schemes.answers import Answers
from modelmark.schemes.uchida import Uchida
from modelmark.suspects.function import BlackBox
from modelmark.suspects.module import WhiteBox
from modelmark.suspects.next_tokens import Spoken
from modelmark.training.task import Task
from tokenizing import BOTH

SECRET = Secret(bytes(range(32)))
SCHEME = Answers(tokens=10)


def task(tokenizer, vocabulary=tokenizing.VOCABULARY):
    import torch

    tokens = [token for text in tokenizing.texts()[:20] for token in tokenizer.encode(text)]
    rows = torch.tensor(tokens[: len(tokens) // 33 * 33], dtype=torch.int32).reshape(-1, 33)
    return Task.from_tokens(rows[100:], rows[:100], vocabulary)


def key(tokenizer, scheme=SCHEME, model=None, **options):
    data = task(tokenizer)
    model = model or language.fresh(vocabulary=tokenizing.VOCABULARY)
    return keygen(scheme, model, data.feed, task=data, secret=SECRET, tokenizer=tokenizer, **options)


def replace_feed(data, feed):
    return replace(data, feed=feed)


@BOTH
@pytest.mark.parametrize("family", ["samples", "corpus", "tokens"])
def test_every_prompt_and_every_candidate_in_its_place_has_its_numbers_again(made, family):
    tokenizer = made()
    prompts = key(tokenizer, replace(SCHEME, family=family)).carriers.prompts
    assert len(prompts) == len(set(prompts.texts)) == 40
    for number, text in enumerate(prompts.texts):
        row = prompts.tokens(number)
        assert tokenizer.encode(text) == row
        assert tokenizer.decode(row) == text == text.strip()
        for token, word in zip(prompts.candidates[number].tolist(), prompts.words[number], strict=True):
            assert tokenizer.encode(text + word) == [*row, token]
        assert len({word.strip() for word in prompts.words[number]}) == 16
        assert not tokenizer.specials & {*prompts.candidates[number].tolist()}
    tokenizer.require(prompts)


def test_a_leading_space_that_is_swallowed_alone_is_kept_in_its_place():
    """What decoding a candidate alone gives is not what it adds to a prompt: the old rule would have kept that."""
    tokenizer = tokenizing.llama_like()
    prompts = key(tokenizer).carriers.prompts
    alone = [tokenizer.decode([token]) for token in prompts.candidates.flatten().tolist()]
    words = [word for row in prompts.words for word in row]
    spaced = [(one, word) for one, word in zip(alone, words, strict=True) if word.startswith(" ")]
    assert len(spaced) > 40
    assert all(one == word[1:] for one, word in spaced)


@BOTH
def test_a_tokenizer_that_does_not_belong_is_refused_in_a_line(made):
    mine = made()
    other = tokenizing.llama_like() if made is tokenizing.byte_level else tokenizing.byte_level()
    prompts = key(mine).carriers.prompts
    with pytest.raises(
        MismatchError, match="expected the tokenizer that the key's prompts were made with, another gives"
    ) as refused:
        other.require(prompts)
    assert "\n" not in str(refused.value)
    spaced = Tokenizer(mine.data.replace(b'"version":"1.0"', b'"version": "1.0"'))
    assert (spaced.data != mine.data, spaced.digest) == (True, mine.digest)
    assert other.digest != mine.digest
    spaced.require(prompts)


def test_one_number_that_changed_is_found_though_all_else_is_the_same():
    mine = tokenizing.byte_level()
    made = key(mine)
    prompts = made.carriers.prompts
    candidates = prompts.candidates.copy()
    candidates[39, 15] = next(t for t in range(1, 512) if t not in candidates[39])
    with pytest.raises(MismatchError, match="the tokenizer that the key's prompts were made with"):
        mine.require(Prompts(prompts.rows, candidates, prompts.texts, prompts.words))


@BOTH
def test_the_digest_of_the_tokenizer_stands_in_the_statement_and_texts_in_the_key_file(made, tmp_path):
    tokenizer = made()
    mine = key(tokenizer)
    assert mine.statement["interface"]["tokenizer"] == tokenizer.digest
    keyfile.save(mine, tmp_path / "a.key", None)
    loaded = keyfile.load(tmp_path / "a.key")
    assert (loaded.digest, loaded.carriers.prompts.texts) == (mine.digest, mine.carriers.prompts.texts)


@BOTH
def test_a_function_of_texts_and_a_template_of_a_chat_are_read(made):
    tokenizer = made()
    mine, model = key(tokenizer), language.fresh(vocabulary=tokenizing.VOCABULARY)
    (probe,) = mine.carriers.probes()
    (raw,) = WhiteBox(model).observe(probe)
    plain = Spoken(model, tokenizer.encode)
    assert (plain.observe(probe)[0] == raw).all()
    chat = Spoken(model, lambda text: tokenizer.encode(f"User: {text}\nAnswer:"))
    assert (chat.observe(probe)[0] != raw).any()
    both = mine.mark().weigh([mine.mark().read(WhiteBox(model)), mine.mark().read(chat)])
    assert both.charges[-1].bits == 1
    known = {text: words[3] for text, words in zip(probe.texts, probe.words, strict=True)}
    told = BlackBox(lambda texts: [known[text].strip() for text in texts], texts=True)
    assert set(told.observe(probe)[0].tolist()) == {3}


def test_a_prompt_that_a_chat_makes_longer_than_the_context_is_refused():
    class Config:
        max_position_embeddings = 12

    model = language.fresh(vocabulary=tokenizing.VOCABULARY)
    model.config = Config()
    tokenizer = tokenizing.byte_level()
    with pytest.raises(
        MismatchError, match=r"expected a model that takes prompts of \d+ tokens, got one that takes 12"
    ):
        Spoken(model, lambda text: tokenizer.encode("A system prompt before all. " + text)).observe(
            key(tokenizer).carriers.probes()[0]
        )


def test_a_tokenizer_that_knows_more_than_the_model_or_of_another_data_set_makes_no_key():
    tokenizer = tokenizing.byte_level()
    data = task(tokenizer)
    small = CausalFeed((32,), vocabulary=500)
    with pytest.raises(MismatchError, match="at most the 500 tokens that the model knows, got 512"):
        keygen(SCHEME, language.fresh(vocabulary=500), small, task=replace_feed(data, small), secret=SECRET,
               tokenizer=tokenizer)  # fmt: skip
    with pytest.raises(MismatchError, match="expected the tokenizer abababababababab of the data"):
        keygen(SCHEME, language.fresh(vocabulary=512), replace(data.feed, tokenizer="ab" * 32), task=data, secret=SECRET,
               tokenizer=tokenizer)  # fmt: skip
    with pytest.raises(
        UsageError, match="expected a tokenizer with a scheme that asks language models by text, got uchida"
    ):
        key(tokenizer, Uchida(layer="head", bits=40), policy=KeyPolicy(self_check=True))
    with pytest.raises(CapacityError, match="with at most 172 candidates, got 10 and 200"):
        key(tokenizer, replace(SCHEME, candidates=200, prompts=40))


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[1]", b'{"model":{}}', b"\xff\xfe", b'{"version":"1.0","model":{"type":"BPE"}}']
)
def test_a_file_that_is_no_tokenizer_is_refused_in_a_line(data, tmp_path):
    (tmp_path / "tokenizer.json").write_bytes(data)
    with pytest.raises(MalformedError, match=r"^expected a tokenizer") as refused:
        Tokenizer.load(tmp_path)
    assert "\n" not in str(refused.value)


def test_a_folder_without_one_is_refused(tmp_path):
    with pytest.raises(MalformedError, match=r"tokenizer\.json"):
        Tokenizer.load(tmp_path)
