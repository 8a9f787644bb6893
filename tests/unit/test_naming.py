"""A mistyped name gets a hint; a typed reference is imported, anything else is refused."""

import sys
from pathlib import Path

import pytest

from modelmark import naming
from modelmark.errors import UsageError


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("uchidda", ["adi", "uchida"], "did you mean uchida?"),
        ("zzz", ["uchida", "adi"], "known: adi, uchida"),
        ("nosuch", ["uchida", "adi"], "known: adi, uchida"),  # three letters in common are not near
        ("zzz", [f"n{i:02}" for i in range(20)], "known: " + ", ".join(f"n{i:02}" for i in range(12)) + ", ..."),
        ("zzz", [], ""),
    ],
)
def test_the_hint_names_what_is_near_or_what_is_known(name: str, known: list[str], hint: str) -> None:
    assert naming.suggest(name, known) == hint


def test_one_of_a_kind_is_no_plural():
    said = [naming.counted(count, *words) for count in (0, 1, 1200) for words in (("row",), ("copy", "copies"))]
    assert said == ["0 rows", "0 copies", "1 row", "1 copy", "1,200 rows", "1,200 copies"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


def test_a_module_of_the_working_folder_is_imported(folder: Path) -> None:
    (folder / "mine_for_naming.py").write_text("answer = 42\n")
    assert naming.import_object("mine_for_naming:answer") == 42
    del sys.modules["mine_for_naming"]


@pytest.mark.parametrize(
    "reference", ["", "json", ":dumps", "json:", ".json:dumps", "no_such_module_here:x", "json.nothing:x", "json:dumqs"]
)
@pytest.mark.usefixtures("folder")
def test_a_reference_to_nothing_is_refused(reference: str) -> None:
    with pytest.raises(UsageError, match="expected"):
        naming.import_object(reference)


@pytest.mark.usefixtures("folder")
def test_a_near_name_in_the_module_is_suggested() -> None:
    with pytest.raises(UsageError) as caught:
        naming.import_object("json:dumqs")
    assert "dumps" in caught.value.hint
