"""What one pytest process has of Port Keeper, from the first fixture that needs it on."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from portkeeper import Keeper
    from pytest_portkeeper._pool import Pool


class PortkeeperWarning(pytest.PytestWarning):
    """Something about the ports of a test run that somebody should know."""


@dataclass
class Settings:
    """What the command line and the ini file say."""

    range: tuple[int, int] | None
    database: str
    project: str | None
    root: str
    worker: str

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
        worker = getattr(config, "workerinput", {}).get("workerid", "main")
        return cls(
            range=_range(chosen("portkeeper_range")),
            database=database,
            project=config.getini("portkeeper_project") or None,
            root=str(config.rootpath),
            worker=worker,
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
            from portkeeper import Keeper

            worker = "" if self.settings.worker == "main" else f" {self.settings.worker}"
            self._keeper = Keeper(self.settings.database, actor=f"pytest{worker} (pid {os.getpid()})")
        return self._keeper

    @property
    def project(self) -> str:
        """Whose the ports are."""
        return self.pool.project

    @property
    def pool(self) -> Pool:
        """The ports; the first one is leased when a test takes it."""
        if self._pool is None:
            from portkeeper import Project
            from pytest_portkeeper._pool import Pool

            project = self.settings.project or Project.detect(self.settings.root).id
            self._pool = Pool(self.keeper, project, self.settings.range, _warn)
        return self._pool

    def take(self, user: str) -> int:
        """A port for a test, or another user of one."""
        return self.pool.take(user, self.settings.worker)

    def used(self) -> dict[str, Any] | None:
        """What the report tells of this process, as plain values that cross to xdist's controller."""
        if self._keeper is None:
            return None
        pool = self.pool
        pool.look()
        return {
            "worker": self.settings.worker,
            "registry": str(self._keeper.path),
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
