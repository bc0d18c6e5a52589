"""A few leased ports, handed out to one test after the other.

A lease for each test would write two entries a test into the history of the registry, for ever. So a worker
leases ports for as long as it runs, and gives each one to many tests in turn: two entries a port and session,
however many tests there are. It begins with one port, and takes an eighth more when none is ready. So a session
has the ports that its tests needed at once, those whose closed connections the kernel still keeps (for a minute),
and a few more: what its busiest minute needs, and never more than the range has.

Before a port is handed out again the machine is asked whether a server could bind it, with and without
`SO_REUSEADDR`. One that a test left listening, or in TIME-WAIT, rests until that is over. No more than a share of
the range rests in TIME-WAIT at once: from then on ports are used again early, if every server of the session so
far did set `SO_REUSEADDR`, which binds them all the same.
"""

from __future__ import annotations

import os
import secrets
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from portkeeper import Keeper, Lease

# As many ports as are claimed at once, at most: a claim takes time by its number of ports.
LARGEST_BLOCK = 8
# How long a port rests that could not be bound, before it is looked at again.
REST = 1.0
# How many ports of each kind that rest are looked at for one test, at most.
LOOKS = 4
# How long a test waits for a port of its own session to come back where the range has no other.
LAST = 1.0
# A socket that was closed may live for a moment, while somebody reads `/proc`.
MOMENT = 0.1


@dataclass
class Port:
    """One port of the pool."""

    number: int
    lease: Lease
    user: str = ""
    role: str | None = None
    asked: float = 0.0
    """When it was last looked at without being bindable."""
    was_taken: bool = False
    """Whether something was there already the last time."""


