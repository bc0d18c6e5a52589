"""Leases, holds and bound ports end with their block, with their object, or with their process."""

from __future__ import annotations

import gc
import os
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillRunning
from pathlib import Path

import pytest
from conftest import PORTS, Run, busy, until

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

            ends: list[str] = []
            began = threading.Barrier(4)

            def change(
                lease: portkeeper.Lease = lease, ends: list[str] = ends, began: threading.Barrier = began
            ) -> None:
                try:
                    lease.set_roles({lease.port: "x"})
                    began.wait(60)
                    while True:
                        lease.set_roles({lease.port: "x"})
                except portkeeper.PortkeeperError as error:
                    ends.append(str(error))

            threads = [threading.Thread(target=change) for _ in range(3)]
            for thread in threads:
                thread.start()
            began.wait(60)
            lease.release()
            for thread in threads:
                thread.join(60)
            # Nobody was told so while another thread was at it.
            assert ends == ['lease "" was released'] * 3
            assert keeper.list() == []


def test_a_release_that_fails_can_be_tried_again(path: Path) -> None:
    with Keeper(path, busy_timeout=0.1) as keeper:
        lease = keeper.lease("tests", range=PORTS)
        bound = keeper.bind("tests", range=PORTS)
        with busy(path):
            for guard in (lease, bound, lease, bound):
                with pytest.raises(portkeeper.DatabaseBusyError):
                    guard.release()
            assert "released" not in repr(lease) + repr(bound)
            with pytest.raises(portkeeper.DatabaseBusyError), lease:
                pass
        assert [row.number for row in keeper.list()] == sorted([lease.port, bound.port])
        lease.release()
        bound.release()
        assert repr(lease) == f"Lease(ports=[{lease.port}], released)"
        lease.release()
        bound.release()
        assert keeper.list() == []


def test_a_lease_that_another_thread_works_with_is_waited_for(path: Path) -> None:
    with (
        Keeper(path, busy_timeout=60) as keeper,
        keeper.lease("tests", range=PORTS) as lease,
        ThreadPoolExecutor(2) as pool,
    ):
        with socket.create_server(("127.0.0.1", lease.port)):
            with busy(path):
                working = pool.submit(lease.set_roles, {lease.port: "x"})
                with pytest.raises(StillRunning):
                    working.result(0.5)
                waiting = pool.submit(keeper.wait_ready, lease, timeout=60)
                # Not told that it was released.
                with pytest.raises(StillRunning):
                    waiting.result(0.5)
            assert waiting.result(60).pid == os.getpid()
        working.result(60)
        row = keeper.get(lease.port)
        assert row is not None
        assert row.role == "x"


def test_a_fork_does_not_keep_its_parents_port_bound(path: Path, python: Run) -> None:
    program = f"""
import os, socket, time, portkeeper
keeper = portkeeper.Keeper({str(path)!r})
port = keeper.request("tests", range={PORTS}, strategy="random")[0].number
ended, end = os.pipe()
with keeper.hold(port) as hold:
    pid = os.fork()
    if pid == 0:
        os.close(end)
        try:
            hold.lend()
        except portkeeper.UnsupportedError:
            os.read(ended, 1)
            os._exit(0)
        os._exit(1)
    with socket.socket() as plain:
        try:
            plain.bind(("127.0.0.1", port))
        except OSError:
            print("held")
# The child lives, and has nothing in the way of a server without SO_REUSEADDR.
deadline = time.monotonic() + 60
while True:
    with socket.socket() as plain:
        try:
            plain.bind(("127.0.0.1", port))
            break
        except OSError:
            assert time.monotonic() < deadline
os.close(end)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    assert python(program).stdout == "held\n0\n"


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


def plain_server(port: int) -> socket.socket:
    """One without `SO_REUSEADDR`, as soon as nothing is in its way."""

    def bound() -> socket.socket | None:
        server = socket.socket()
        try:
            server.bind(("127.0.0.1", port))
        except OSError:
            server.close()
            return None
        return server

    server = until(bound)
    server.listen()
    return server


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
        with plain_server(port):
            assert not hold.take_back()
        assert until(hold.take_back)
        assert keeper.check(port).verdict == "held"
    hold.release()
    with pytest.raises(portkeeper.InvalidInputError, match="was released"):
        hold.lend()
    assert keeper.check(port).verdict == "reserved"
    with pytest.raises(portkeeper.PortNotFoundError):
        keeper.hold(PORTS[0])


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
    until(lambda: keeper.scan() and not keeper.list())
    for number in numbers:
        entries = keeper.history(number)
        assert (entries[0].action, entries[-1].action) == ("released", "reserved")
        assert entries[0].details["reason"] == "its process ended"
        # The socket of the bound one may have been seen once more.
        assert len(entries) == 2 or number == numbers[3]


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
        until(lambda: keeper.scan() and not keeper.list())
