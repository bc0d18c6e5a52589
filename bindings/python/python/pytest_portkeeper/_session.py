"""What one pytest process has of Port Keeper, from the first fixture that needs it on."""

from __future__ import annotations

import contextlib
import os
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from portkeeper import Keeper
    from pytest_portkeeper._pool import Pool


# One run has at most half of the range in TIME-WAIT, and leaves the rest to others.
SHARE = 2
# The engine's, where no range is named.
DEFAULT_RANGE = (3000, 9999)


class PortkeeperWarning(pytest.PytestWarning):
    """Something about the ports of a test run that somebody should know."""


@dataclass
class Settings:
    """What the command line and the ini file say."""

    range: tuple[int, int] | None
    database: str
    project: str | None
    reuse_address: bool
    root: str
    worker: str
    workers: int

    @classmethod
    def of(cls, config: pytest.Config) -> Settings:
        def chosen(name: str) -> str | None:
            return config.getoption(name) or config.getini(name) or None

        database = chosen("portkeeper_database")
        if database is not None:
            database = str(config.rootpath / os.path.expanduser(database))
        else:
            # Named now: tests may well change the environment before the first of them needs a port.
            database = os.path.abspath(
                os.environ.get("PORTKEEPER_DB_PATH") or os.path.expanduser("~/.portkeeper/database.db")
            )
        input = getattr(config, "workerinput", {})
        return cls(
            range=_range(chosen("portkeeper_range")),
            database=database,
            project=config.getini("portkeeper_project") or None,
            reuse_address=config.getini("portkeeper_reuse_address"),
            root=str(config.rootpath),
            worker=input.get("workerid", "main"),
            workers=input.get("workercount", 1),
        )


def _range(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    first, dash, last = text.partition("-")
    try:
        return int(first), int(last if dash else first)
    except ValueError:
        raise pytest.UsageError(f"portkeeper_range {text!r} is no range such as 20000-29999") from None


@dataclass
class Session:
    """The registry and the ports of this process."""

    settings: Settings
    tests: set[str] = field(default_factory=set)
    _keeper: Keeper | None = None
    _pool: Pool | None = None

    @property
    def is_used(self) -> bool:
        """Whether any fixture needed the registry."""
        return self._keeper is not None

    @property
    def keeper(self) -> Keeper:
        """The registry; opened by the first who asks."""
        if self._keeper is None:
            self._keeper = self.opened()
        return self._keeper

    def opened(self) -> Keeper:
        """The registry, opened once more for somebody who may close it."""
        from portkeeper import Keeper

        worker = "" if self.settings.worker == "main" else f" {self.settings.worker}"
        return Keeper(self.settings.database, actor=f"pytest{worker} (pid {os.getpid()})")

    @property
    def pool(self) -> Pool:
        """The ports; the first one is leased when a test takes it."""
        if self._pool is None:
            from portkeeper import Project
            from pytest_portkeeper._pool import Pool

            project = self.settings.project or Project.detect(self.settings.root).id
            self._pool = Pool(self.keeper, project, self.settings.range, self._share(), _warn)
        return self._pool

    def _share(self) -> int:
        """How many ports of this process may be in TIME-WAIT at once."""
        if self.settings.reuse_address:
            return 0
        first, last = self.settings.range or DEFAULT_RANGE
        return max(1, (last - first + 1) // (SHARE * self.settings.workers))

    def used(self) -> dict[str, Any] | None:
        """What the report tells of this process, as plain values that cross to xdist's controller."""
        pool = self._pool
        if pool is None:
            return None
        # A run is over well, whatever its report is missing.
        with contextlib.suppress(Exception):
            pool.look()
        return {
            "worker": self.settings.worker,
            "registry": str(self.keeper.path),
            "project": pool.project,
            "tests": len(self.tests),
            "handed_out": pool.handed_out,
            "leased": pool.leased,
            "left": [list(left) for left in pool.left],
        }

    def close(self) -> None:
        """Gives everything back. A process that does not get here is swept up after by any keeper."""
        if self._pool is not None:
            self._pool.close()
        if self._keeper is not None:
            self._keeper.close()
        self._keeper = self._pool = None


def _warn(message: str) -> None:
    warnings.warn(PortkeeperWarning(message), stacklevel=2)
