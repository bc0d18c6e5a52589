"""`pick_unused_port()` for programs that used `portpicker`: a port that stays theirs."""

from __future__ import annotations

import atexit
import os
import threading

from portkeeper._leases import end
from portkeeper._portkeeper import Keeper, Lease, Project

_lock = threading.Lock()
_keeper: Keeper | None = None
_leases: dict[int, Lease | str | None] = {}


def pick_unused_port(pid: int | None = None, *, project: str | None = None) -> int:
    """A free port that nobody else is given until this process ends, or returns it.

    Between this call and the server's bind the port is leased: no other process that asks the registry gets
    it, and it lies outside the range from which the kernel gives ports to `bind(0)`. With `pid` it belongs to
    that process instead, such as a server that was started already. The project is that of the working
    directory by default.
    """
    keeper, project = _open(), project or Project.detect().id
    if pid is not None and pid != os.getpid():
        claim = keeper.request(project, strategy="random", owned_by=pid)[0]
        port = claim.number
        _leases[port] = claim.lease.id if claim.lease else None
    else:
        lease = keeper.lease(project, strategy="random")
        port = lease.port
        _leases[port] = lease
    return port


def return_port(port: int) -> None:
    """Gives back a port of `pick_unused_port`. Others, and a parent's in a forked child, are left alone."""
    lease = _leases.get(port)
    if isinstance(lease, Lease):
        lease.release()
    elif isinstance(lease, str):
        # Its process may have ended, and the port be somebody else's by now.
        claim = _open().get(port)
        if claim is not None and claim.lease is not None and claim.lease.id == lease:
            _open().release(port)
    # Not before: what failed can be tried again. Another thread may have been given the port meanwhile.
    if lease is not None and _leases.get(port) is lease:
        del _leases[port]


def is_port_free(port: int) -> bool:
    """Whether nobody has claimed the port and a server could bind it, for TCP and UDP."""
    return _open().check(port).is_free


def _open() -> Keeper:
    global _keeper
    with _lock:
        if _keeper is None:
            _keeper = Keeper()
        return _keeper


@atexit.register
def _return_all() -> None:
    leases = [lease for lease in _leases.values() if isinstance(lease, Lease)]
    _leases.clear()
    end(leases)


def _forget() -> None:
    """In a forked child: the leases are its parent's, and the lock may be held by nobody."""
    global _lock
    _lock = threading.Lock()
    _leases.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
