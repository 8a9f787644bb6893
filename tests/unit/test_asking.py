"""Asking a suspect one query at a time, going on after an interruption, and reading weights by what was revealed."""

import numpy as np
import pytest
import torch

from modelmark.asking import Weights, record
from modelmark.claim import transcript
from modelmark.claim.statement import Statement
from modelmark.claim.transcript import ORDINARY, Head
from modelmark.errors import MalformedError, MismatchError, SuspectError
from modelmark.interface import Interface
from modelmark.keys import Key
from modelmark.models import build
from modelmark.preprocess import Normalise
from modelmark.schemes.adi import Adi
from modelmark.schemes.uchida import Uchida
from modelmark.secret import Secret
from modelmark.suspect import BlackBox

FACE = Interface((1, 4, 4), tuple("0123456789"), mean=(1307,), std=(3081,))
KEY = Key(Adi(triggers=80), Secret(bytes(32)), FACE)
STATEMENT = Statement.of(KEY.statement)
HEAD = Head("ab" * 32, 0, 0)
SHOWN = dict(enumerate(KEY.scheme.leaves(KEY.carriers, KEY.secret, FACE, {})))
MESSAGE = [int(label) for label in KEY.mark().message]


class Api:
    """Answers the key's pictures as drawn and all others with 0; may break off."""

    def __init__(self, right: int = 80, stop: int = 10**9) -> None:
        pictures = Normalise(FACE)(torch.from_numpy(KEY.carriers))
        self.known = {
            picture.numpy().tobytes(): label for picture, label in zip(pictures[:right], MESSAGE[:right], strict=True)
        }
        self.asked, self.stop = [], stop

    def __call__(self, batch):
        if len(self.asked) >= self.stop:
            raise ConnectionError("the line is down")
        assert len(batch) == 1
        raw = batch[0].numpy().tobytes()
        self.asked.append(raw)
        return np.array([self.known.get(raw, 0)])


def asked(path, api, **options):
    return record(path, HEAD, STATEMENT, SHOWN, BlackBox(api, 10), **options)


def test_every_answer_is_written_down_and_an_interruption_costs_none(tmp_path):
    whole, path = asked(tmp_path / "whole", Api()), tmp_path / "t"
    with pytest.raises(ConnectionError):
        asked(path, Api(stop=30))
    path.write_bytes(path.read_bytes() + b'{"answer":3,"car')  # half a line
    rest = Api()
    done = asked(path, rest)
    assert (len(rest.asked), done, path.read_bytes()) == (50, whole, whole.data)
    assert done.answers(SHOWN) == dict(enumerate(MESSAGE))
    assert not asked(path, silent := Api()).asked[80:]
    assert silent.asked == []


def test_it_stops_as_soon_as_the_e_process_is_decided(tmp_path):
    api = Api()
    done = asked(tmp_path / "for", api, expected=MESSAGE, target=40.0)
    assert 12 <= len(done.asked) == len(api.asked) <= 17
    api = Api(right=0)
    done = asked(tmp_path / "against", api, expected=MESSAGE, target=40.0)
    assert 40 <= len(done.asked) < 60  # were the rest all hits, it would be too late


def test_ordinary_queries_hide_the_others_and_do_not_count(tmp_path):
    own = torch.randint(0, 256, (40, 1, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ConnectionError):
        asked(tmp_path / "t", Api(stop=33), ordinary=own, seed=4)
    rest = Api()
    done = asked(tmp_path / "t", rest, ordinary=own, seed=4)
    assert len(done.asked) == 120
    assert sum(one.carrier == ORDINARY for one in done.asked) == 40
    assert len({one.query for one in done.asked}) == 120  # none is asked twice
    assert done.answers(SHOWN) == dict(enumerate(MESSAGE))
    with pytest.raises(MismatchError, match="order of queries"):
        asked(tmp_path / "t", Api(), ordinary=own, seed=5)


def test_a_file_about_something_else_is_not_added_to(tmp_path):
    asked(tmp_path / "t", Api())
    with pytest.raises(MismatchError, match="another transcript"):
        record(tmp_path / "t", Head("cd" * 32, 0, 0), STATEMENT, SHOWN, BlackBox(Api(), 10))
    (tmp_path / "u").write_bytes(b"something\nelse\n")
    with pytest.raises(MalformedError):
        asked(tmp_path / "u", Api())
    assert transcript.load(tmp_path / "t").digest


def test_weights_are_read_only_with_what_was_revealed():
    model = build("cnn", (1, 8, 8), 10, seed=0)
    face = Interface((1, 8, 8), tuple("0123456789"))
    key = Key(Uchida().resolve(model, face, {}), Secret(bytes(32)), face)
    statement = Statement.of(key.statement)
    shown = dict(enumerate(key.scheme.leaves(key.carriers, key.secret, face, {})))
    state = model.state_dict()
    found = Weights(state).answers(statement, shown, {"layer": key.scheme.layer})
    assert sum(found.values()) > 64
    with pytest.raises(MismatchError, match="none of that name"):
        Weights(state).answers(statement, shown, {"layer": "nowhere"})
    with pytest.raises(MismatchError, match="average to M"):
        Weights({"x.weight": torch.zeros(3, 5)}).answers(statement, shown, {"layer": "x"})
    with pytest.raises(SuspectError, match="finite weights"):
        Weights({f"{key.scheme.layer}.weight": torch.full((3, 5), torch.nan)}).answers(
            statement, shown, {"layer": key.scheme.layer}
        )
    with pytest.raises(MismatchError, match="asked as they are"):
        record(None, HEAD, statement, shown, BlackBox(Api(), 10))
    with pytest.raises(MismatchError, match="neither typed nor revealed"):
        Weights(state).answers(STATEMENT, SHOWN, {})
