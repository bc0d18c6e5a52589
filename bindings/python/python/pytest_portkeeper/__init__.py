"""Ports for tests: each one yours alone, also beside other workers, other runs and a dev server.

The plugin is on as soon as the package is installed. It does nothing, and imports nothing, until a test uses
one of its fixtures.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from pytest_portkeeper import _report
from pytest_portkeeper._session import PortkeeperWarning, Session, Settings

if TYPE_CHECKING:
    from portkeeper import Keeper, Socket

__all__ = ["PortFactory", "PortkeeperWarning", "WaitReady"]

_SESSION = pytest.StashKey[Session]()
_HELD = pytest.StashKey[dict[int, str]]()
_USED = pytest.StashKey[list[dict[str, Any]]]()
_LOST = pytest.StashKey[list[str]]()
_SESSION_FIXTURES = ("session_port", "session_port_factory")


class PortFactory:
    """Gives a port for each call; all of them are given back together at the end of the fixture's scope."""

    def __init__(self, session: Session, user: str, held: dict[int, str]) -> None:
        # Now, and not by the first call: calls may come from several threads.
        self._pool = session.pool
        self._worker = session.settings.worker
        self._user = user
        self._held = held
        self._ports: list[int] = []

    def __call__(self, name: str | None = None) -> int:
        """A leased free port. The name says what for, to people who look."""
        user = f"{self._user} {name}" if name else self._user
        return self._take(user, name or f"port {len(self._ports) + 1}")

    def _take(self, user: str, purpose: str) -> int:
        port = self._pool.take(user, self._worker)
        self._ports.append(port)
        self._held[port] = purpose
        return port

    @property
    def ports(self) -> list[int]:
        """The ports so far, in the order of the calls."""
        return list(self._ports)

    def _give_back(self) -> None:
        for port in self._ports:
            self._pool.give_back(port)
        self._ports.clear()


class WaitReady(Protocol):
    """Waits until a server listens on a port, and fails when it is somebody else's."""

    def __call__(self, port: int, *, timeout: float | timedelta = 10.0, pid: int | None = None) -> Socket:
        """Returns the listening socket of this process, of one of its children, or of `pid`."""


@pytest.fixture
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    """A leased free port for this test alone; for servers with and without SO_REUSEADDR, until the session has half
    of the range in TIME-WAIT (a warning says so)."""
    factory = _factory(request.node, request.config)
    yield factory._take(factory._user, "port")
    factory._give_back()


@pytest.fixture
def port_factory(request: pytest.FixtureRequest) -> Iterator[PortFactory]:
    """A function that returns another leased free port at each call, given back after the test."""
    factory = _factory(request.node, request.config)
    yield factory
    factory._give_back()


@pytest.fixture(scope="session")
def session_port(request: pytest.FixtureRequest) -> Iterator[int]:
    """A leased free port until the end of the session; each xdist worker has its own."""
    factory = _factory(request.session, request.config)
    yield factory._take(factory._user, "session_port")
    factory._give_back()


@pytest.fixture(scope="session")
def session_port_factory(request: pytest.FixtureRequest) -> Iterator[PortFactory]:
    """As port_factory, with ports that are given back at the end of the session."""
    factory = _factory(request.session, request.config)
    yield factory
    factory._give_back()


@pytest.fixture(scope="session")
def port_keeper(pytestconfig: pytest.Config) -> Iterator[Keeper]:
    """The registry that the ports come from; the tests' own access to it, which they may even close."""
    with pytestconfig.stash[_SESSION].opened() as keeper:
        yield keeper


@pytest.fixture(scope="session")
def wait_ready(pytestconfig: pytest.Config) -> WaitReady:
    """Waits until a server listens on a port, and fails with its name when it is somebody else's."""
    session = pytestconfig.stash[_SESSION]

    def wait_ready(port: int, *, timeout: float | timedelta = 10.0, pid: int | None = None) -> Socket:
        __tracebackhide__ = True
        return session.keeper.wait_ready(port, timeout=timeout, pid=pid)

    return wait_ready


def _factory(node: pytest.Item | pytest.Session, config: pytest.Config) -> PortFactory:
    session = config.stash[_SESSION]
    if isinstance(node, pytest.Session):
        user = "session"
    else:
        user = node.nodeid
        session.tests.add(user)
    return PortFactory(session, user, node.stash.setdefault(_HELD, {}))


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("portkeeper", "ports for tests")
    for name, metavar, text in (
        ("range", "FIRST-LAST", "ports to choose from; by default 3000-9999 without the ephemeral ones"),
        ("database", "FILE", "registry of ports; by default the user's, which other runs and dev servers share"),
    ):
        group.addoption(f"--portkeeper-{name}", metavar=metavar, help=text)
        parser.addini(f"portkeeper_{name}", text, default="")
    text = "every server of these tests sets SO_REUSEADDR: ports with closed connections are used again at once"
    parser.addini("portkeeper_reuse_address", text, type="bool", default=False)
    group.addoption("--portkeeper-report", action="store_true", help="print which ports the run used")
    parser.addini("portkeeper_project", "whose the ports are; by default what the root folder is called", default="")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_SESSION] = Session(Settings.of(config))
    config.stash[_USED] = []
    config.stash[_LOST] = []


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if not session.config.getoption("portkeeper_report"):
        return
    used = session.config.stash[_SESSION].used()
    if used is None:
        return
    session.config.stash[_USED].append(used)
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["portkeeper"] = used


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """An xdist worker has ended."""
    output = getattr(node, "workeroutput", None)
    if output is None:
        node.config.stash[_LOST].append(node.gateway.id)
    elif "portkeeper" in output:
        node.config.stash[_USED].append(output["portkeeper"])


def pytest_unconfigure(config: pytest.Config) -> None:
    session = config.stash.get(_SESSION, None)
    if session is not None:
        session.close()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    # A test that is run again has other ports than the last time.
    if _HELD in item.stash:
        del item.stash[_HELD]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    session = item.config.stash[_SESSION]
    if report.failed and session.is_used:
        ports: dict[int, str] = {}
        nodes: list[pytest.Item | pytest.Session] = [item]
        if any(name in getattr(item, "fixturenames", ()) for name in _SESSION_FIXTURES):
            nodes.append(item.session)
        for node in nodes:
            held = node.stash.get(_HELD, None)
            if held is not None:
                ports.update(held)
        if ports:
            report.sections.append(("ports", _report.held(session, ports)))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.getoption("portkeeper_report"):
        _report.summary(terminalreporter, config.stash[_USED], config.stash[_LOST])
