"""A registry in an SQLite file and on a real PostgreSQL server: the same promises, and what either refuses."""

import dataclasses
import os
import sqlite3
import stat
import tracemalloc

import postgres
import pytest
import sqlalchemy

from modelmark.copies import database
from modelmark.copies.registry import Copy, Registry
from modelmark.errors import MalformedError, MismatchError, MissingPackageError, UsageError
from modelmark.key.draw import Draw

ROOT, DRAW = "ab" * 32, Draw(bytes(32))


@pytest.fixture(scope="module")
def running():
    with postgres.server() as address:
        yield address


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request, tmp_path):
    """A place for a registry that is not there yet."""
    if request.param == "sqlite":
        return tmp_path / "s.copies"
    address = request.getfixturevalue("running")
    with database.opened(address).begin() as connection:
        for table in ("modelmark_registry", "modelmark_copies"):
            connection.execute(sqlalchemy.text(f"drop table if exists {table}"))
    return address


def row(name, digest="cd" * 32):
    return Copy(name, DRAW.of(name).seed.hex(), digest, "2026-01-01T00:00:00Z")


def begun(place, *names):
    registry = Registry(place, make=True)
    registry.bind(ROOT, DRAW, make=True)
    for name in names:
        registry.add(row(name))
    return place


def test_rows_come_back_as_they_were_written(place):
    begun(place, "Zoë", "Ada", "李四", 'Bob\'s "best"; drop table modelmark_copies; --')
    registry = Registry(place)
    registry.bind(ROOT, DRAW)
    assert registry.count() == 4
    assert sorted(registry.copies(), key=lambda one: one.recipient) == sorted(
        map(row, registry.recipients(DRAW)), key=lambda one: one.recipient
    )
    assert registry.find("Zoë") == row("Zoë")
    assert registry.find("Zoe") is None
    registry.remove("Ada")
    assert registry.count() == 3


def test_a_recipient_has_one_row(place):
    registry = Registry(begun(place, "Ada"))
    with pytest.raises(UsageError, match="Ada got one a moment ago"):
        registry.add(row("Ada", "ef" * 32))
    assert registry.find("Ada") == row("Ada")


def test_it_is_of_one_key_and_one_draw(place):
    registry = Registry(begun(place, "Ada"))
    for make in (False, True):
        with pytest.raises(MismatchError, match="is that of another"):
            registry.bind("cd" * 32, DRAW, make=make)
        with pytest.raises(MismatchError, match="expected the draw"):
            registry.bind(ROOT, Draw(bytes(32), "timestamp", b"token"), make=make)


def test_there_is_none_until_the_first_row(place):
    registry = Registry(place, make=True)
    registry.bind(ROOT, DRAW, make=True)
    assert registry.find("Ada") is None
    with pytest.raises(MalformedError, match="found none"):
        Registry(place)


def test_it_is_locked_while_another_process_writes(place, monkeypatch):
    monkeypatch.setattr(database, "PATIENCE", 0.2)
    begun(place, "Ada")
    other = database.opened(place)
    registry = Registry(place)
    with other.connect() as holding:
        if isinstance(place, str):
            holding.execute(sqlalchemy.text("lock table modelmark_copies in access exclusive mode"))
        else:
            holding.exec_driver_sql("begin exclusive")
        for act in (lambda: registry.add(row("Bob")), lambda: registry.find("Ada"), lambda: [*registry.copies()]):
            with pytest.raises(UsageError, match="another process holds it"):
                act()
        holding.rollback()
        registry.add(row("Bob"))
        assert registry.count() == 2


def test_thousands_are_read_a_page_at_a_time(place):
    begun(place, "Ada")
    rows = [dataclasses.asdict(row(f"customer {number}")) for number in range(5000)]
    engine = database.opened(place)
    with engine.begin() as connection:
        table = sqlalchemy.Table("modelmark_copies", sqlalchemy.MetaData(), autoload_with=connection)
        connection.execute(sqlalchemy.insert(table), rows)
    registry = Registry(place)
    next(iter(registry.copies()))
    tracemalloc.start()
    count = sum(1 for _ in registry.copies())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 5001
    assert peak < 2.5e6  # all of them at once are 5 MB and more


@pytest.mark.parametrize("damage", [b"garbage" * 1000, b"SQLite format 3\0" + bytes(4000)])
def test_a_damaged_file_is_said_and_left_alone(damage, tmp_path):
    path = tmp_path / "s.copies"
    path.write_bytes(damage)
    for make in (False, True):
        with pytest.raises((MalformedError, UsageError), match="expected"):
            Registry(path, make=make)
    assert path.read_bytes() == damage


def test_a_damaged_page_is_said(tmp_path):
    path = begun(tmp_path / "s.copies", *(f"customer {number}" for number in range(100)))
    data = bytearray(path.read_bytes())
    data[-2048:] = os.urandom(2048)
    for start in range(4096, len(data), 4096):
        data[start : start + 64] = bytes(64)
    path.write_bytes(data)
    registry = Registry(path)
    with pytest.raises(MalformedError, match="damaged"):
        registry.recipients(DRAW)


def test_another_database_is_no_registry(tmp_path):
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("create table accounts (name text)")
    for make in (False, True):
        with pytest.raises(MalformedError, match="something else"):
            Registry(path, make=make)


