"""What is sent to each kind of server and what is made of its answer, against servers that answer as those do."""

import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from modelmark.errors import MalformedError, MismatchError, SuspectError, UsageError
from modelmark.feeds.pictures import PictureFeed
from modelmark.feeds.texts import TextFeed
from modelmark.suspects.answers import Order
from modelmark.suspects.base import ABSTAIN, Ask, AskBeyond
from modelmark.suspects.http import body, reply, templates
from modelmark.suspects.http.address import Address
from modelmark.suspects.http.client import Client
from modelmark.suspects.http.endpoint import Endpoint, Reached
from modelmark.suspects.http.templates import Template
from serving import Server

pytest.importorskip("httpx", reason="httpx is not installed")
pytest.importorskip("jmespath", reason="jmespath is not installed")
NAMES = ("cat", "dog", "fox")
GREY = PictureFeed((1, 4, 5), NAMES, mean=(1307,), std=(3081,))
RGB = PictureFeed((3, 4, 5), NAMES, mean=(4914, 4822, 4465), std=(2470, 2435, 2616))
TEXTS = TextFeed((1,), ("yes", "no", "maybe"))
RNG = np.random.default_rng(0)
SENTENCES = np.array([["Is it {model}?"], ['a "quoted"\nline'], ["naïve"]], object)


def fed(picture, feed):
    mean, std = (np.array(part).reshape(-1, 1, 1) / 10000 for part in (feed.mean, feed.std))
    return (picture / 255 - mean) / std


def brightest(picture):
    """Return scores that depend on every pixel's place."""
    flat = np.asarray(picture, np.float64).reshape(-1)
    weights = np.random.default_rng(7).standard_normal((3, flat.size))
    return (weights @ flat).tolist()


def kserve(path, headers, raw):
    (tensor,) = json.loads(raw)["inputs"]
    assert (path, tensor["name"], tensor["shape"], tensor["datatype"]) == (
        "/v2/models/m/infer",
        "x",
        [1, 3, 4, 5],
        "FP32",
    )
    return {
        "model_name": "m",
        "outputs": [{"name": "y", "shape": [1, 3], "datatype": "FP32", "data": brightest(tensor["data"])}],
    }


def tf_serving(path, headers, raw):
    (instance,) = json.loads(raw)["instances"]
    assert np.shape(instance) == (4, 5, 3)
    return {"predictions": [brightest(np.moveaxis(instance, -1, 0))]}


def by_png(data, feed):
    image = np.asarray(Image.open(io.BytesIO(data)))
    return brightest(fed(image[None] if image.ndim == 2 else np.moveaxis(image, -1, 0), feed))


def torchserve(path, headers, raw):
    assert headers["Content-Type"] == "image/png"
    return dict(zip(NAMES, by_png(raw, RGB), strict=True))


def hf_image(path, headers, raw):
    assert headers["Content-Type"] == "image/png"
    found = [{"label": name, "score": score} for name, score in zip(NAMES, by_png(raw, RGB), strict=True)]
    return sorted(found, key=lambda one: -one["score"])


def form(path, headers, raw):
    assert headers["Content-Type"].startswith("multipart/form-data")
    found = re.search(
        rb'name="photo"; filename="input.png"\r\nContent-Type: image/png\r\n\r\n(.*)\r\n--', raw, re.DOTALL
    )
    scores = by_png(found[1], RGB)
    return NAMES[int(np.argmax(scores))]


PICTURED = {
    "kserve-v2": (kserve, "/v2/models/m/infer", Reached(input="x")),
    "tf-serving": (tf_serving, "/v1/models/m:predict", Reached()),
    "torchserve": (torchserve, "/predictions/m", Reached()),
    "hf-image": (hf_image, "/", Reached()),
    "multipart": (form, "/", Reached(input="photo")),
}


def endpoint(server, template, path="/", settings=None, **more):
    settings = settings or Reached()
    client = Client(Address(server.url + path), patience=settings)
    return Endpoint(client, settings.over(template), settings, **more)


@pytest.mark.parametrize("name", PICTURED)
def test_servers_of_pictures(name):
    answer, path, settings = PICTURED[name]
    pictures = RNG.integers(0, 256, (12, 3, 4, 5), dtype=np.uint8)
    expected = [int(np.argmax(brightest(fed(picture, RGB)))) for picture in pictures]
    with Server(answer) as server:
        suspect = endpoint(server, templates.load(name), path, settings)
        (found,) = suspect.observe(Ask(RGB, pictures))
        suspect.client.close()
    assert len(set(expected)) == 3
    assert found.tolist() == expected


