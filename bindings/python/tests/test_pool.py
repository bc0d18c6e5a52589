"""Which port a test is handed, and how many a run leases."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest
from conftest import INI, PORTS, Run, assert_empty, busy, run, until

from portkeeper import DatabaseBusyError, Keeper
from pytest_portkeeper._pool import Pool, is_bindable


def test_thousands_of_tests_write_a_handful_of_entries(pytester: pytest.Pytester, registry: Path) -> None:
    source = """
import pytest
@pytest.mark.parametrize("number", range(2000))
def test_it(port, number): pass
"""
    result = run(pytester, source, "--portkeeper-report", "-q")
    result.assert_outcomes(passed=2000)
    result.stdout.fnmatch_lines(["main: 2000 ports for 2000 tests, 1 leased, 2 history entries"])
    with Keeper(registry) as keeper:
        assert len(keeper.history()) == 2


def test_a_port_that_still_listens_is_nobodys(pytester: pytest.Pytester, registry: Path) -> None:
    source = """
import socket, subprocess, sys
import pytest
left = []

@pytest.mark.parametrize("step", range(6))
def test_it(port, wait_ready, step):
    with pytest.raises(OSError): socket.create_connection(("127.0.0.1", port))
    assert port not in [number for number, _ in left]
    if step % 2:
        server = socket.create_server(("0.0.0.0", port), backlog=1)
        left.append((port, server))
    else:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        udp.bind(("127.0.0.1", port))
        left.append((port, udp))
"""
    result = run(pytester, source, "--portkeeper-report")
    result.assert_outcomes(passed=6)
    text = result.stdout.str()
    for step in range(6):
        assert re.search(rf"^\d+  left behind by test_it.py::test_it\[{step}\]: .*listening on", text, re.M), text


def test_an_exhausted_range_says_what_holds_it(pytester: pytest.Pytester, registry: Path, port: int) -> None:
    with Keeper(registry) as keeper:
        keeper.reserve(port, "somebody")
    source = "def test_it(port): pass"
    result = run(pytester, source, f"--portkeeper-range={port}-{port}")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*RangeExhaustedError: 0 of 1 ports can be had in {port}..={port}: *"])


def test_a_small_range_is_used_up_to_its_last_port(pytester: pytest.Pytester, registry: Path, port: int) -> None:
    # Closed connections keep the only port: servers that set SO_REUSEADDR go on, and a warning says so.
    source = """
import socket, pytest
@pytest.mark.parametrize("step", range(3))
def test_it(port, step):
    with socket.create_server(("127.0.0.1", port)) as server:
        client = socket.create_connection(("127.0.0.1", port))
        accepted, _ = server.accept()
        accepted.close(); client.recv(1); client.close()
"""
    result = run(pytester, source, f"--portkeeper-range={port}-{port}", "--portkeeper-report")
    # Once is enough.
    result.assert_outcomes(passed=3, warnings=1)
    result.stdout.fnmatch_lines(["*PortkeeperWarning: port * although closed connections keep it*"])
    assert "left behind" not in result.stdout.str()


SERVES = """
import socket, pytest

@pytest.mark.parametrize("step", range(60))
def test_it(port, step):
    server = socket.socket()
    if step >= PLAIN:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", port))
    with server:
        server.listen()
        client = socket.create_connection(("127.0.0.1", port))
        accepted, _ = server.accept()
        accepted.close(); client.recv(1); client.close()
"""


def leased(result: pytest.RunResult) -> int:
    """How many ports the sixty tests leased."""
    found = re.search(r"^main: 60 ports for 60 tests, (\d+) leased", result.stdout.str(), re.M)
    assert found is not None, result.stdout.str()
    return int(found[1])


def test_a_run_keeps_no_more_than_its_share_in_time_wait(pytester: pytest.Pytester, registry: Path) -> None:
    arguments = [f"--portkeeper-range={PORTS[0]}-{PORTS[0] + 79}", "--portkeeper-report"]
    result = run(pytester, SERVES.replace("PLAIN", "0"), *arguments)
    result.assert_outcomes(passed=60, warnings=1)
    # Half of the range, the one in use, what the last growth brought, and others where somebody read `/proc` just
    # when a listener was closed.
    assert 40 <= leased(result) < 55
    assert "left behind" not in result.stdout.str()


def test_a_run_whose_servers_set_reuseaddr_needs_a_handful(pytester: pytest.Pytester, registry: Path) -> None:
    pytester.makeini(INI + "portkeeper_reuse_address = true\n")
    result = run(pytester, SERVES.replace("PLAIN", "0"), "--portkeeper-report")
    result.assert_outcomes(passed=60)
    # One, and another where somebody read `/proc` just when a listener was closed.
    assert leased(result) <= 5
    # Who promised too much gets a fresh port from then on.
    result = run(pytester, SERVES.replace("PLAIN", "1"), "--portkeeper-report")
    result.assert_outcomes(passed=60)
    assert leased(result) >= 60


def test_servers_without_reuseaddr_get_a_fresh_port_each(pytester: pytest.Pytester, registry: Path) -> None:
    # Beyond the share, too: the run has seen that it must.
    arguments = [f"--portkeeper-range={PORTS[0] + 100}-{PORTS[0] + 179}", "--portkeeper-report"]
    result = run(pytester, SERVES.replace("PLAIN", "2"), *arguments)
    result.assert_outcomes(passed=60)
    assert 60 <= leased(result) <= 80
    # What the kernel keeps of a closed connection is nothing that a test left behind.
    assert "left behind" not in result.stdout.str()


def test_a_port_that_somebody_took_away_is_not_handed_out(pytester: pytest.Pytester, registry: Path) -> None:
    source = """
