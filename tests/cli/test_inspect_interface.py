"""What a key says of its model's inputs and classes, as the options take it."""

import json

NET = ["--data", "digits", "--arch", "cnn"]


def test_constants_come_back_through_the_options_they_are_shown_for(run, tmp_path):
    fed = ["--mean", "0.1307", "--std", "0.3081"]
    assert run("keygen", "adi", *NET, *fed, "--unencrypted", "-o", tmp_path / "a.key").status == 0
    shown = dict(line.split(maxsplit=1) for line in run("inspect", tmp_path / "a.key").out.splitlines())
    assert (shown["interface.input_shape"], shown["interface.mean"], shown["interface.std"]) == (
        "1x8x8",
        "0.1307",
        "0.3081",
    )
    assert shown["interface.class_names.9"] == "9"
    again = ["--mean", shown["interface.mean"], "--std", shown["interface.std"]]
    assert run("keygen", "adi", *NET, *again, "--unencrypted", "-o", tmp_path / "b.key").status == 0
    first, second = (
        json.loads(run("inspect", tmp_path / name, "--json").out)["interface"] for name in ("a.key", "b.key")
    )
    assert first == second == {"input_shape": [1, 8, 8], "class_names": [*"0123456789"], "mean": [1307], "std": [3081]}


def test_class_names_alone_and_of_a_sealed_key(run, tmp_path, quick_seal):
    (tmp_path / "word").write_text("word\n")
    opened = ["--passphrase-file", tmp_path / "word"]
    assert run("keygen", "adi", *NET, *opened, "-o", tmp_path / "a.key").status == 0
    sealed, shown = (run("inspect", tmp_path / "a.key", *words).out for words in ((), opened))
    assert not any(name in sealed for name in ("interface", "settings", "worth"))
    assert "interface.mean" in shown
    assert "worth        100 symbols of alphabet 10: at most 252.1 net bits, established from 69 matches on" in shown
    assert "settings.triggers 100" in shown
    assert "secret" not in shown
    assert run("inspect", tmp_path / "a.key", *opened, "--labels").out == "".join(f"{i}\n" for i in range(10))
    ran = run("inspect", tmp_path / "a.key", "--labels")
    assert ran.status == 2
    assert "expected a key whose class names can be seen, got a.key" in ran.err.splitlines()[0]
    assert "--passphrase-file" in ran.err.splitlines()[1]


def test_a_claim_shows_constants_likewise_and_its_json_the_document(run, tmp_path):
    assert run("keygen", "adi", *NET, "--unencrypted", "-o", tmp_path / "a.key").status == 0
    assert run("identity", "--unencrypted", "-o", tmp_path / "o.id").status == 0
    assert run("claim", tmp_path / "a.key", "--identity", tmp_path / "o.id", "-o", tmp_path / "a.claim").status == 0
    shown = run("inspect", tmp_path / "a.claim").out
    constants = json.loads(run("inspect", tmp_path / "a.key", "--json").out)["interface"]
    assert f"keys.0.statement.interface.mean {constants['mean'][0] / 10000:g}" in shown
    stated = json.loads(run("inspect", tmp_path / "a.claim", "--json").out)["keys"][0]["statement"]["interface"]
    assert stated["mean"] == constants["mean"]