def logprobs(text):
    tokens = (
        [(" yes", -3.0), ("no", -2.0), ("\n", -0.1)]
        if "model" in text
        else [("maybe", -0.5), ("yes", -0.4), ("x", -0.3)]
    )
    return tokens if text != "naïve" else [("x", -0.1), ("y", -0.2)]


def completions(path, headers, raw):
    sent = json.loads(raw)
    assert (sent["logprobs"], sent["max_tokens"], sent["model"]) == (5, 1, "m")
    return {"choices": [{"text": "?", "logprobs": {"top_logprobs": [dict(logprobs(sent["prompt"]))]}}]}


def listed(text):
    return [{"token": token, "logprob": value, "bytes": None} for token, value in logprobs(text)]


def chat(path, headers, raw):
    sent = json.loads(raw)
    assert (sent["logprobs"], sent["top_logprobs"]) == (True, 20)
    (message,) = sent["messages"]
    return {
        "choices": [
            {"logprobs": {"content": [{"token": "?", "logprob": -0.1, "top_logprobs": listed(message["content"])}]}}
        ]
    }


def llama(path, headers, raw):
    sent = json.loads(raw)
    assert (sent["n_probs"], sent["n_predict"]) == (100, 1)
    return {"content": "?", "completion_probabilities": [{"id": 3, "top_logprobs": listed(sent["prompt"])}]}


@pytest.mark.parametrize(
    ("name", "answer"), [("openai-completions", completions), ("openai-chat", chat), ("llama-cpp", llama)]
)
def test_the_likeliest_class_among_the_next_tokens(name, answer):
    """Texts go out as they are, braces too; a token that is no class is passed over, and none at all is a refusal."""
    with Server(answer) as server:
        suspect = endpoint(server, templates.load(name), settings=Reached(model="m"))
        (found,) = suspect.observe(Ask(TEXTS, SENTENCES))
        suspect.client.close()
    assert found.tolist() == [1, 0, ABSTAIN]
    assert "1 of 3 answers are refusals" in next(iter(suspect.notes))


def test_hugging_face_texts_and_a_template_of_ones_own(tmp_path):
    def classify(path, headers, raw):
        best = ("yes", "no", "maybe")[len(json.loads(raw)["inputs"]) % 3]
        return [[{"label": name, "score": 0.8 if name == best else 0.1} for name in TEXTS.class_names]]

    with Server(classify) as server:
        suspect = endpoint(server, templates.load("hf-text"))
        assert suspect.observe(Ask(TEXTS, SENTENCES))[0].tolist() == [len(text) % 3 for text in SENTENCES[:, 0]]
        suspect.client.close()
    own = {
        "body": {"image": "data:image/png;base64,{png}", "of": "{model}", "size": "{shape}"},
        "answer": "result[?ok].class | [0]",
    }
    (tmp_path / "own.json").write_text(json.dumps(own))

    def mine(path, headers, raw):
        sent = json.loads(raw)
        assert (sent["of"], sent["size"]) == ("m", [1, 1, 4, 5])
        data = base64.b64decode(sent["image"].removeprefix("data:image/png;base64,"))
        return {"result": [{"ok": False, "class": 0}, {"ok": True, "class": int(np.argmax(by_png(data, GREY)))}]}

    pictures = RNG.integers(0, 256, (9, 1, 4, 5), dtype=np.uint8)
    with Server(mine) as server:
        suspect = endpoint(server, templates.load(str(tmp_path / "own.json")), settings=Reached(model="m"))
        found = suspect.observe(Ask(GREY, pictures))[0].tolist()
        suspect.client.close()
    assert found == [int(np.argmax(brightest(fed(picture, GREY)))) for picture in pictures]


def test_pixels_beyond_their_range_reach_who_takes_floats_and_no_png():
    planes = np.sign(RNG.integers(-1, 2, (4, 4, 5))).astype(np.int8)
    probe = AskBeyond(RGB, RNG.integers(0, 256, (4, 3, 4, 5), dtype=np.uint8), planes, 2000)
    with Server(kserve) as server:
        suspect = endpoint(server, templates.load("kserve-v2"), "/v2/models/m/infer", Reached(input="x"))
        found = suspect.observe(probe)[0].tolist()
        suspect.client.close()
        suspect = endpoint(server, templates.load("torchserve"))
        with pytest.raises(MismatchError, match="expected pixels from 0 to 255, got -2000 to 2000"):
            suspect.observe(probe)
        suspect.client.close()
    pushed = np.where(planes[:, None] == 0, probe.inputs, 2000.0 * planes[:, None])
    assert found == [int(np.argmax(brightest(fed(picture, RGB)))) for picture in pushed]