def test_an_empty_file_is_no_registry(tmp_path):
    """SQLite takes it for an empty database, and all rows of a truncated registry would be forgotten in silence."""
    (tmp_path / "s.copies").touch()
    with pytest.raises(MalformedError, match="got an empty file"):
        Registry(tmp_path / "s.copies", make=True)


def test_a_later_version_is_not_written_to(tmp_path):
    path = begun(tmp_path / "s.copies", "Ada")
    with sqlite3.connect(path) as connection:
        connection.execute("update modelmark_registry set version = 2")
    registry = Registry(path)
    with pytest.raises(MalformedError, match="something else"):
        registry.bind(ROOT, DRAW, make=True)


def test_a_folder_is_no_registry_and_none_is_made_without_one(tmp_path):
    with pytest.raises(UsageError, match="unable to open"):
        Registry(tmp_path, make=True)
    with pytest.raises(UsageError, match="is not one"):
        Registry(tmp_path / "none" / "s.copies", make=True)


def test_a_registry_that_may_only_be_read_is_read(tmp_path):
    path = begun(tmp_path / "s.copies", "Ada")
    path.chmod(stat.S_IRUSR)
    registry = Registry(path)
    database_only_read(registry)
    assert registry.recipients(DRAW) == ["Ada"]
    with pytest.raises(UsageError, match=r"readonly|read-only"):
        registry.add(row("Bob"))


def database_only_read(registry):
    """Root may write whatever the mode says; SQLite itself is told not to."""
    sqlalchemy.event.listen(
        registry._engine, "connect", lambda connection, _: connection.execute("pragma query_only=on")
    )


def test_the_password_of_an_address_is_never_shown(running, monkeypatch):
    with pytest.raises(MalformedError) as refused:
        Registry(running.replace("/postgres", "/template1"))
    assert "secret-word" not in str(refused.value) + refused.value.hint
    with pytest.raises(UsageError, match=r"refused|connection failed") as gone:
        Registry("postgresql://owner:secret-word@127.0.0.1:1/none")
    assert "secret-word" not in str(gone.value)
    assert database.named("postgresql://owner:secret-word@127.0.0.1:1/none") == "127.0.0.1/none"


@pytest.mark.parametrize("address", ["mysql://u@h/d", "sqlite:///x.db", "nonsense", "postgresql", "http://host:port/x"])
def test_other_addresses_are_refused(address):
    with pytest.raises(UsageError, match="expected --database postgresql://USER@HOST/NAME"):
        Registry(address)


def test_without_the_driver_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)
    with pytest.raises(MissingPackageError) as refused:
        Registry("postgresql://owner@127.0.0.1:1/none")
    assert "modelmark[postgres]" in refused.value.hint


def execute(place, command):
    with database.opened(place).begin() as connection:
        connection.execute(sqlalchemy.text(command))


def test_rows_without_a_key_are_no_new_registry(place):
    """The old rule took the rows over for whoever issued next."""
    execute(begun(place, "Ada", "Bob"), "delete from modelmark_registry")
    with pytest.raises(MalformedError, match="damaged"):
        Registry(place, make=True).bind("cd" * 32, DRAW, make=True)
    execute(place, "delete from modelmark_copies")
    Registry(place, make=True).bind("cd" * 32, DRAW, make=True)


def test_tables_without_a_row_become_the_registry_of_the_first_key(place):
    execute(begun(place, "Ada"), "delete from modelmark_registry")
    execute(place, "delete from modelmark_copies")
    registry = Registry(place, make=True)
    registry.bind("cd" * 32, DRAW, make=True)
    registry.add(row("Bob"))
    with pytest.raises(MismatchError, match="is that of another"):
        Registry(place).bind(ROOT, DRAW)


@pytest.mark.parametrize(
    "damage", ["digest = 'x'", "date = 'yesterday'", f"draw = '{'ef' * 32}'", "recipient = 'Bob '"]
)
def test_a_damaged_row_of_somebody_else_stops_the_next_copy(damage, place):
    execute(begun(place, "Ada", "Bob", "Cleo"), f"update modelmark_copies set {damage} where recipient = 'Bob'")
    registry = Registry(place, make=True)
    assert registry.find("Ada") == row("Ada")  # which is all that the old rule looked at
    with pytest.raises(MalformedError, match="damaged"):
        registry.bind(ROOT, DRAW, make=True)


def test_an_index_that_lacks_a_row_stops_the_next_copy(tmp_path):
    """A recipient who is not in the index is not found, and would get a second row."""
    path = begun(tmp_path / "s.copies", *(f"customer {number}" for number in range(5)))
    with sqlite3.connect(path) as connection:
        (page,) = connection.execute(
            "select rootpage from sqlite_master where name like '%autoindex_modelmark_copies%'"
        )
        (size,) = connection.execute("pragma page_size").fetchone()
    data = bytearray(path.read_bytes())
    start = (page[0] - 1) * size
    data[start + 3 : start + 5] = (4).to_bytes(2, "big")  # one cell fewer
    path.write_bytes(data)
    with pytest.raises(MalformedError, match="damaged"):
        Registry(path, make=True).bind(ROOT, DRAW, make=True)


def test_a_listing_asks_for_the_key_and_not_for_its_draw(place):
    registry = Registry(begun(place, "Ada"))
    registry.bind(ROOT, None)
    with pytest.raises(MismatchError, match="is that of another"):
        registry.bind("cd" * 32, None)
    execute(place, "update modelmark_registry set version = 2")
    with pytest.raises(MalformedError, match="something else"):
        registry.bind(ROOT, None)
