"""The pytest plugin, in pytest runs of its own."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import LOCK, PORTS, RANGE, until

from portkeeper import Keeper

INI = f"[pytest]\nportkeeper_range = {RANGE}\n"


@pytest.fixture
def registry(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's registry of the runs."""
    path = pytester.path / "user.db"
    monkeypatch.setenv("PORTKEEPER_DB_PATH", str(path))
    pytester.makeini(INI)
    return path


def run(pytester: pytest.Pytester, source: str, *arguments: str) -> pytest.RunResult:
    pytester.makepyfile(test_it=source)
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", *arguments)


def assert_empty(registry: Path) -> None:
    with Keeper(registry) as keeper:
        assert keeper.list() == []
        assert keeper.verify() == []


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
"""
    result = run(pytester, source)
    result.assert_outcomes(failed=2, passed=2, errors=2)
    text = result.stdout.str()
    assert text.count("- ports -") == 3
    assert re.search(r"^\d+  port: python\S* \(pid \d+\) listening on 127.0.0.1 \(tcp\)$", text, re.M), text
    assert re.search(r"^\d+  database: nobody listens$", text, re.M)
    assert re.search(r"^\d+  session_port: nobody listens$", text, re.M)
    parallel = run(pytester, source, "-n", "2")
    assert parallel.stdout.str().count("- ports -") == 3


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
    # A quarter of the range, the one in use, and what the last growth brought.
    assert 20 <= leased(result) <= 24
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


def test_a_socket_is_probed_as_a_server_would_bind_it(port: int) -> None:
    from pytest_portkeeper._pool import is_bindable

    assert is_bindable(port)
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"), (socket.AF_INET, "127.0.0.2")):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(family, kind) as holder:
                holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                holder.bind((address, port))
                assert not is_bindable(port), (address, kind)
            until(lambda: is_bindable(port))
