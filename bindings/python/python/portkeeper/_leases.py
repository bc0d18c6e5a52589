"""What the ends of a process and of a test run have in common."""

from __future__ import annotations

from collections.abc import Sequence

from portkeeper._errors import DatabaseBusyError, PortkeeperError
from portkeeper._portkeeper import Lease


def end(leases: Sequence[Lease]) -> None:
    """Gives leases back where nobody could do anything about one that cannot be, and nobody has to: a later sweep of
    any keeper releases what is left when this process has ended."""
    try:
        for lease in leases:
            try:
                lease.release()
            except DatabaseBusyError:
                # The others would wait as long, each of them.
                break
            except PortkeeperError:
                continue
    finally:
        for lease in leases:
            lease._leave()
