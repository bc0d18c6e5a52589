"""A wrong type is a TypeError; a wrong value goes to the engine, which names it."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

import pytest
from conftest import PORTS

import portkeeper
from portkeeper import Keeper

NOW = datetime.now(timezone.utc)

TYPES: list[Callable[[Any], object]] = [
    lambda keeper: keeper.check(True),
    lambda keeper: keeper.check("3000"),
    lambda keeper: keeper.check(3000.0),
    lambda keeper: keeper.check(None),
    lambda keeper: keeper.check(),
    lambda keeper: keeper.check(3000, 3001),
    lambda keeper: keeper.check(prot=3000),
    lambda keeper: keeper.reserve(3000),
    lambda keeper: keeper.reserve(3000, 5),
    lambda keeper: keeper.reserve(3000, "shop", tag="x"),
    lambda keeper: keeper.reserve(3000, "shop", "a description"),
    lambda keeper: keeper.reserve(3000, "shop", tags="abc"),
    lambda keeper: keeper.reserve(3000, "shop", tags=[1]),
    lambda keeper: keeper.reserve(3000, "shop", metadata=[1]),
    lambda keeper: keeper.reserve(3000, "shop", metadata="{}"),
    lambda keeper: keeper.reserve(3000, "shop", metadata={1: 2}),
    lambda keeper: keeper.reserve(3000, "shop", metadata={"a": NOW}),
    lambda keeper: keeper.reserve(3000, "shop", metadata={"a": {b"b": 1}}),
    lambda keeper: keeper.reserve(3000, "shop", adopt="yes"),
    lambda keeper: keeper.release(),
    lambda keeper: keeper.release("3000"),
    lambda keeper: keeper.release([3000, "3001"]),
    lambda keeper: keeper.release(3000, project="shop"),
    lambda keeper: keeper.request("shop", roles="web"),
    lambda keeper: keeper.request("shop", roles=[1]),
    lambda keeper: keeper.request("shop", count="2"),
    lambda keeper: keeper.request("shop", range=range(1, 5)),
    lambda keeper: keeper.request("shop", range=(1, 2, 3)),
    lambda keeper: keeper.request("shop", range=(1.0, 2)),
    lambda keeper: keeper.request("shop", ttl="1 h"),
    lambda keeper: keeper.request("shop", ttl=True),
    lambda keeper: keeper.request("shop", strategy=1),
    lambda keeper: keeper.bind("shop", address=5),
    lambda keeper: keeper.history(since="2026-01-01"),
    lambda keeper: keeper.history(since=NOW.date()),
    lambda keeper: keeper.history(before=5),
    lambda keeper: keeper.history(before=("x", 1)),
    lambda keeper: keeper.history(limit=1.5),
    lambda keeper: keeper.wait_ready("3000"),
    lambda keeper: keeper.wait_ready(3000, 5),
    lambda keeper: keeper.import_(),
    lambda keeper: keeper.import_({}, json="{}"),
    lambda keeper: keeper.import_("{}"),
    lambda keeper: keeper.backup(5),
    lambda keeper: keeper.backup("x.db", progress=5),
    lambda keeper: keeper.dump(5),
    lambda keeper: Keeper(5),  # type: ignore[arg-type]
    lambda keeper: Keeper(pth="x"),  # type: ignore[call-arg]
]

VALUES: list[tuple[str, str, Callable[[Any], object]]] = [
    ("PORT_INVALID", "port 0 is not in 1..=65535", lambda keeper: keeper.check(0)),
    ("PORT_INVALID", f"port {2**70} is not in 1..=65535", lambda keeper: keeper.check(2**70)),
    ("PORT_INVALID", f"port {-(2**70)} is not in 1..=65535", lambda keeper: keeper.release([-(2**70)])),
    ("PORT_INVALID", "port 65536 is not in", lambda keeper: keeper.request("shop", range=(1, 65536))),
    ("INVALID_INPUT", 'limit "-1" is negative', lambda keeper: keeper.history(limit=-1)),
    ("INVALID_INPUT", 'limit "4294967296" is too large', lambda keeper: keeper.history(limit=2**32)),
    ("INVALID_INPUT", 'number "1180591620717411303424" is too large', lambda keeper: keeper.configuration(2**70)),
    ("INVALID_INPUT", 'count "-1" is negative', lambda keeper: keeper.request("shop", count=-1)),
    ("INVALID_INPUT", 'duration "nan"', lambda keeper: keeper.request("shop", ttl=float("nan"))),
    ("INVALID_INPUT", 'duration "-1.5"', lambda keeper: keeper.wait_ready(3000, timeout=-1.5)),
    ("INVALID_INPUT", 'duration "-1 day', lambda keeper: keeper.stale(timedelta(seconds=-1))),
    ("INVALID_INPUT", "has no time zone", lambda keeper: keeper.holder_at(3000, datetime(2026, 1, 1))),
    ("INVALID_INPUT", 'address "here" is no IP address', lambda keeper: keeper.bind("shop", address="here")),
    ("INVALID_INPUT", "that JSON does not have", lambda keeper: keeper.reserve(1, "a", metadata={"a": float("nan")})),
    ("INVALID_INPUT", "more than 64 bits", lambda keeper: keeper.reserve(1, "a", metadata={"a": 2**64})),
    ("INVALID_INPUT", "is nested more than", lambda keeper: keeper.reserve(1, "a", metadata=nested())),
    ("IMPORT_INVALID", "version", lambda keeper: keeper.import_({})),
]


def nested() -> dict[str, Any]:
    endless: dict[str, Any] = {}
    endless["again"] = endless
    return endless


@pytest.mark.parametrize("number", range(len(TYPES)))
def test_a_wrong_type_is_a_type_error(keeper: Keeper, number: int) -> None:
    with pytest.raises(TypeError) as caught:
        TYPES[number](keeper)
    assert not isinstance(caught.value, portkeeper.PortkeeperError)
    assert keeper.history() == []


@pytest.mark.parametrize("number", range(len(VALUES)))
def test_a_wrong_value_is_named(keeper: Keeper, number: int) -> None:
    code, message, call = VALUES[number]
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        call(keeper)
    assert isinstance(caught.value, portkeeper.PortkeeperError)
    assert caught.value.code == code
    assert message in str(caught.value)
    assert keeper.history() == []


def test_text_that_is_no_utf_8_is_refused(keeper: Keeper) -> None:
    with pytest.raises(UnicodeEncodeError):
        keeper.reserve(3000, "\ud800")


class Index:
    """As the numbers of numpy."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __index__(self) -> int:
        return self.number


