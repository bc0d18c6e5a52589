"""What can go wrong: one class for each kind of the engine, all under `PortkeeperError`."""

from __future__ import annotations

from typing import Any


class PortkeeperError(Exception):
    """Why an operation was refused or failed.

    The message is a sentence that a person can act on. Programs read the facts instead; one that the
    error does not have is `None`.
    """

    code: str = "INTERNAL"
    """The stable name of the kind, such as `PORT_RESERVED`; the same in every language."""
    number: int = 21
    """The stable number of the kind."""

    port: int | None
    """The port the error is about."""
    project: str | None
    """The project that stands in the way."""
    pid: int | None
    """The process that stands in the way; the first one where several share a socket."""
    next_free: int | None
    """The next higher port that is free, where a refusal was asked to name one."""

    def __init__(
        self,
        message: str = "",
        *,
        port: int | None = None,
        project: str | None = None,
        pid: int | None = None,
        next_free: int | None = None,
    ) -> None:
        super().__init__(message)
        self.port = port
        self.project = project
        self.pid = pid
        self.next_free = next_free

    def __reduce__(self) -> tuple[Any, ...]:
        # The facts are in __dict__, which pickle restores after the call.
        return type(self), self.args, self.__dict__


class PortInvalidError(PortkeeperError, ValueError):
    """The number is not in 1–65535."""

    code = "PORT_INVALID"
    number = 1


class ProjectRequiredError(PortkeeperError, ValueError):
    """A project name is needed and was missing or blank."""

    code = "PROJECT_REQUIRED"
    number = 2


class InvalidInputError(PortkeeperError, ValueError):
    """Another argument is out of its bounds."""

    code = "INVALID_INPUT"
    number = 3


class PortNotFoundError(PortkeeperError, LookupError):
    """Nobody has reserved the port."""

    code = "PORT_NOT_FOUND"
    number = 4


class PortReservedError(PortkeeperError):
    """Another project has reserved the port."""

    code = "PORT_RESERVED"
    number = 5


class PortInUseError(PortkeeperError):
    """Something that is not the caller's uses the port."""

    code = "PORT_IN_USE"
    number = 6


class RangeExhaustedError(PortkeeperError):
    """The range does not hold as many free ports as were asked for."""

    code = "RANGE_EXHAUSTED"
    number = 7


class WrongListenerError(PortkeeperError):
    """Another process than the expected one answers on the port."""

    code = "WRONG_LISTENER"
    number = 8


class PortkeeperTimeoutError(PortkeeperError, TimeoutError):
    """The deadline passed."""

    code = "TIMEOUT"
    number = 9


class PermissionDeniedError(PortkeeperError, PermissionError):
    """The operating system refused access."""

    code = "PERMISSION_DENIED"
    number = 10


class ProcessKillError(PortkeeperError):
    """A process could not, or must not, be ended."""

    code = "PROCESS_KILL_ERROR"
    number = 11


class ScanFailedError(PortkeeperError):
    """The sockets or processes of this machine could not be read."""

    code = "SCAN_FAILED"
    number = 12


class ImportInvalidError(PortkeeperError, ValueError):
    """A document to import is not valid."""

    code = "IMPORT_INVALID"
    number = 13


class DatabaseError(PortkeeperError):
    """The database failed; the subclasses say how, where there is more to say."""

    code = "DATABASE_ERROR"
    number = 14


class DatabaseBusyError(DatabaseError):
    """Other writers kept the database locked until the deadline."""

    code = "DATABASE_BUSY"
    number = 15


class DatabaseFullError(DatabaseError):
    """There is no space left for the database."""

    code = "DATABASE_FULL"
    number = 16


class DatabaseCorruptError(DatabaseError):
    """The file is damaged, or is no database."""

    code = "DATABASE_CORRUPT"
    number = 17


class SchemaTooNewError(DatabaseError):
    """The database was written by a newer version of Port Keeper."""

    code = "SCHEMA_TOO_NEW"
    number = 18


class SchemaMismatchError(DatabaseError):
    """The tables are not the documented ones, or belong to another program."""

    code = "SCHEMA_MISMATCH"
    number = 19


class UnsupportedError(PortkeeperError, NotImplementedError):
    """This platform or configuration cannot do it."""

    code = "UNSUPPORTED"
    number = 20


class InternalError(PortkeeperError):
    """A defect in Port Keeper itself."""

    code = "INTERNAL"
    number = 21


class CancelledError(PortkeeperError):
    """The caller's progress function stopped a long operation."""

    code = "CANCELLED"
    number = 22


_CLASSES: dict[str, type[PortkeeperError]] = {
    cls.code: cls
    for cls in globals().copy().values()
    if isinstance(cls, type) and issubclass(cls, PortkeeperError) and cls is not PortkeeperError
}


def _from_engine(
    code: str,
    number: int,
    message: str,
    port: int | None,
    project: str | None,
    pid: int | None,
    next_free: int | None,
) -> PortkeeperError:
    """The exception of an engine's error; called from Rust."""
    cls = _CLASSES.get(code, PortkeeperError)
    error = cls(message, port=port, project=project, pid=pid, next_free=next_free)
    if error.code != code:
        # A kind that is younger than this package has no class, but keeps its name.
        error.code, error.number = code, number
    return error
