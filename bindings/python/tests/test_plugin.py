"""The pytest plugin, in pytest runs of its own: its fixtures, options and reports."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import INI, LOCK, PORTS, assert_empty, run, until

from portkeeper import Keeper


def test_a_run_that_needs_no_port_knows_nothing_of_it(pytester: pytest.Pytester, registry: Path) -> None:
    source = """
import sys
def test_it():
    assert "pytest_portkeeper" in sys.modules
    assert not {"portkeeper", "pytest_portkeeper._pool"} & set(sys.modules)
"""
    result = run(pytester, source, "-v")
    result.assert_outcomes(passed=1)
    assert not registry.exists()
    assert "portkeeper" not in result.stdout.str().partition("test session starts")[2].replace("plugins:", "").replace(
        "portkeeper-engine", ""
    )
    shown = run(pytester, source, "--portkeeper-report")
    shown.stdout.fnmatch_lines(["*= ports =*", "no test needed a port"])
    assert not registry.exists()


def test_a_port_is_the_tests_alone_and_says_so(pytester: pytest.Pytester, registry: Path) -> None:
    source = """
import os, socket, socketserver
import pytest

class Plain(socketserver.TCPServer):
    allow_reuse_address = False

class Reusing(socketserver.TCPServer):
    allow_reuse_address = True

@pytest.mark.parametrize("server", [Plain, Reusing, Plain, Reusing])
@pytest.mark.parametrize("closes_first", ["server", "client"])
def test_it(port, port_keeper, server, closes_first):
    assert type(port) is int and 20000 <= port <= 29999
    row = port_keeper.get(port)
    assert row.project_name == "my-project"
    assert row.role.startswith("test_it.py::test_it[") and row.role.count(f"[main, pid {os.getpid()}, #") == 1
    assert row.owner.pid == os.getpid()
    with server(("127.0.0.1", port), socketserver.BaseRequestHandler) as listening:
        client = socket.create_connection(("127.0.0.1", port))
        accepted, _ = listening.socket.accept()
        first, second = (accepted, client) if closes_first == "server" else (client, accepted)
        first.close(); second.recv(1); second.close()
"""
    pytester.makefile(".toml", pyproject='[project]\nname = "my-project"\n')
    result = run(pytester, source, "-p", "no:randomly")
    result.assert_outcomes(passed=8)
    assert_empty(registry)
    with Keeper(registry) as keeper:
        assert {entry.performed_by for entry in keeper.history()} != {None}
        assert all(re.fullmatch(r"pytest \(pid \d+\)", entry.performed_by or "") for entry in keeper.history())


def test_a_factory_gives_as_many_as_are_asked_for(pytester: pytest.Pytester, registry: Path) -> None:
    source = """
import threading

def test_many(port, port_factory, session_port, session_port_factory, port_keeper):
    named = port_factory("db")
    ports = [port_factory() for _ in range(30)]
    found = []
    threads = [threading.Thread(target=lambda: found.append(port_factory())) for _ in range(8)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    every = [port, named, session_port, session_port_factory("broker"), *ports, *found]
    assert len(set(every)) == 42 == len(every)
    assert port_factory.ports[:2] == [named, ports[0]] and len(port_factory.ports) == 39
    assert "test_it.py::test_many db [" in port_keeper.get(named).role
    assert port_keeper.get(session_port).role.startswith("session")
    assert all(port_keeper.check(number).verdict == "reserved" for number in every)

def test_the_sessions_port_stays(session_port, session_port_factory, port_factory, port_keeper):
    assert session_port_factory.ports[0] != session_port
    assert port_keeper.get(session_port).role.startswith("session")
    assert session_port not in [port_factory() for _ in range(50)]
"""
    run(pytester, source).assert_outcomes(passed=2)
    assert_empty(registry)


def test_a_failing_test_says_who_has_its_ports(pytester: pytest.Pytester, registry: Path) -> None:
    source = """
import socket, subprocess, sys
import pytest

@pytest.fixture
def server(port):
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)]
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    yield server
    server.kill(); server.wait()

def test_call(port, server, wait_ready, port_factory, session_port):
    assert wait_ready(port).pid == server.pid
    port_factory("database")
    assert False

@pytest.fixture
def broken(port): raise ValueError
def test_setup(broken): pass

