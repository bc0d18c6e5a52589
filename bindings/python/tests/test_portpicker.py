"""`import portkeeper as portpicker`: a picked port is this process's until it ends."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Run, until

import portkeeper
from portkeeper import Keeper


@pytest.fixture
def user_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What `Keeper()` opens, in this process too."""
    monkeypatch.setenv("PORTKEEPER_DB_PATH", str(tmp_path / "user.db"))
    monkeypatch.setattr(portkeeper._portpicker, "_keeper", None)
    return tmp_path / "user.db"


def test_a_picked_port_is_leased_until_it_is_returned(user_registry: Path) -> None:
    import portkeeper as portpicker  # the one line that changes

    number = portpicker.pick_unused_port()
    with Keeper(user_registry) as keeper:
        row = keeper.get(number)
        assert row is not None
        assert row.project_name == portkeeper.Project.detect().id
        assert row.owner is not None
        assert row.owner.pid == os.getpid()
        assert not portpicker.is_port_free(number)
        others = {portpicker.pick_unused_port(project="other") for _ in range(20)}
        assert len(others | {number}) == 21
        with socket.create_server(("127.0.0.1", number)):
            pass
        for other in [number, *others]:
            portpicker.return_port(other)
        portpicker.return_port(number)
        assert keeper.list() == []


def test_a_port_is_picked_for_another_process(user_registry: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, text=True)
    number = portkeeper.pick_unused_port(pid=child.pid)
    returned = portkeeper.pick_unused_port(pid=child.pid)
    with Keeper(user_registry) as keeper:
        row = keeper.get(number)
        assert row is not None
        assert row.owner is not None
        assert row.owner.pid == child.pid
        portkeeper.return_port(returned)
        assert keeper.check(returned).is_free
        child.communicate("\n")
        until(lambda: keeper.scan() and not keeper.list())


def test_ports_come_back_at_the_end_of_the_process_and_not_of_its_fork(user_registry: Path, python: Run) -> None:
    program = """
import os, portkeeper
number = portkeeper.pick_unused_port(project="picker")
pid = os.fork()
if pid == 0:
    portkeeper.return_port(number)
    own = portkeeper.pick_unused_port(project="child")
    assert own != number
    raise SystemExit
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
with portkeeper.Keeper() as keeper:
    print([(row.number == number, row.project_name) for row in keeper.list()])
"""
    assert python(program).stdout == "[(True, 'picker')]\n"
    with Keeper(user_registry) as keeper:
        assert keeper.list() == []
        assert {entry.details["reason"] for entry in keeper.history(action="released")} == {"its lease was given back"}
