"""The addresses of turn stores: their secrets, and the names of Redis databases."""

import pytest

from headrace.turns.addresses import database_name, without_secrets


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
        ("redis://:ses?ame@cache:6379/0", "redis://…"),
        ("redis://:ses#ame@cache:6379/0", "redis://…"),
        ("redis://:s,same@a/0, redis://:sesame@b/0", "redis://a/0, redis://b/0"),
        ("redis:/me:sesame@cache", "redis:/cache"),
        ("me:sesame@cache:6379", "cache:6379"),
    ],
)
def test_a_store_is_named_without_its_secrets(store, shown):
    assert without_secrets(store) == shown


@pytest.mark.parametrize(
    ("name", "spellings"),
    [
        (
            "redis://cache:6379/0",
            [
                "redis://cache",
                "redis://cache/",
                "redis://Cache:6379",
                "redis://cache:6379/0",
                "redis://cache/00/",
                "redis://u:p@cache?db=0",
                "redis://:p%40%2F@cache/7?db=0&socket_keepalive=yes",
            ],
        ),
        ("redis://localhost:6379/2", ["redis://:6379/2", "redis://localhost/?db=2"]),
        ("rediss://[::1]:7000/1", ["rediss://[::1]:7000/1"]),
        ("unix:///run/redis@1.sock", ["unix:///run/redis@1.sock", "unix://u:p@/run/redis%401.sock?db=0"]),
        ("unix:///run/redis.sock?db=3", ["unix:///run/redis.sock?password=s@same&db=3"]),
    ],
)
def test_all_spellings_of_an_address_have_the_same_name(name, spellings):
    assert {database_name(each) for each in spellings} == {name}


@pytest.mark.parametrize(
    "url",
    [
        "redis://:ses/ame@cache/0",
        "redis://:ses?ame@cache/0",
        "redis://:ses#ame@cache/0",
        "redis://cache/turns",  # redis-py would use database 0,
        "redis://cache/1/2",  # and 12
        "redis://cache/0,",
        "redis://cache?db=x",
        "unix://run/redis.sock",
    ],
)
def test_what_redis_would_ignore_or_mistake_is_an_error_without_secrets(url):
    with pytest.raises(ValueError, match=".") as raised:
        database_name(url)

    assert "ses" not in str(raised.value)
    assert "ame" not in str(raised.value)