@pytest.fixture
def broken_later(port):
    yield
    raise ValueError
def test_teardown(broken_later): pass
def test_without(): assert False
def test_passes(port): pass
def test_closed(port):
    with socket.create_server(("127.0.0.1", port)) as server:
        client = socket.create_connection(("127.0.0.1", port))
        accepted, _ = server.accept()
        accepted.close(); client.recv(1); client.close()
    assert False
"""
    result = run(pytester, source)
    result.assert_outcomes(failed=3, passed=2, errors=2)
    text = result.stdout.str()
    assert text.count("- ports -") == 4
    assert re.search(r"^\d+  port: python\S* \(pid \d+\) listening on 127.0.0.1 \(tcp\)$", text, re.M), text
    assert re.search(r"^\d+  database: nobody listens$", text, re.M)
    assert re.search(r"^\d+  session_port: nobody listens$", text, re.M)
    assert re.search(r"^\d+  port: nobody listens, but closed connections keep it from servers", text, re.M), text
    parallel = run(pytester, source, "-n", "2")
    assert parallel.stdout.str().count("- ports -") == 4


def test_the_wrong_listener_is_named(pytester: pytest.Pytester, registry: Path) -> None:
    stranger = Path(__file__).parents[3] / "tests" / "conformance" / "stranger.py"
    source = f"""
import subprocess, sys
import portkeeper, pytest

def test_it(port, wait_ready):
    stranger = subprocess.Popen(["python3", {str(stranger)!r}, str(port)], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, text=True)
    pid = int(stranger.stdout.readline())
    try:
        with pytest.raises(portkeeper.WrongListenerError) as caught: wait_ready(port)
        assert caught.value.pid == pid
        assert wait_ready(port, pid=pid).pid == pid
        wait_ready(port, timeout=5)
    finally:
        stranger.communicate()

def test_nobody(port, wait_ready):
    wait_ready(port, timeout=0.1)
"""
    result = run(pytester, source)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "*WrongListenerError: port * is answered by someone else: python3 (pid *) listening on 127.0.0.1 (tcp)",
            "*PortkeeperTimeoutError: listening on port * did not happen within * ms",
        ]
    )
    # The helper itself is not part of the story.
    assert "session.keeper.wait_ready" not in result.stdout.str()


def test_options_of_the_command_line_go_before_those_of_the_file(pytester: pytest.Pytester, registry: Path) -> None:
    source = """
def test_it(port, port_keeper, pytestconfig):
    assert FIRST <= port <= FIRST + 99
    assert port_keeper.path == (pytestconfig.rootpath / "other.db").resolve()
    assert port_keeper.get(port).project_name == "of-the-file"
"""
    source = source.replace("FIRST", str(PORTS[0]))
    pytester.makeini(INI + "portkeeper_database = ini.db\nportkeeper_project = of-the-file\n")
    options = [f"--portkeeper-range={PORTS[0]}-{PORTS[0] + 99}", "--portkeeper-database", "other.db"]
    run(pytester, source, *options).assert_outcomes(passed=1)
    run(pytester, source, *options, "-n", "1").assert_outcomes(passed=1)
    assert not registry.exists()
    assert not (pytester.path / "ini.db").exists()
    refused = run(pytester, source, "--portkeeper-range=many")
    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    refused.stderr.fnmatch_lines(["*portkeeper_range 'many' is no range such as 20000-29999"])


def test_a_test_that_closes_its_keeper_does_no_harm(pytester: pytest.Pytester, registry: Path) -> None:
    source = """
import socket
def test_closes(port, port_keeper):
    with port_keeper: assert port_keeper.get(port).role
def test_goes_on(port, port_factory, wait_ready):
    with socket.create_server(("127.0.0.1", port_factory())) as server:
        wait_ready(server.getsockname()[1])
"""
    run(pytester, source).assert_outcomes(passed=2)
    assert_empty(registry)


def test_a_report_that_cannot_be_made_fails_no_run(pytester: pytest.Pytester, registry: Path) -> None:
    source = """
import errno
from pytest_portkeeper import _pool
def test_it(port):
    def is_bindable(port, *, reuse=False): raise OSError(errno.EMFILE, "too many open files")
    _pool.is_bindable = is_bindable
