"""One class for each kind of the engine, with its facts."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from conftest import PORTS

import portkeeper
from portkeeper import Keeper, PortkeeperError, _errors, _portkeeper

BUILTIN = {
    "PORT_INVALID": ValueError,
    "PROJECT_REQUIRED": ValueError,
    "INVALID_INPUT": ValueError,
    "PORT_NOT_FOUND": LookupError,
    "TIMEOUT": TimeoutError,
    "PERMISSION_DENIED": PermissionError,
    "IMPORT_INVALID": ValueError,
    "UNSUPPORTED": NotImplementedError,
}


def test_there_is_a_public_class_for_each_kind_of_the_engine() -> None:
    classes = {cls.code: cls for cls in _errors._CLASSES.values()}
    assert {code: cls.number for code, cls in classes.items()} == _portkeeper.ERROR_KINDS
    for code, cls in classes.items():
        assert issubclass(cls, PortkeeperError)
        assert issubclass(cls, BUILTIN.get(code, PortkeeperError)), code
        assert getattr(portkeeper, cls.__name__) is cls
        assert cls.__name__ in portkeeper.__all__


@pytest.mark.parametrize("code", sorted(_portkeeper.ERROR_KINDS))
def test_every_error_survives_pickle(code: str) -> None:
    number = _portkeeper.ERROR_KINDS[code]
    error = _errors._from_engine(code, number, "a sentence", 3000, "shop", 4711, 3001)
    other = pickle.loads(pickle.dumps(error))
    assert type(other) is type(error)
    assert str(other) == str(error) == "a sentence"
    for fact in ("code", "number", "port", "project", "pid", "next_free"):
        assert getattr(other, fact) == getattr(error, fact)
    assert (error.code, error.number, error.port, error.project) == (code, number, 3000, "shop")
    assert (error.pid, error.next_free) == (4711, 3001)


def test_a_kind_without_a_class_keeps_its_name() -> None:
    error = _errors._from_engine("YOUNGER", 999, "a sentence", None, None, None, None)
    assert type(error) is PortkeeperError
    other = pickle.loads(pickle.dumps(error))
    assert (other.code, other.number) == ("YOUNGER", 999)
    # The class itself stays as it is.
    assert PortkeeperError.code == "INTERNAL"


def test_facts_of_a_refusal(keeper: Keeper) -> None:
    keeper.reserve(21000, "shop", adopt=True)
    with pytest.raises(portkeeper.PortReservedError, match='reserved for project "shop" since') as caught:
        keeper.reserve(21000, "blog", suggest=True)
    error = caught.value
    assert (error.code, error.number, error.port, error.project, error.pid) == ("PORT_RESERVED", 5, 21000, "shop", None)
    assert error.next_free is not None
    assert error.next_free > 21000
    with pytest.raises(LookupError) as missing:
        keeper.release(21001)
    assert isinstance(missing.value, portkeeper.PortNotFoundError)


def test_a_panic_is_an_internal_error() -> None:
    with pytest.raises(portkeeper.InternalError, match="internal error: on purpose") as caught:
        _portkeeper._panic()  # type: ignore[attr-defined]
    assert caught.value.code == "INTERNAL"


def test_a_closed_keeper_says_so(path: Path) -> None:
    keeper = Keeper(path)
    with keeper:
        lease = keeper.lease("tests", range=PORTS, strategy="random")
    keeper.close()
    with pytest.raises(portkeeper.InvalidInputError, match="is closed"):
        keeper.summary()
    # A claim that is still had can be given back.
    lease.release()
    with Keeper(path) as again:
        assert again.list() == []
