"""Texts and tokens as a person names them: read, cut to the model's context, and refused in one line where they do not fit."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelmark.data import Limits, load_rows, words
from modelmark.data.folder import Folder, named
from modelmark.errors import MalformedError, MismatchError, ModelmarkError, UsageError
from modelmark.feeds.causal import END
from modelmark.feeds.tokens import TokenFeed
from modelmark.training.task import Task

tokenizers = pytest.importorskip("tokenizers", reason="reads tokenizer.json")
WORDS = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "a", "good", "bad", "film", "book", "day"]
CONFIG = {"model_type": "bert", "vocab_size": 10, "max_position_embeddings": 8, "pad_token_id": 0}
CSV = "text,label\n" + "a good film,fine\na bad film,poor\n" * 5


def tokenizer() -> Any:
    made = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="[UNK]")
    )
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of a model with a tokenizer of ten words."""
    there = tmp_path / "model"
    there.mkdir()
    (there / "config.json").write_text(json.dumps(CONFIG))
    tokenizer().save(str(there / "tokenizer.json"))
    return there


def says(folder: Path, **instead: Any) -> None:
    (folder / "config.json").write_text(json.dumps({**CONFIG, **instead}))


def put(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_texts_become_rows_with_their_labels(folder: Path, tmp_path: Path) -> None:
    rows = load_rows(f"texts:{put(tmp_path / 'reviews.csv', CSV)}", folder)
    assert (rows.name, rows.classes, rows.vocabulary, rows.notes) == ("reviews.csv", ("fine", "poor"), 10, ())
    assert rows.train_rows.shape == (8, 5)
    assert {tuple(row) for row in rows.train_rows.tolist()} == {(1, 4, 5, 7, 2), (1, 4, 6, 7, 2)}
    assert [rows.classes[label] for label in rows.train_labels] == [
        {5: "fine", 6: "poor"}[row[2]] for row in rows.train_rows.tolist()
    ]
    task = Task.from_rows(rows)
    assert task.feed == TokenFeed((5,), ("fine", "poor"), 10, words.of(folder).digest)
    assert TokenFeed.from_json(task.feed.to_json()) == task.feed
    assert "tokenizer" not in task.feed.public()


def test_shorter_texts_are_filled_up_and_longer_ones_cut(folder: Path, tmp_path: Path) -> None:
    lines = [{"text": "good", "label": 1, "split": "train"}, {"text": "a " * 20, "label": 0, "split": "test"}]
    file = put(tmp_path / "t.jsonl", "\n".join(map(json.dumps, lines)))
    rows = load_rows(f"texts:{file}", folder)
    assert rows.train_rows.tolist() == [[1, 5, 2, 0, 0, 0, 0, 0]]
    assert rows.test_rows.tolist() == [[1, 4, 4, 4, 4, 4, 4, 2]]
    assert rows.notes == ("1 of 2 texts are cut to 8 tokens",)
    assert load_rows(f"texts:{file}@4", folder).test_rows.tolist() == [[1, 4, 4, 2]]


def test_class_names_are_the_configurations_in_its_order(folder: Path, tmp_path: Path) -> None:
    says(folder, id2label={"0": "poor", "1": "fine", "2": "other"})
    rows = load_rows(f"texts:{put(tmp_path / 'r.csv', CSV)}", folder)
    assert rows.classes == ("poor", "fine", "other")
    assert [rows.classes[label] for label in rows.train_labels[:1]] == [{5: "fine", 6: "poor"}[rows.train_rows[0, 2]]]


def test_packed_texts_are_unpacked(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "r.csv.gz").write_bytes(gzip.compress(CSV.encode()))
    assert len(load_rows(f"texts:{tmp_path / 'r.csv.gz'}", folder).test_rows) == 2


def test_a_corpus_is_cut_into_rows_that_tell_what_comes_next(folder: Path, tmp_path: Path) -> None:
    texts = tmp_path / "texts"
    (texts / "more").mkdir(parents=True)
    put(texts / "b.txt", "good " * 20)
    put(texts / "more" / "a.md", "bad film")
    put(texts / "c.bin", "day " * 50)
    put(texts / ".hidden.txt", "day " * 50)
    rows = load_rows(f"corpus:{texts}", folder)
    there = np.concatenate([rows.train_rows, rows.test_rows]).tolist()
    assert sorted(there) == sorted([[5] * 9, [5] * 9, [5] * 2 + [END] * 7, [6, 7] + [END] * 7])
    task = Task.from_rows(rows)
    assert task.feed.kind == "causal"
    assert task.feed.tokenizer == words.of(folder).digest
    assert load_rows(f"corpus:{texts}@4", folder).train_rows.shape[1] == 5


def test_a_long_text_is_told_apart_in_pieces_as_it_is_whole(folder: Path) -> None:
    text = "a good film\n" * 20_000
    pieces = list(words.of(folder).running(text))
    assert pieces == tokenizer().encode(text, add_special_tokens=False).ids


def test_tokens_with_labels_and_without(folder: Path, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    train, test, marks = draw.integers(0, 10, (6, 5)), draw.integers(0, 10, (2, 5)), np.array([0, 1, 2, 0, 1, 2])
    np.savez(tmp_path / "l.npz", train_tokens=train, test_tokens=test, train_labels=marks, test_labels=marks[:2])
    np.savez(tmp_path / "c.npz", train_tokens=train, test_tokens=test)
    rows = load_rows(f"tokens:{tmp_path / 'l.npz'}", folder)
    assert np.array_equal(rows.train_rows, train)
    assert (rows.classes, rows.vocabulary, rows.is_causal) == (("0", "1", "2"), 10, False)
    alone = load_rows(f"tokens:{tmp_path / 'c.npz'}", None)
    assert (alone.is_causal, alone.vocabulary) == (True, int(max(train.max(), test.max())) + 1)
    assert Task.from_rows(alone).feed.input_shape == (4,)


def test_a_vocabulary_may_be_told_beside_the_tokens_and_is_the_configurations_before_that(
    folder: Path, tmp_path: Path
) -> None:
    rows, marks = np.zeros((3, 4), int), np.array([0, 1, 0])
    file = tmp_path / "v.npz"
    np.savez(file, train_tokens=rows, test_tokens=rows, train_labels=marks, test_labels=marks, vocabulary=[77])
    assert load_rows(f"tokens:{file}", None).vocabulary == 77
    assert load_rows(f"tokens:{file}", folder).vocabulary == 10
    np.savez(file, train_tokens=rows, test_tokens=rows, vocabulary=[1 << 40])
    with pytest.raises(MalformedError, match="expected a vocabulary of 2 to"):
        load_rows(f"tokens:{file}", None)


def test_the_digest_is_of_the_tokenizer_and_not_of_how_it_was_last_used(folder: Path) -> None:
    first = words.of(folder).digest
    used = tokenizer()
    used.enable_truncation(3)
    used.save(str(folder / "tokenizer.json"))
    assert words.of(folder).digest == first
    other = tokenizer()
    other.normalizer = tokenizers.normalizers.Lowercase()
    other.save(str(folder / "tokenizer.json"))
    assert words.of(folder).digest != first


def test_data_by_another_tokenizer_are_refused(folder: Path, tmp_path: Path) -> None:
    file = put(tmp_path / "r.csv", CSV)
    key = Task.from_rows(load_rows(f"texts:{file}", folder)).feed
    other = tokenizer()
    other.normalizer = tokenizers.normalizers.Lowercase()
    other.save(str(folder / "tokenizer.json"))
    with pytest.raises(MismatchError, match="expected data by the key's tokenizer"):
        Task.from_rows(load_rows(f"texts:{file}", folder)).fed_as(key)


LINES: dict[str, tuple[Any, type[ModelmarkError], str]] = {
    "tokenizer of another model": (
        lambda f: says(f, vocab_size=9), MismatchError, "expected a tokenizer of at most 9 tokens, as config"
    ),
    "no padding token": (lambda f: says(f, pad_token_id=None), UsageError, "expected pad_token_id in config.json"),
    "no tokenizer": (lambda f: (f / "tokenizer.json").unlink(), UsageError, "expected tokenizer.json in .*, found none"),
    "damaged tokenizer": (lambda f: put(f / "tokenizer.json", "{}"), MalformedError, "expected a tokenizer as"),
    "no configuration": (lambda f: (f / "config.json").unlink(), MalformedError, "expected config.json in .*, found none"),
    "damaged configuration": (lambda f: put(f / "config.json", "[" * 9999), MalformedError, "expected a configuration in JSON"),
}  # fmt: skip


@pytest.mark.parametrize("case", LINES)
def test_a_folder_that_does_not_fit_is_refused_in_a_line(case: str, folder: Path, tmp_path: Path) -> None:
    spoil, kind, line = LINES[case]
    spoil(folder)
    file = put(tmp_path / "r.csv", CSV + "good,fine\n")
    with pytest.raises(kind, match=line) as refused:
        load_rows(f"texts:{file}", folder)
    assert "\n" not in str(refused.value)


FILES: dict[str, tuple[str, str]] = {
    "r.csv": ("word,label\na,b\n", "expected text and label in r.csv, line 2 has none"),
    "r.jsonl": ('{"text": "a", "label": 0.5}\n', "expected a label of text or a whole number in r.jsonl, line 1"),
    "s.jsonl": ('{"text": "a", "label": 0}\n[\n', "expected text and label in s.jsonl, line 2 has none"),
    "t.csv": ("text,label,split\na,b,train\na,c,dev\n", "expected train and test throughout as split in t.csv"),
    "u.csv": ("text,label\n", "expected texts in u.csv, found none"),
    "v.csv": (f"text,label\n{'a ' * (1 << 20)},b\n", "expected v.csv to be whole and readable, got: field larger than"),
    "w.csv": ("text,label\na,b\n", "expected at least 2 of class 'b'"),
}


@pytest.mark.parametrize("name", FILES)
def test_files_of_texts_that_are_none_are_refused_in_a_line(name: str, folder: Path, tmp_path: Path) -> None:
    text, line = FILES[name]
    with pytest.raises(MalformedError, match=line):
        load_rows(f"texts:{put(tmp_path / name, text)}", folder)


def test_rows_longer_than_the_context_are_refused(folder: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "c.npz", train_tokens=np.zeros((3, 10), int), test_tokens=np.zeros((3, 10), int))
    with pytest.raises(MismatchError, match="expected rows of at most 8 tokens, the model's context, got 9"):
        load_rows(f"tokens:{tmp_path / 'c.npz'}", folder)
    with pytest.raises(MismatchError, match="expected rows of at most 8 tokens, the model's context, got 9"):
        load_rows(f"corpus:{put(tmp_path / 'c.txt', 'good ' * 90)}@9", folder)


def test_tokens_beyond_the_vocabulary_are_refused(folder: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "c.npz", train_tokens=np.full((3, 5), 10), test_tokens=np.zeros((3, 5), int))
    with pytest.raises(MismatchError, match="expected tokens below 10, as the vocabulary has, got 10 to 10"):
        load_rows(f"tokens:{tmp_path / 'c.npz'}", folder)


def test_more_than_the_limits_is_refused(folder: Path, tmp_path: Path) -> None:
    put(tmp_path / "c.txt", "good " * 1000)
    with pytest.raises(MalformedError, match="expected at most 10 rows of tokens"):
        load_rows(f"corpus:{tmp_path / 'c.txt'}", folder, limits=Limits(max_items=10))
    with pytest.raises(MalformedError, match="expected at most 100 unpacked bytes"):
        load_rows(f"corpus:{tmp_path / 'c.txt'}", folder, limits=Limits(max_bytes=100))


def test_texts_without_a_folder_are_refused_with_the_way_on(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match="expected the folder of a model, whose tokenizer reads corpus, got none"
    ) as refused:
        load_rows(f"corpus:{tmp_path}", None)
    assert "--arch hf:FOLDER" in refused.value.hint


def test_context_of_roberta_counts_from_behind_its_padding(tmp_path: Path) -> None:
    put(
        tmp_path / "config.json",
        json.dumps({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}),
    )
    assert Folder.read(tmp_path).context == 512


def test_only_hf_names_a_folder() -> None:
    assert named("hf:some/where") == Path("some/where")
    assert [named(arch) for arch in ("cnn", "hf:", "nets:make", 'hf:{"model_type": "gpt2"}')] == [None] * 4
