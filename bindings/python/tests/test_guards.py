"""Leases, holds and bound ports end with their block, with their object, or with their process."""

from __future__ import annotations

import gc
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from conftest import PORTS, Run

import portkeeper
from portkeeper import Keeper


def test_a_lease_ends_with_its_block(keeper: Keeper) -> None:
    with keeper.lease("tests", roles=["web", "api"], range=PORTS, strategy="random") as lease:
        web, api = lease.ports
        assert lease.port == web
        assert [row.role for row in lease.reservations] == ["web", "api"]
        owner = lease.reservations[0].owner
        assert owner is not None
        assert owner.pid == os.getpid()
        assert {keeper.check(number).project for number in (web, api)} == {"tests"}
        with pytest.raises(portkeeper.PortReservedError) as refusal:
            keeper.lease("tests", roles=["web"])
        assert refusal.value.pid == os.getpid()
    assert keeper.list() == []
    lease.release()
    assert repr(lease) == f"Lease(ports=[{web}, {api}], released)"
    with pytest.raises(portkeeper.InvalidInputError, match="was released"):
        keeper.wait_ready(lease)


def test_a_lease_ends_with_its_last_reference(keeper: Keeper) -> None:
    lease = keeper.lease("tests", range=PORTS)
    number = lease.port
    del lease
    gc.collect()
    assert keeper.check(number).is_free


def test_a_failing_block_gives_the_ports_back(keeper: Keeper) -> None:
    with pytest.raises(ZeroDivisionError), keeper.lease("tests", range=PORTS):
        _ = 1 / 0
    assert keeper.list() == []


def test_a_pool_changes_its_roles_without_history(keeper: Keeper) -> None:
    with keeper.lease("tests", count=2, range=PORTS) as pool:
        a, b = pool.ports
        for test in range(50):
            pool.set_roles({a: f"test {test}", b: None})
        row = keeper.get(a)
        assert row is not None
        assert row.role == "test 49"
        assert len(keeper.history()) == 2
        with pytest.raises(portkeeper.PortInvalidError):
            pool.set_roles({70000: "x"})
    with pytest.raises(portkeeper.InvalidInputError, match="was released"):
        pool.set_roles({a: "x"})
    assert len(keeper.history()) == 4


def test_a_pool_that_is_released_while_its_roles_change(path: Path) -> None:
    # Threads that use one lease at once end with a released port, whoever comes first.
    with Keeper(path) as keeper:
        for _ in range(20):
            lease = keeper.lease("tests", range=PORTS)

            def change(lease: portkeeper.Lease = lease) -> None:
                try:
                    while True:
                        lease.set_roles({lease.port: "x"})
                except portkeeper.PortkeeperError:
                    return

            threads = [threading.Thread(target=change) for _ in range(3)]
            for thread in threads:
                thread.start()
            lease.release()
            for thread in threads:
                thread.join(60)
                assert not thread.is_alive()
            assert keeper.list() == []


def test_a_bound_port_is_a_real_listening_socket(keeper: Keeper) -> None:
    with keeper.bind("tests", roles=["web"], range=PORTS, strategy="random") as bound:
        assert isinstance(bound.socket, socket.socket)
        assert bound.socket.getsockname() == ("127.0.0.1", bound.port)
        assert bound.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
        assert bound.fileno() == bound.socket.fileno()
        assert not bound.socket.get_inheritable()
        assert (bound.reservation.number, bound.reservation.role) == (bound.port, "web")
        assert keeper.wait_ready(bound).pid == os.getpid()
        client = socket.create_connection(("127.0.0.1", bound.port))
        accepted, _ = bound.socket.accept()
        accepted.sendall(b"hello")
        assert client.recv(5) == b"hello"
        client.close()
        accepted.close()
    assert bound.socket.fileno() == -1
    assert keeper.list() == []
    with pytest.raises(portkeeper.InvalidInputError, match="a socket has one port"):
        keeper.bind("tests", count=2)


def test_a_socket_is_handed_to_a_child(keeper: Keeper) -> None:
    server = "import socket, sys; s = socket.socket(fileno=int(sys.argv[1])); c, _ = s.accept(); c.sendall(b'child')"
    with keeper.bind("tests", range=PORTS, strategy="random") as bound:
        child = subprocess.Popen([sys.executable, "-c", server, str(bound.fileno())], pass_fds=[bound.fileno()])
        with socket.create_connection(("127.0.0.1", bound.port), timeout=60) as client:
            assert client.recv(5) == b"child"
        assert child.wait(60) == 0


def test_a_hold_keeps_strangers_off(keeper: Keeper, port: int) -> None:
    keeper.reserve(port, "shop")
    with keeper.hold(port) as hold:
        assert hold.port == port
        assert keeper.check(port).verdict == "held"
        with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
            stranger.bind(("127.0.0.1", port))
        with socket.create_server(("127.0.0.1", port)):
            assert keeper.wait_ready(hold).pid == os.getpid()
        hold.lend()
        with socket.socket() as plain:
            plain.bind(("127.0.0.1", port))
            plain.listen()
            assert not hold.take_back()
        assert hold.take_back()
        assert keeper.check(port).verdict == "held"
    hold.release()
    with pytest.raises(portkeeper.InvalidInputError, match="was released"):
        hold.lend()
    assert keeper.check(port).verdict == "reserved"
    with pytest.raises(portkeeper.PortNotFoundError):
        keeper.hold(port + 1 if port < PORTS[1] else PORTS[0])


def test_claims_of_a_process_end_with_it(keeper: Keeper, path: Path, python: Run) -> None:
    program = f"""
import os, sys, portkeeper
keeper = portkeeper.Keeper({str(path)!r})
lease = keeper.lease("tests", range={PORTS}, count=3)
bound = keeper.bind("tests", range={PORTS})
kept = keeper.request("tests", range={PORTS}, auto_release=True)
print(*lease.ports, bound.port, kept[0].number, flush=True)
os._exit(0)
"""
    numbers = [int(number) for number in python(program).stdout.split()]
    assert len(numbers) == 5
    changes = keeper.scan().changes
    assert [change.port for change in changes] == sorted(numbers)
    assert {(change.from_, change.to) for change in changes} == {("reserved", "free")}
    assert keeper.list() == []


def test_objects_that_live_at_the_end_of_the_interpreter(path: Path, python: Run) -> None:
    program = f"""
import portkeeper
keeper = portkeeper.Keeper({str(path)!r})
lease = keeper.lease("tests", range={PORTS})
hold_on = [lease, keeper.bind("tests", range={PORTS})]
hold_on.append(hold_on)
"""
    assert python(program).stderr == ""
    with Keeper(path) as keeper:
        keeper.scan()
        assert keeper.list() == []
