"""The registry of stores: addresses, errors, and the places that must know every store."""

import pytest

from headrace.errors import HeadraceError
from headrace.turns import STORES, open_store
from headrace.turns.stores import STORE_ADDRESSES
from store_backends import BACKENDS
from turn_stores import needs_redis, settings


@pytest.mark.parametrize(
    "address", ["", "redis", "redis://", "sqlite:", "memory:", "memory2", "postgres://x"]
)
def test_an_unknown_address_is_an_error_that_lists_the_valid_ones(address):
    with pytest.raises(HeadraceError) as raised:
        open_store(settings(store=address))

    assert raised.value.message == f'store: "{address}" is not one of {STORE_ADDRESSES}'


@needs_redis
def test_a_malformed_address_is_an_error_with_the_reason():
    with pytest.raises(HeadraceError, match='store: "redis://localhost:abc/0" is not a valid address: '):
        open_store(settings(store="redis://localhost:abc/0"))


@pytest.mark.parametrize("kind", STORES)
def test_every_store_is_described_in_the_help_of_store(kind, capsys):
    from headrace.cli.main import main

    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    help = capsys.readouterr().out

    for prefix in STORES[kind].addresses:
        assert prefix in help


def test_every_store_has_a_backend_for_the_tests():
    assert BACKENDS.keys() == STORES.keys()