ORDER = Order.of(NAMES)
FORMS = {
    "scores": ("[0.1, 0.7, 0.2]", "", 1), "nested": ("[[[0.1, 0.7, 0.2]]]", "", 1), "a number": ("2", "", 2),
    "a batch of one number": ("[2]", "labels", 2), "a name": ('"fox"', "", 2), "names": ('["dog"]', "names", 1),
    "pairs": ('{"cat": -1e9, "dog": 3}', "", 1), "rows": ('[{"label": "fox", "score": 1}]', "names", 2),
    "by number": ('{"0": 0.1, "1": 0.2}', "", SuspectError), "true": ("true", "", SuspectError),
    "nan": ("[NaN, 1, 2]", "", SuspectError), "none": ("[null, 1, 2]", "", SuspectError), "few": ("[1, 2]", "", SuspectError),
    "many": ("[1, 2, 3, 4]", "", SuspectError), "unknown": ('"wolf"', "", SuspectError), "empty": ("[]", "", SuspectError),
    "far": ("7", "", SuspectError), "no JSON": ("<html>", "", SuspectError), "nothing": ("null", "", SuspectError),
    "deep": ("[" * 100000, "", SuspectError), "huge": (f"[{'9' * 400}, 1, 2]", "", SuspectError),
    "numbers for names": ("3", "names", SuspectError), "score of text": ('{"cat": "high"}', "", SuspectError),
    "score nan": ('{"cat": NaN}', "", SuspectError), "part": ("1.5", "labels", SuspectError),
}  # fmt: skip


@pytest.mark.parametrize(("data", "means", "expected"), FORMS.values(), ids=FORMS)
def test_forms_of_an_answer(data, means, expected):
    template = Template(body={}, answer="@", means=means)
    if isinstance(expected, int):
        assert reply.label(data.encode(), template, ORDER) == expected
        return
    with pytest.raises(expected, match="expected") as caught:
        reply.label(data.encode(), template, ORDER)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_one_number_for_two_classes():
    two = Order.of(("no", "yes"))
    for means, value in (("probability", 0.4), ("logit", -0.1)):
        template = Template(body={}, means=means)
        assert reply.label(str(value).encode(), template, two) == 0
        assert reply.label(str(value + 0.2).encode(), template, two) == 1


@pytest.mark.parametrize("name", templates.names())
def test_templates_that_come_along_say_what_they_are_for(name):
    found = templates.load(name)
    assert found.about
    for feed, stored in ((RGB, np.zeros((1, 3, 4, 5), np.uint8)), (TEXTS, SENTENCES[:1])):
        try:
            body.request(body.Input(stored, feed, found))
            break
        except MismatchError:
            continue
    else:
        pytest.fail("it fits neither pictures nor texts")


WRONG = {
    "no name": ("kserv", UsageError, "expected a template or a file of one, got 'kserv'"),
    "no JSON": (b"{", MalformedError, "expected a template in JSON"),
    "a list": (b"[]", MalformedError, "expected fields of a template"),
    "unknown field": (b'{"body": {}, "answr": "@"}', UsageError, "got 'answr'"),
    "no body": (b'{"answer": "@"}', UsageError, "expected a body, a form or raw in a template"),
    "no expression": (b'{"body": {}, "answer": "a[["}', UsageError, "expected a JMESPath expression for the answer"),
    "another range": (b'{"body": {}, "values": "percent"}', UsageError, "expected for values"),
}


@pytest.mark.parametrize(("given", "kind", "says"), WRONG.values(), ids=WRONG)
def test_templates_that_are_none(given, kind, says, tmp_path):
    if isinstance(given, bytes):
        (tmp_path / "t.json").write_bytes(given)
        given = str(tmp_path / "t.json")
    with pytest.raises(kind, match=re.escape(says)):
        templates.load(given)


def test_a_word_that_stands_for_nothing_and_inputs_that_do_not_fit():
    picture = np.zeros((1, 3, 4, 5), np.uint8)
    with pytest.raises(UsageError, match=r"got \{picture\}"):
        body.request(body.Input(picture, RGB, Template(body="{picture}")))
    with pytest.raises(MismatchError, match="expected a key of texts for this template, got one of pictures"):
        body.request(body.Input(picture, RGB, Template(body="{text}")))
    with pytest.raises(MismatchError, match="one or three channels for a PNG, got pictures of 2x4x5"):
        body.request(body.Input(picture[:, :2], PictureFeed((2, 4, 5), NAMES), Template(raw="{png}")))
