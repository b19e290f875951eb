import pytest

from headrace.turns.settings import without_secrets


@pytest.mark.parametrize(
    ("store", "shown"),
    [
        ("memory", "memory"),
        ("sqlite:/data/a@b?c#d.db", "sqlite:/data/a@b?c#d.db"),
        ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("redis://:sesame@cache:6379/0", "redis://cache:6379/0"),
        ("rediss://me:ses/ame@cache/0?ssl_password=sesame", "rediss://cache/0"),
        ("redis://cache/0?password=s@same", "redis://cache/0"),
        ("unix://me@/run/redis.sock?db=0&password=sesame", "unix:///run/redis.sock"),
    ],
)
def test_a_store_is_named_without_its_secrets(store, shown):
    assert without_secrets(store) == shown