def test_whatever_python_takes_for_the_same_is_taken(keeper: Keeper, path: Path) -> None:
    assert keeper.check(Index(21000)).port == 21000  # type: ignore[arg-type]
    rows = keeper.request(
        "shop", roles=(role for role in ("a", "b")), range=PORTS, avoid={20000}, ttl=timedelta(hours=1)
    )
    assert [row.role for row in rows] == ["a", "b"]
    assert keeper.request("shop", count=1, range=PORTS, ttl=0.5)[0].lease is not None
    released = keeper.release(row.number for row in rows)
    assert sorted(row.number for row in rows) == [row.number for row in released]
    for address in ("127.0.0.1", "::1", IPv4Address("127.0.0.1"), IPv6Address("::1")):
        with keeper.bind("shop", address=address, range=PORTS) as bound:
            assert bound.socket.getsockname()[0] == str(address)
    for place in (str(path), path, Path(path)):
        with Keeper(place) as other:
            assert other.path == path.resolve()


def test_progress_is_told_and_may_stop(keeper: Keeper, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    keeper.backup(tmp_path / "a.db", progress=lambda *now: told.append(now))
    assert told[-1][0] == "backup"
    assert told[-1][1] == told[-1][2] > 0
    with pytest.raises(portkeeper.CancelledError, match="backup was stopped by its caller"):
        keeper.backup(tmp_path / "b.db", progress=lambda *now: False)
    assert not (tmp_path / "b.db").exists()

    def raises(operation: str, done: int, total: int) -> None:
        raise ZeroDivisionError(operation)

    with pytest.raises(ZeroDivisionError, match="compact"):
        keeper.compact(progress=raises)
    assert keeper.verify() == []


def test_a_dump_goes_to_a_path_or_a_file(keeper: Keeper, tmp_path: Path) -> None:
    keeper.reserve(21000, "shop", adopt=True)
    path = tmp_path / "dump.sql"
    keeper.dump(path)
    assert path.stat().st_mode & 0o777 == 0o600
    with io.BytesIO() as file:
        keeper.dump(file)
        assert file.getvalue() == path.read_bytes()
    with open(tmp_path / "raw.sql", "wb", buffering=0) as raw:
        keeper.dump(raw)
    assert (tmp_path / "raw.sql").read_bytes() == path.read_bytes()
    with pytest.raises(TypeError), io.StringIO() as text:
        keeper.dump(text)  # type: ignore[arg-type]
    # What is there stays, and be it the registry.
    for taken in (path, keeper.path, tmp_path):
        with pytest.raises(FileExistsError):
            keeper.dump(taken)
    assert keeper.verify() == []
    with pytest.raises(portkeeper.CancelledError):
        keeper.dump(tmp_path / "stopped.sql", progress=lambda *now: False)
    assert not (tmp_path / "stopped.sql").exists()
    with pytest.raises(FileNotFoundError):
        keeper.dump(tmp_path / "missing" / "dump.sql")
