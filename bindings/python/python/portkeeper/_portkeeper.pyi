"""The engine. Import everything from `portkeeper` instead."""

import builtins
import os
import socket as _socket
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Protocol, TypeAlias, final, type_check_only

from typing_extensions import Self

__version__: Final[str]
ERROR_KINDS: Final[dict[str, int]]

_Seconds: TypeAlias = float | timedelta
_Path: TypeAlias = str | os.PathLike[str]
_Status: TypeAlias = Literal["free", "reserved", "in-use"]
_Action: TypeAlias = Literal["reserved", "released", "in-use", "killed"]
_Strategy: TypeAlias = Literal["lowest", "contiguous", "random", "stable"]
_Mode: TypeAlias = Literal["merge", "replace"]
_Durability: TypeAlias = Literal["full", "normal"]
_Progress: TypeAlias = Callable[[str, int, int], object]

@type_check_only
class _Writer(Protocol):
    def write(self, data: bytes, /) -> object: ...

@type_check_only
class _Record:
    """What every result is: immutable, equal by value, hashable, and picklable."""

    def to_dict(self) -> dict[str, Any]:
        """The record as documented JSON: column names as keys, times as RFC 3339 text."""
    def __hash__(self) -> int: ...

@final
class Keeper:
    """The registry of this machine's ports.

    Opens the user's registry: `PORTKEEPER_DB_PATH` where it is set, else `~/.portkeeper/database.db`.
    May be used from several threads, and after a fork. Leaving the `with` block closes it.

    A registry on a network or FUSE file system, which may lose what was acknowledged, is `UNSUPPORTED` unless
    `allow_network_file_system` allows it.
    """

    def __new__(
        cls,
        path: _Path | None = None,
        *,
        in_memory: bool = False,
        actor: str | None = None,
        durability: _Durability | None = None,
        busy_timeout: _Seconds | None = None,
        allow_network_file_system: bool = False,
    ) -> Self: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...
    def close(self) -> None:
        """Closes the registry. Leases, holds and bound ports go on until they are released."""
    @property
    def path(self) -> Path:
        """The file of the registry; `:memory:` for one without."""

    # One port at a time
    def check(self, port: int) -> PortState:
        """Says what a port is: whose, and who listens on it. Nothing is written."""
    def reserve(
        self,
        port: int,
        project: str,
        *,
        description: str | None = None,
        tags: Iterable[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        adopt: bool = False,
        suggest: bool = False,
    ) -> Reservation:
        """Claims a port for a project, or alters the project's claim; what is not mentioned stays.

        `adopt` claims it although somebody else's process listens there; `suggest` lets a refusal name
        the next free port.
        """
    def release(
        self,
        ports: int | Iterable[int] | None = None,
        *,
        project: str | None = None,
        only_of: str | None = None,
    ) -> builtins.list[Reservation]:
        """Ends claims: of one port, several, or a whole project. All of them or none."""
    def get(self, port: int) -> Reservation | None:
        """The registry's row of a port, also of one that is free again. The machine is not looked at."""

    def next_free(self, port: int) -> int | None:
        """The next higher port that a request without a range would give. Nothing is claimed."""

    # Questions
    def list(
        self,
        *,
        status: _Status | None = None,
        project: str | None = None,
        tag: str | None = None,
        range: tuple[int, int] | None = None,
    ) -> builtins.list[Reservation]:
        """The claims that match, by number. Both ends of the range are included."""
    def history(
        self,
        port: int | None = None,
        *,
        project: str | None = None,
        action: _Action | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        before: HistoryEntry | tuple[datetime, int] | None = None,
        limit: int | None = None,
    ) -> builtins.list[HistoryEntry]:
        """What happened to claims, newest first: at most 100 entries, unless `limit` says otherwise.

        `before` is the last entry of the page before, or its time and id.
        """
    def holder_at(self, port: int, time: datetime) -> Holder | None:
        """Who had a port at one moment, to the second."""
    def stale(self, older_than: _Seconds = ...) -> builtins.list[StaleReservation]:
        """Claims made longer ago than this, 30 days by default, and not in use; the oldest first."""
    def summary(self) -> Summary:
        """How many ports there are in each status."""
    def projects(self) -> builtins.list[ProjectPorts]:
        """Every project that has a port, by name, with its ports."""

    # The machine
    def listeners(self) -> builtins.list[Socket]:
        """Every TCP listener and UDP socket of this machine with its owner. Nothing is written."""
    def scan(self) -> ScanReport:
        """Looks at the machine once and brings the registry up to date."""
    def wait_ready(
        self, target: int | Lease | BoundPort | Hold, *, timeout: _Seconds = 10.0, pid: int | None = None
    ) -> Socket:
        """Waits until a TCP server listens there, and makes sure that it is the right one.

        Right is the process `pid`, else the owner of the claim, else this process; or a descendant of it.
        Raises `WrongListenerError`, which names who answers instead, and `PortkeeperTimeoutError`.
        """
    def kill(self, port: int, *, grace: _Seconds = 5.0) -> KillReport:
        """Ends the processes that listen on a port, and never its clients."""

    # Ports of the engine's choice
    def request(
        self,
        project: str,
        *,
        roles: Iterable[str] | None = None,
        count: int | None = None,
        range: tuple[int, int] | None = None,
        strategy: _Strategy | None = None,
        avoid: Iterable[int] | None = None,
        description: str | None = None,
        tags: Iterable[str] | None = None,
        auto_release: bool = False,
        owned_by: int | None = None,
        ttl: _Seconds | None = None,
    ) -> builtins.list[Reservation]:
        """Claims free ports: all that were asked for, or none. A role comes back with the same port.

        The claims last until they are released, unless they end with this process (`auto_release`), with
        another one (`owned_by`, a pid), or after a time (`ttl`).
        """
    def lease(
        self,
        project: str,
        *,
        roles: Iterable[str] | None = None,
        count: int | None = None,
        range: tuple[int, int] | None = None,
        strategy: _Strategy | None = None,
        avoid: Iterable[int] | None = None,
        description: str | None = None,
        tags: Iterable[str] | None = None,
        owned_by: int | None = None,
        ttl: _Seconds | None = None,
    ) -> Lease:
        """As `request`, until the lease is released or this process ends."""
    def bind(
        self,
        project: str,
        *,
        roles: Iterable[str] | None = None,
        range: tuple[int, int] | None = None,
        strategy: _Strategy | None = None,
        avoid: Iterable[int] | None = None,
        description: str | None = None,
        tags: Iterable[str] | None = None,
        owned_by: int | None = None,
        ttl: _Seconds | None = None,
        count: int | None = None,
        address: str | IPv4Address | IPv6Address | None = None,
    ) -> BoundPort:
        """Leases one port and listens on it, on 127.0.0.1 by default: nobody can slip in between."""
    def hold(self, port: int) -> Hold:
        """Keeps a claimed port bound, without listening, so that the kernel gives it to nobody else.

        Servers that set `SO_REUSEADDR` start on it; others are refused until the hold is released.
        """

    # Documents
    def export(self, *, project: str | None = None, name: str | None = None) -> Document:
        """The claims of every project, or of one, as a document. It is kept, see `configurations`."""
    def import_(
        self,
        document: Document | Mapping[str, Any] | None = None,
        *,
        json: str | None = None,
        configuration: int | None = None,
        predecessor: _Path | None = None,
        mode: _Mode | None = None,
        project: str | None = None,
        dry_run: bool = False,
        skip_conflicts: bool = False,
        name: str | None = None,
        progress: _Progress | None = None,
    ) -> ImportReport:
        """Takes the claims of a document into the registry: all of them, or none.

        The source is one of `document`, `json` (its text), `configuration` (the id of an earlier export or
        import), and `predecessor` (the file of the older Port Manager).
        """
    def configurations(self) -> builtins.list[Configuration]:
        """Every export and import, newest first, without the documents."""
    def configuration(self, id: int) -> SavedDocument:
        """One export or import with its document."""
    def remove_configuration(self, id: int) -> None:
        """Removes an export or import. Claims and history are left alone."""

    # Care of the database
    def backup(self, path: _Path, *, progress: _Progress | None = None) -> BackupReport:
        """Writes a whole, checked copy of the registry, while every process goes on."""
    def restore(self, path: _Path, *, progress: _Progress | None = None) -> RestoreReport:
        """Makes the claims those of a backup, or of a dump. Nothing is deleted."""
    def dump(self, target: _Path | _Writer, *, progress: _Progress | None = None) -> None:
        """Writes the registry as SQL text to a new file, by its path, or to one that is opened in binary mode.

        Raises `FileExistsError` for a path that exists. An attempt that fails leaves none behind.
        """
    def prune(
        self,
        *,
        history_older_than: _Seconds | None = None,
        scans_older_than: _Seconds | None = None,
        progress: _Progress | None = None,
    ) -> PruneReport:
        """Removes old history (after 365 days) and old results of scans (after 7 days)."""
    def compact(self, *, progress: _Progress | None = None) -> CompactReport:
        """Writes the database anew without gaps."""
    def verify(self, *, progress: _Progress | None = None) -> builtins.list[Finding]:
        """Looks for damage, and changes nothing; an empty list means that all is well."""
    def stats(self) -> Stats:
        """How large the registry is."""

@final
class Lease:
    """Leased ports, released at the end of the `with` block, or when this process ends."""

    @property
    def port(self) -> int:
        """The first of the ports."""
    @property
    def ports(self) -> list[int]:
        """The ports, in the order of the request."""
    @property
    def reservations(self) -> list[Reservation]:
        """The claims as they were granted."""
    def set_roles(self, roles: Mapping[int, str | None]) -> None:
        """Says what the leased ports are used for now, without an entry in the history."""
    def release(self) -> None:
        """Releases the ports; again is no error, and after an error another attempt.

        A signal's handler that comes in the middle of a release leaves it to that one. In a forked child, which has
        only a copy: `UNSUPPORTED`.
        """
    def _leave(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

@final
class BoundPort:
    """A leased port and the socket that listens on it."""

    @property
    def port(self) -> int:
        """The port."""
    @property
    def socket(self) -> _socket.socket:
        """The listening socket, to serve or to hand over. Children do not inherit it by themselves."""
    @property
    def reservation(self) -> Reservation:
        """The claim as it was granted."""
    def fileno(self) -> int:
        """The descriptor of the socket, such as for `subprocess.Popen(pass_fds=...)`."""
    def release(self) -> None:
        """Closes the socket, then releases the port."""
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

@final
class Hold:
    """A port that is kept bound until the end of the `with` block."""

    @property
    def port(self) -> int:
        """The port."""
    def lend(self) -> None:
        """Lets go of the port for a server that does not set `SO_REUSEADDR`; the claim stays."""
    def take_back(self) -> bool:
        """Binds the port again after `lend`; `False` where it cannot be had."""
    def release(self) -> None:
        """Gives the port up; again is no error."""
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

@final
class Project(_Record):
    """A project, found from a folder of it."""

    @staticmethod
    def detect(path: _Path = ".") -> Project:
        """The project of the nearest folder, upwards, that has a manifest or is a checkout."""
    @property
    def id(self) -> str:
        """What to reserve ports for: the name, and in a linked worktree `name@worktree`."""
    @property
    def name(self) -> str: ...
    @property
    def root(self) -> Path: ...
    @property
    def worktree(self) -> str | None: ...

@final
class Reservation(_Record):
    """One row of the registry: a port and whose it is, or last was."""

    @property
    def number(self) -> int: ...
    @property
    def project_name(self) -> str: ...
    @property
    def description(self) -> str | None: ...
    @property
    def status(self) -> _Status: ...
    @property
    def pid(self) -> int | None:
        """The process that listened at the last scan."""
    @property
    def process_name(self) -> str | None: ...
    @property
    def reserved_at(self) -> datetime:
        """When the present claim began."""
    @property
    def last_seen_at(self) -> datetime | None:
        """When a scan last saw a process listen."""
    @property
    def updated_at(self) -> datetime: ...
    @property
    def auto_release(self) -> bool:
        """Whether the claim ends with its owner's process."""
    @property
    def tags(self) -> list[str]: ...
    @property
    def metadata(self) -> dict[str, Any]: ...
    @property
    def lease(self) -> LeaseTerms | None:
        """The lease on the claim, where it has a role, an owner or an end."""
    @property
    def role(self) -> str | None:
        """The role of the port within its project, such as `web`."""
    @property
    def owner(self) -> ProcessIdentity | None:
        """The process that the claim, or the right to use it, ends with."""

@final
class LeaseTerms(_Record):
    """What a claim depends on, beside its project's wish."""

    @property
    def id(self) -> str: ...
    @property
    def role(self) -> str | None: ...
    @property
    def owner(self) -> ProcessIdentity | None: ...
    @property
    def held(self) -> bool:
        """Whether the owner keeps the port bound without listening."""
    @property
    def borrowed(self) -> bool:
        """Whether the owner only uses the port for a while, and the claim does not end with it."""
    @property
    def expires_at(self) -> datetime | None: ...

@final
class ProcessIdentity(_Record):
    """A process, told from any later one that gets the same pid."""

    @property
    def pid(self) -> int: ...
    @property
    def start(self) -> int: ...
    @property
    def boot(self) -> str: ...
    @property
    def namespace(self) -> int: ...
    @property
    def pidfd(self) -> int: ...

@final
class PortState(_Record):
    """Everything that is known of one port. `str(state)` explains it in words."""

    @property
    def port(self) -> int: ...
    @property
    def status(self) -> _Status:
        """The registry's status; `free` for a port without a row."""
    @property
    def verdict(self) -> str:
        """What it comes to: `free`, `reserved`, `held`, `listening`, `bound`, `time-wait`,
        `outgoing-connection`, `privileged` or `excluded`."""
    @property
    def reservation(self) -> Reservation | None: ...
    @property
    def is_free(self) -> bool:
        """Whether nobody has claimed the port and a server could bind it."""
    @property
    def project(self) -> str | None:
        """Whose the port is."""
    @property
    def pid(self) -> int | None:
        """The first process that is known to use the port."""
    @property
    def listeners(self) -> list[Socket]:
        """Who listens there."""
    @property
    def sockets(self) -> list[Socket]:
        """Everything that has the port: the listeners, else what is bound to it, else its connections."""

@final
class Socket(_Record):
    """One socket of this machine, seen from its local port. `str(socket)` is a phrase such as
    `node (pid 41213) listening on 127.0.0.1 (tcp)`."""

    @property
    def port(self) -> int: ...
    @property
    def protocol(self) -> Literal["tcp", "udp"]: ...
    @property
    def address(self) -> str: ...
    @property
    def state(self) -> Literal["listen", "bound", "connected", "time-wait"]: ...
    @property
    def remote(self) -> tuple[str, int] | None:
        """The other end of a connection."""
    @property
    def owner(self) -> Literal["known", "denied", "other-namespace", "none"]:
        """Whether `processes` is the whole truth, and why not."""
    @property
    def processes(self) -> list[Process]: ...
    @property
    def uid(self) -> int | None: ...
    @property
    def inode(self) -> int: ...
    @property
    def pid(self) -> int | None:
        """The first of the processes."""

@final
class Process(_Record):
    """A process that has a socket open."""

    @property
    def pid(self) -> int: ...
    @property
    def name(self) -> str: ...

@final
class HistoryEntry(_Record):
    """One change of one claim."""

    @property
    def id(self) -> int: ...
    @property
    def port(self) -> int: ...
    @property
    def action(self) -> _Action: ...
    @property
    def project_name(self) -> str | None: ...
    @property
    def description(self) -> str | None: ...
    @property
    def performed_by(self) -> str | None: ...
    @property
    def performed_at(self) -> datetime: ...
    @property
    def details(self) -> dict[str, Any]: ...

@final
class Holder(_Record):
    """Who had a port at one moment."""

    @property
    def port(self) -> int: ...
    @property
    def project_name(self) -> str: ...
    @property
    def status(self) -> _Status: ...
    @property
    def entry(self) -> HistoryEntry: ...

@final
class StaleReservation(_Record):
    """A claim that was made long ago and is not in use."""

    @property
    def reservation(self) -> Reservation: ...
    @property
    def days_old(self) -> float: ...

@final
class Summary(_Record):
    """How many ports there are in each status."""

    @property
    def reserved(self) -> int: ...
    @property
    def in_use(self) -> int: ...
    @property
    def free(self) -> int: ...
    @property
    def total(self) -> int: ...

@final
class ProjectPorts(_Record):
    """The claims of one project."""

    @property
    def project_name(self) -> str: ...
    @property
    def ports(self) -> list[int]: ...
    @property
    def active_count(self) -> int: ...

@final
class ScanReport(_Record):
    """What a scan saw and what it changed."""

    @property
    def scanned_at(self) -> datetime: ...
    @property
    def listeners(self) -> list[Socket]: ...
    @property
    def changes(self) -> list[StatusChange]: ...
    @property
    def source(self) -> str:
        """Who listed the sockets: `sock-diag`, `proc-net` or `netstat2`."""

@final
class StatusChange(_Record):
    """One claim that a scan or a sweep changed."""

    @property
    def port(self) -> int: ...
    @property
    def project_name(self) -> str: ...
    @property
    def from_(self) -> _Status: ...
    @property
    def to(self) -> _Status: ...
    @property
    def process(self) -> Process | None: ...

@final
class KillReport(_Record):
    """Which processes were ended to free a port."""

    @property
    def port(self) -> int: ...
    @property
    def killed(self) -> list[KilledProcess]: ...
    @property
    def reservation(self) -> Reservation | None: ...

@final
class KilledProcess(_Record):
    """A process that was signalled and has ended."""

    @property
    def pid(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def forced(self) -> bool:
        """Whether it got `SIGKILL`; else `SIGTERM` was enough."""

@final
class Document(_Record):
    """The claims of a registry as a text to keep, to send, or to put under version control."""

    @staticmethod
    def from_json(text: str) -> Document:
        """Reads a document, and refuses what could not be imported."""
    def to_json(self) -> str:
        """The document as JSON, a line for each port. Equal documents have equal texts."""
    @property
    def version(self) -> str: ...
    @property
    def export_date(self) -> datetime | None: ...
    @property
    def ports(self) -> list[DocumentPort]: ...

@final
class DocumentPort(_Record):
    """One claim of a document."""

    @property
    def number(self) -> int: ...
    @property
    def project_name(self) -> str: ...
    @property
    def description(self) -> str | None: ...
    @property
    def status(self) -> _Status: ...
    @property
    def pid(self) -> int | None: ...
    @property
    def process_name(self) -> str | None: ...
    @property
    def reserved_at(self) -> datetime | None: ...
    @property
    def last_seen_at(self) -> datetime | None: ...
    @property
    def updated_at(self) -> datetime | None: ...
    @property
    def auto_release(self) -> bool: ...
    @property
    def tags(self) -> list[str]: ...
    @property
    def metadata(self) -> dict[str, Any]: ...
    @property
    def role(self) -> str | None: ...

@final
class Configuration(_Record):
    """An export or import that the registry has kept, without its document."""

    @property
    def id(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str | None: ...
    @property
    def version(self) -> str: ...
    @property
    def created_at(self) -> datetime: ...
    @property
    def created_by(self) -> str | None: ...
    @property
    def checksum(self) -> str | None: ...
    @property
    def bytes(self) -> int: ...

@final
class SavedDocument(_Record):
    """A configuration with its document."""

    @property
    def configuration(self) -> Configuration: ...
    @property
    def verified(self) -> bool: ...
    @property
    def document(self) -> Document: ...

@final
class ImportReport(_Record):
    """What an import did, or of a dry run would do."""

    @property
    def ports(self) -> list[ImportedPort]: ...
    @property
    def added(self) -> int: ...
    @property
    def updated(self) -> int: ...
    @property
    def unchanged(self) -> int: ...
    @property
    def conflicts(self) -> int: ...
    @property
    def freed(self) -> int: ...
    @property
    def dry_run(self) -> bool: ...
    @property
    def configuration(self) -> int | None: ...

@final
class ImportedPort(_Record):
    """What an import did with one port."""

    @property
    def port(self) -> int: ...
    @property
    def project_name(self) -> str: ...
    @property
    def outcome(self) -> Literal["added", "updated", "unchanged", "conflict", "freed"]: ...
    @property
    def changed(self) -> list[str]: ...
    @property
    def other_project(self) -> str | None: ...
    @property
    def other_since(self) -> datetime | None: ...

@final
class BackupReport(_Record):
    """A backup that was written."""

    @property
    def path(self) -> Path: ...
    @property
    def bytes(self) -> int: ...
    @property
    def pages(self) -> int: ...
    @property
    def rows(self) -> int: ...

@final
class RestoreReport(_Record):
    """What a restore did."""

    @property
    def safety_backup(self) -> Path | None: ...
    @property
    def restored(self) -> int: ...
    @property
    def released(self) -> int: ...
    @property
    def history(self) -> int: ...
    @property
    def configurations(self) -> int: ...

@final
class PruneReport(_Record):
    """What was removed."""

    @property
    def history(self) -> int: ...
    @property
    def scans(self) -> int: ...

@final
class CompactReport(_Record):
    """What compacting gained."""

    @property
    def bytes_before(self) -> int: ...
    @property
    def bytes_after(self) -> int: ...

@final
class Finding(_Record):
    """Something about the registry that is not as it must be."""

    @property
    def severity(self) -> Literal["warning", "error"]: ...
    @property
    def kind(self) -> str: ...
    @property
    def port(self) -> int | None: ...
    @property
    def message(self) -> str: ...

@final
class Stats(_Record):
    """The size of the registry."""

    @property
    def path(self) -> Path: ...
    @property
    def bytes(self) -> int: ...
    @property
    def wal_bytes(self) -> int: ...
    @property
    def pages(self) -> int: ...
    @property
    def page_size(self) -> int: ...
    @property
    def free_pages(self) -> int: ...
    @property
    def schema_version(self) -> int: ...
    @property
    def rows(self) -> dict[str, int]: ...