import portkeeper
seen = []

def test_first(port_factory, port_keeper):
    seen.extend(port_factory() for _ in range(4))
    assert len(set(seen)) == 4

def test_somebody_else():
    with portkeeper.Keeper() as other:
        for port in seen[:3]:
            other.release(port)
            other.reserve(port, "somebody")

def test_second(port_factory, port_keeper):
    ports = [port_factory() for _ in range(4)]
    assert set(ports) & set(seen) == {seen[3]}
    assert all(port_keeper.get(port).project_name != "somebody" for port in ports)
"""
    result = run(pytester, source)
    result.assert_outcomes(passed=3)
    with Keeper(registry) as keeper:
        assert [row.project_name for row in keeper.list()] == ["somebody"] * 3


def test_a_forked_child_takes_ports_of_its_own(pytester: pytest.Pytester, registry: Path) -> None:
    source = """
import os
def test_it(port, port_factory, port_keeper):
    port_factory()
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(write, str(port_factory()).encode())
        finally:
            os._exit(0)
    os.close(write)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    child = int(os.read(read, 100))
    assert child not in [port_factory() for _ in range(10)]
"""
    run(pytester, source).assert_outcomes(passed=1)
    with Keeper(registry) as keeper:
        until(lambda: keeper.scan() and not keeper.list())
    assert_empty(registry)


def pool_of(keeper: Keeper) -> Pool:
    """A pool without a run of pytest around it."""
    return Pool(keeper, "tests", PORTS, share=0, warn=pytest.fail)


def test_a_port_that_cannot_be_given_back_keeps_no_other(path: Path, python: Run) -> None:
    with Keeper(path) as keeper:
        pool = pool_of(keeper)
        first, *others = [pool.take(f"user {number}", "main") for number in range(3)]
        # Each has a lease of its own, and somebody else sees to it that the first one's has no second entry.
        program = """
import sqlite3, sys
sqlite3.connect(sys.argv[1]).execute(f"CREATE UNIQUE INDEX own ON port_history (port) WHERE port = {sys.argv[2]}")
"""
        python(program, path, first)
        pool.close()
        assert [row.number for row in keeper.list()] == [first]
        entries = [(entry.port, entry.details["reason"]) for entry in keeper.history(action="released")]
        assert sorted(entries) == sorted((number, "its lease was given back") for number in others)


def test_a_name_that_could_not_be_taken_back_is_so_the_next_time(path: Path) -> None:
    with Keeper(path, busy_timeout=0.1) as keeper:
        pool = pool_of(keeper)
        ports = [pool.take(f"user {number}", "main") for number in range(4)]
        for number in ports:
            pool.give_back(number)
        with busy(path), pytest.raises(DatabaseBusyError):
            pool.take("nobody", "main")
        # What somebody took over meanwhile is not asked for its name again, either.
        for number in ports[1:3]:
            keeper.release(number)
            keeper.reserve(number, "somebody")
        assert pool.take("next", "main") == ports[0]
        roles = {row.number: row.role for row in keeper.list(project="tests")}
        assert roles.keys() == {ports[0], ports[3]}
        assert (roles[ports[0]] or "").startswith("next [")
        assert roles[ports[3]] is None
        assert pool.take("another", "main") == ports[3]


def test_a_socket_is_probed_as_a_server_would_bind_it(port: int) -> None:
    assert is_bindable(port)
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"), (socket.AF_INET, "127.0.0.2")):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(family, kind) as holder:
                holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                holder.bind((address, port))
                assert not is_bindable(port), (address, kind)
            until(lambda: is_bindable(port))
