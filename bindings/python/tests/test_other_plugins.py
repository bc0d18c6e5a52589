"""Plugins that ask for a port get one of ours: with the line that the README tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from portkeeper import Keeper


def test_pytest_httpserver(pytester: pytest.Pytester, registry: Path) -> None:
    pytester.makeconftest(
        """
import pytest

@pytest.fixture(scope="session")
def httpserver_listen_address(session_port):
    return "127.0.0.1", session_port
"""
    )
    pytester.makepyfile(
        """
import os, urllib.request
import pytest

@pytest.mark.parametrize("number", range(10))
def test_it(httpserver, session_port, port_keeper, number):
    httpserver.expect_request("/").respond_with_data(str(number))
    assert httpserver.port == session_port
    assert urllib.request.urlopen(httpserver.url_for("/")).read() == str(number).encode()
    state = port_keeper.check(session_port)
    assert state.project and state.listeners[0].pid == os.getpid()
"""
    )
    pytester.runpytest_subprocess("-n", "4").assert_outcomes(passed=10)
    with Keeper(registry) as keeper:
        assert keeper.list() == []


def test_mirakuru(pytester: pytest.Pytester, registry: Path) -> None:
    pytester.makepyfile(
        """
import sys
import pytest
from mirakuru import HTTPExecutor, TCPExecutor

@pytest.mark.parametrize("kind", ["tcp", "http"])
def test_it(port, wait_ready, kind):
    command = f"{sys.executable} -m http.server --bind 127.0.0.1 {port}"
    if kind == "tcp":
        executor = TCPExecutor(command, host="127.0.0.1", port=port, timeout=60)
    else:
        executor = HTTPExecutor(command, url=f"http://127.0.0.1:{port}/", timeout=60)
    with executor:
        assert wait_ready(port).pid is not None
        wait_ready(port, pid=executor.process.pid)
"""
    )
    pytester.runpytest_subprocess("-n", "2").assert_outcomes(passed=2)
    with Keeper(registry) as keeper:
        assert keeper.list() == []


def test_portpicker_style_factories(pytester: pytest.Pytester, registry: Path) -> None:
    # As pytest-postgresql's `factories.postgresql_proc(port=...)`: the port is needed at import.
    pytester.makeconftest(
        """
import socket
import portkeeper as portpicker
import pytest

def server_proc(port):
    @pytest.fixture(scope="session")
    def process():
        with socket.create_server(("127.0.0.1", port)) as server:
            yield server
    return process

one_proc = server_proc(portpicker.pick_unused_port())
other_proc = server_proc(portpicker.pick_unused_port())
"""
    )
    pytester.makepyfile(
        """
def test_it(one_proc, other_proc, wait_ready):
    ports = [each.getsockname()[1] for each in (one_proc, other_proc)]
    assert len(set(ports)) == 2
    for port in ports: wait_ready(port)
"""
    )
    pytester.runpytest_subprocess("-n", "2").assert_outcomes(passed=1)
    with Keeper(registry) as keeper:
        assert keeper.list() == []