"""
    result = run(pytester, source, "--portkeeper-report")
    result.assert_outcomes(passed=1)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["main: 1 ports for 1 tests, 1 leased, 2 history entries"])


def test_a_busy_registry_does_not_hold_a_run_up(pytester: pytest.Pytester, registry: Path) -> None:
    source = f"""
import subprocess, sys
def test_it(port_factory, port_keeper):
    for _ in range(12): port_factory()
    command = [sys.executable, "-c", {LOCK!r}, str(port_keeper.path), "BEGIN IMMEDIATE"]
    test_it.writer = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert test_it.writer.stdout.readline().strip() == "locked"
"""
    begin = time.monotonic()
    result = run(pytester, source)
    seconds = time.monotonic() - begin
    result.assert_outcomes(passed=1)
    assert result.ret == 0
    # One of the leases is tried for ten seconds; all of them would be two minutes.
    assert seconds < 60
    with Keeper(registry) as keeper:
        until(lambda: keeper.scan() and not keeper.list())


@pytest.mark.parametrize(("signals", "workers"), [("INT", "0"), ("KILL", "0"), ("INT", "2"), ("KILL", "2")])
def test_ports_come_back_after_ctrl_c_and_a_crash(
    pytester: pytest.Pytester, registry: Path, signals: str, workers: str
) -> None:
    pytester.makepyfile(
        test_it="""
import sys, time
def test_it(port, port_factory, session_port):
    port_factory()
    with open("waits", "a") as file: file.write("x\\n")
    time.sleep(600)
"""
    )
    arguments = ["-p", "no:cacheprovider"] + (["-n", workers] if workers != "0" else [])
    waits = pytester.path / "waits"
    os.mkfifo(waits)
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=pytester.path,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
    )
    assert waits.read_text() == "x\n"
    with Keeper(registry) as keeper:
        assert len(keeper.list()) >= 3
        # As a terminal does it, everybody in the foreground gets it.
        os.killpg(process.pid, signal.Signals[f"SIG{signals}"])
        process.wait(60)
        # Workers may end a moment after their controller. Only who was killed leaves work to a sweep.
        if signals == "KILL" or workers != "0":
            until(lambda: keeper.scan() and not keeper.list())
        assert keeper.list() == []


def test_types_are_checked(pytester: pytest.Pytester) -> None:
    source = """
from pytest_portkeeper import PortFactory, WaitReady
from portkeeper import Keeper

def test_it(port: int, port_factory: PortFactory, wait_ready: WaitReady, port_keeper: Keeper) -> None:
    number: int = port_factory("db")
    socket = wait_ready(number, timeout=1.0)
    pid: int | None = socket.pid
    port_keeper.check(pid or port)
"""
    path = pytester.makepyfile(source)
    output = subprocess.run([sys.executable, "-m", "mypy", "--strict", str(path)], capture_output=True, text=True)
    assert output.returncode == 0, output.stdout


def test_threads_may_come_first(pytester: pytest.Pytester, registry: Path) -> None:
    source = """
import threading

def test_it(port_factory, port_keeper):
    together, found = threading.Barrier(8), []
    def take():
        together.wait(60)
        found.append(port_factory())
    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    assert len(set(found)) == 8
    assert all("test_it.py::test_it" in port_keeper.get(number).role for number in found)

def test_again(port_factory):
    # They are this pool's, and come back.
    ports = [port_factory() for _ in range(8)]
    assert len(set(ports)) == 8
"""
    result = run(pytester, source, "--portkeeper-report")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["main: 16 ports for 2 tests, *"])
    assert_empty(registry)


def test_a_test_that_is_run_again_tells_of_its_new_ports_only(pytester: pytest.Pytester, registry: Path) -> None:
    # As pytest-rerunfailures does it.
    pytester.makeconftest(
        """
from _pytest.runner import runtestprotocol

def pytest_runtest_protocol(item, nextitem):
    for _ in range(3):
        item._initrequest()
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
    for report in reports: item.ihook.pytest_runtest_logreport(report=report)
    return True
"""
    )
    source = """
import socket
left = []
def test_it(port):
    left.append(socket.create_server(("127.0.0.1", port)))
    assert False
"""
    result = run(pytester, source)
    result.assert_outcomes(failed=1)
    assert len(re.findall(r"^\d+  port: ", result.stdout.str(), re.M)) == 1
