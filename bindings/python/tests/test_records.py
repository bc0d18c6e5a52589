"""Records are values: frozen, equal, hashable, picklable, and complete."""

from __future__ import annotations

import copy
import json
import pickle
import socket
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from conftest import PORTS, until

import portkeeper
from portkeeper import Keeper


@pytest.fixture
def records(keeper: Keeper, tmp_path: Path, port: int) -> Iterator[list[Any]]:
    """One record of every class that can be had without a foreign process."""
    row = keeper.reserve(port, "shop", description="d", tags=["a", "b"], metadata={"n": [1, 2.5, None, True, {}]})
    listener = socket.create_server(("127.0.0.1", port))
    peer = socket.create_connection(("127.0.0.1", port))
    accepted, _ = listener.accept()
    lease = keeper.lease("tests", range=PORTS, strategy="random")
    scan = keeper.scan()
    document = keeper.export(name="kept")
    saved = keeper.configuration(keeper.configurations()[0].id)
    imported = keeper.import_(document, dry_run=True)
    now = datetime.now(timezone.utc)
    holder = keeper.holder_at(port, now)
    state = keeper.check(port)
    terms = lease.reservations[0].lease
    assert holder is not None
    assert terms is not None
    assert terms.owner is not None
    assert state.listeners[0].remote is None
    entry = keeper.history(port)[0]
    peer.close()
    accepted.close()
    listener.close()
    stale = until(lambda: keeper.scan() and keeper.stale(timedelta()))
    yield [
        row,
        terms,
        terms.owner,
        state,
        state.listeners[0],
        state.listeners[0].processes[0],
        entry,
        holder,
        stale[0],
        keeper.summary(),
        keeper.projects()[0],
        scan,
        scan.changes[0],
        keeper.kill(port),
        document,
        document.ports[0],
        saved,
        saved.configuration,
        imported,
        imported.ports[0],
        keeper.backup(tmp_path / "backup.db"),
        keeper.restore(tmp_path / "backup.db"),
        keeper.prune(),
        keeper.compact(),
        keeper.stats(),
        portkeeper.Project.detect(tmp_path),
    ]
    lease.release()


def properties(record: object) -> list[str]:
    return [name for name, value in vars(type(record)).items() if type(value).__name__ == "getset_descriptor"]


def test_every_record_is_a_value(records: list[Any]) -> None:
    for record in records:
        other = pickle.loads(pickle.dumps(record))
        assert type(other) is type(record)
        assert other == record
        assert hash(other) == hash(record)
        assert copy.deepcopy(record) == record
        assert record != "something else"
        assert (record == object()) is False
        text = repr(record)
        assert text.startswith(f"{type(record).__name__}(")
        # What is documented as JSON is JSON.
        assert json.loads(json.dumps(record.to_dict())) == record.to_dict()
        for name in properties(record):
            with pytest.raises(AttributeError):
                setattr(record, name, None)
            value = getattr(record, name)
            if isinstance(value, datetime):
                assert value.tzinfo is timezone.utc
        with pytest.raises(AttributeError):
            record.something = 1
        with pytest.raises(TypeError):
            type(record)()


def test_a_reservation_in_every_form(keeper: Keeper) -> None:
    before = datetime.now(timezone.utc) - timedelta(seconds=2)
    row = keeper.reserve(21000, "shop", tags=["a", "a", "b"], metadata={"team": "α", "n": -1.5}, adopt=True)
    assert (row.number, row.project_name, row.status, row.description) == (21000, "shop", "reserved", None)
    assert row.tags == ["a", "b"]
    assert row.metadata == {"team": "α", "n": -1.5}
    assert before <= row.reserved_at <= datetime.now(timezone.utc)
    assert row.lease is None
    assert row.role is None
    assert row.owner is None
    # Lists are copies: changing one changes nothing.
    row.tags.append("c")
    assert row.tags == ["a", "b"]
    assert list(row.to_dict()) == [
        "autoRelease",
        "description",
        "lastSeenAt",
        "lease",
        "metadata",
        "number",
        "pid",
        "processName",
        "projectName",
        "reservedAt",
        "status",
        "tags",
        "updatedAt",
    ]
    assert row.to_dict()["reservedAt"] == row.reserved_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert keeper.get(21000) == row
    assert keeper.reserve(21000, "shop", tags=["z"], adopt=True) != row
    assert len({row, keeper.get(21000)}) == 2


def test_a_state_says_who_listens(keeper: Keeper, port: int) -> None:
    assert keeper.check(port).is_free
    assert str(keeper.check(port)) == f"port {port}: free"
    with socket.create_server(("127.0.0.1", port)):
        state = keeper.check(port)
        assert (state.status, state.verdict, state.is_free, state.project) == ("free", "listening", False, None)
        (listener,) = state.listeners
        assert state.sockets == [listener]
        assert (listener.address, listener.protocol, listener.state, listener.owner) == (
            "127.0.0.1",
            "tcp",
            "listen",
            "known",
        )
        assert state.pid == listener.pid == listener.processes[0].pid
        assert str(listener).endswith("listening on 127.0.0.1 (tcp)")
        assert str(state) == f"port {port}: {listener}"
    until(lambda: keeper.check(port).is_free)
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", port))
        state = keeper.check(port)
        assert state.verdict == "bound"
        assert state.listeners == []


def test_the_next_free_port(keeper: Keeper) -> None:
    free = keeper.next_free(21000)
    assert free is not None
    assert free > 21000
    keeper.reserve(free, "shop")
    assert keeper.next_free(21000) != free
    assert keeper.next_free(65535) is None


def test_history_is_paged_by_entry_and_by_place(keeper: Keeper) -> None:
    for number in range(5):
        keeper.reserve(21000 + number, "shop", adopt=True)
    page = keeper.history(limit=2)
    assert [entry.port for entry in page] == [21004, 21003]
    rest = keeper.history(before=page[-1])
    assert [entry.port for entry in rest] == [21002, 21001, 21000]
    assert keeper.history(before=(page[-1].performed_at, page[-1].id)) == rest
    assert keeper.history(21001, action="reserved", project="shop", limit=1)[0].performed_by == "tests"
    # Any time zone names the same moment.
    east = page[0].performed_at.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert keeper.history(since=east, until=east)[0] == page[0]