@dataclass
class Pool:
    """The ports of one process. A forked child begins with none."""

    keeper: Keeper
    project: str
    range: tuple[int, int] | None
    share: int
    """How many ports may be in TIME-WAIT at once; 0 where every server is known to set `SO_REUSEADDR`."""
    warn: Callable[[str], None]
    left: list[tuple[int, str, str]] = field(default_factory=list)
    handed_out: int = 0

    def __post_init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        # A role is one port of its project, and pids are equal in two containers that share a home.
        self._run = secrets.token_hex(3)
        self._lock = threading.RLock()
        self._all: dict[int, Port] = {}
        self._ready: deque[Port] = deque()
        # Only closed connections are in the way, and not of a server that sets `SO_REUSEADDR`.
        self._cooling: deque[Port] = deque()
        # Something else is.
        self._occupied: deque[Port] = deque()
        self._unnamed: list[Port] = []
        # Whether a server of this session did not set `SO_REUSEADDR`.
        self._is_plain = False
        self._has_warned = False

    @property
    def leased(self) -> int:
        """How many ports are leased."""
        return len(self._all)

    def take(self, user: str, worker: str) -> int:
        """A port that a server can bind, for this user of it alone until it is given back."""
        if self._pid != os.getpid():
            # A fork has copies of its parent's leases, whose ports it must not hand out.
            self._begin()
        with self._lock:
            self.handed_out += 1
            role = _role(user, f"{worker}, pid {self._pid}, #{self._run}.{self.handed_out}")
            while True:
                port = self._next()
                try:
                    is_mine = self._name(port, role)
                except BaseException:
                    self._ready.appendleft(port)
                    raise
                if is_mine:
                    port.user, port.was_taken = user, False
                    return port.number

    def give_back(self, number: int) -> None:
        """The user does not need the port any more; others get it as late as possible."""
        if self._pid != os.getpid():
            return
        with self._lock:
            port = self._all.get(number)
            if port is not None:
                self._ready.append(port)
                self._unnamed.append(port)

    def look(self) -> None:
        """Finds out what was left behind on ports that nobody has taken since."""
        with self._lock:
            for port in list(self._ready):
                if not is_bindable(port.number):
                    self._ready.remove(port)
                    self._rest(port)
            again = [port for port in self._occupied if port.user]
            if again:
                time.sleep(MOMENT)
            for port in again:
                self._occupied.remove(port)
                self._rest(port)

    def close(self) -> None:
        """Releases every port. One that cannot be given back is no reason to fail a run."""
        from portkeeper._leases import end

        if self._pid != os.getpid():
            return
        with self._lock:
            leases = list({id(port.lease): port.lease for port in self._all.values()}.values())
            self._begin()
        end(leases)

    def _next(self) -> Port:
        for _ in range(len(self._ready)):
            port = self._ready.popleft()
            if is_bindable(port.number):
                return port
            self._rest(port)
        now = time.monotonic()
        for queue in (self._cooling, self._occupied):
            for _ in range(min(LOOKS, len(queue))):
                if queue[0].asked + REST > now:
                    break
                port = queue.popleft()
                if is_bindable(port.number):
                    return port
                self._rest(port)
        return self._early() or self._grown()

    def _rest(self, port: Port) -> None:
        port.asked = time.monotonic()
        if is_bindable(port.number, reuse=True):
            port.was_taken = False
            self._cooling.append(port)
            return
        self._occupied.append(port)
        if port.user:
            self._ask(port)

    def _ask(self, port: Port) -> None:
        """Finds out what is on a port that even a server with `SO_REUSEADDR` cannot bind."""
        from portkeeper import PortkeeperError

        try:
            state = self.keeper.check(port.number)
            is_trace, who = state.verdict == "time-wait", str(state).partition(": ")[2]
        except PortkeeperError as error:
            is_trace, who = False, str(error)
        if is_trace:
            self._is_plain = True
        elif port.was_taken:
            # Not merely about to end: somebody should know.
            self.left.append((port.number, port.user, who))
        else:
            port.was_taken = True
            return
        port.user = ""

    def _early(self) -> Port | None:
        """A port in TIME-WAIT, where enough of them are."""
        if self._is_plain or len(self._cooling) < self.share:
            return None
        for _ in range(min(LOOKS, len(self._cooling))):
            port = self._cooling.popleft()
            if is_bindable(port.number, reuse=True):
                self._tell(
                    port, f"{len(self._cooling)} others rest already, which is this process's share of the range"
                )
                return port
            self._rest(port)
        return None

    def _grown(self) -> Port:
        from portkeeper import RangeExhaustedError

        count = min(max(1, len(self._all) // 8), LARGEST_BLOCK)
        while True:
            try:
                new = self._leased(count)
            except RangeExhaustedError:
                if count == 1:
                    return self._last_resort()
                count //= 2
                continue
            usable = None
            for port in new:
                # The engine's probe, like most servers, is not hindered by closed connections.
                if usable is None and is_bindable(port.number):
                    usable = port
                else:
                    self._ready.append(port)
            if usable is not None:
                return usable
            for port in new:
                self._ready.remove(port)
                self._rest(port)

    def _leased(self, count: int) -> list[Port]:
        lease = self.keeper.lease(self.project, count=count, range=self.range, strategy="random")
        new = [Port(number, lease) for number in lease.ports]
        self._all.update((port.number, port) for port in new)
        return new

    def _last_resort(self) -> Port:
        from portkeeper import RangeExhaustedError

        deadline = time.monotonic() + LAST
        while True:
            for queue in (self._cooling, self._occupied):
                for port in queue:
                    if is_bindable(port.number, reuse=True):
                        queue.remove(port)
                        self._tell(port, "every other port of the range is taken")
                        return port
            try:
                return self._leased(1)[0]
            except RangeExhaustedError:
                # It says what holds the range.
                if not (self._cooling or self._occupied) or time.monotonic() > deadline:
                    raise
            time.sleep(MOMENT)

    def _tell(self, port: Port, why: str) -> None:
        if self.share > 0 and not self._has_warned and not is_bindable(port.number):
            self._has_warned = True
            self.warn(
                f"port {port.number} is handed out although closed connections keep it for up to a minute, as others "
                f"may be from now on: a server that does not set SO_REUSEADDR cannot bind it ({why}). Name a larger "
                "range with portkeeper_range"
            )

    def _name(self, port: Port, role: str) -> bool:
        """Says in the registry what the port is for now, and whether it still is this worker's."""
        from portkeeper import InvalidInputError, PortNotFoundError, PortReservedError

        roles: dict[int, tuple[Lease, dict[int, str | None]]] = {}
        for other in self._unnamed:
            if other is not port and other.role is not None:
                roles.setdefault(id(other.lease), (other.lease, {}))[1][other.number] = None
        roles.setdefault(id(port.lease), (port.lease, {}))[1][port.number] = role
        for lease, named in roles.values():
            try:
                lease.set_roles(named)
            except (PortNotFoundError, PortReservedError, InvalidInputError):
                # Somebody released or took over a port of ours. The others are as good as before.
                if not self._own(named, lease, port, role):
                    return False
        # Not before: what failed is done the next time.
        for other in self._unnamed:
            other.role = None
        self._unnamed.clear()
        port.role = role
        return True

    def _own(self, named: dict[int, str | None], lease: Lease, wanted: Port, role: str) -> bool:
        """Drops the ports that are not this worker's any more; whether the wanted one still is."""
        from portkeeper import InvalidInputError, PortNotFoundError, PortReservedError

        is_mine = wanted.number not in named
        for number in named:
            try:
                lease.set_roles({number: role if number == wanted.number else None})
                is_mine = is_mine or number == wanted.number
            except (PortNotFoundError, PortReservedError, InvalidInputError):
                port = self._all.pop(number)
                for queue in (self._ready, self._cooling, self._occupied, self._unnamed):
                    if port in queue:
                        queue.remove(port)
        return is_mine


def _role(user: str, place: str) -> str:
    """At most 200 characters without control characters, as the registry takes them."""
    text = "".join(character if character.isprintable() else "-" for character in user)
    most = 200 - len(place) - 3
    if len(text) > most:
        # The end tells more: the test's name and its parameters.
        text = "…" + text[-(most - 1) :]
    return f"{text} [{place}]"


def _any_address() -> tuple[socket.AddressFamily, str]:
    """The address that stands for every one, as far as this machine has it."""
    if socket.has_dualstack_ipv6():
        try:
            with socket.socket(socket.AF_INET6) as probe:
                probe.bind(("::", 0))
            return socket.AF_INET6, "::"
        except OSError:
            pass
    return socket.AF_INET, "0.0.0.0"


_FAMILY, _ANY = _any_address()


def is_bindable(port: int, *, reuse: bool = False) -> bool:
    """Whether a server could bind the port on every address, for TCP and UDP.

    Nobody else may be about to bind it: without `SO_REUSEADDR` this would be in the way.
    """
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(_FAMILY, kind) as probe:
            if _FAMILY == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            if reuse and kind == socket.SOCK_STREAM and os.name == "posix":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if sys.platform == "win32":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
            try:
                probe.bind((_ANY, port))
            except OSError:
                return False
    return True
