"""Error responses of broken and of hostile servers."""

import pytest

from headrace.engines.protocols.error_mapping import MAX_ERROR_BYTES, Upstream, map_error, map_response
from headrace.errors import EngineError, LimitError, RequestError, encode_error

KEY = "sk-upstream-SECRET-123"
UPSTREAM = Upstream("http://gpu1.internal:8000/v1", "VLLM_API_KEY", KEY, "gpu1.internal")
SIZE = MAX_ERROR_BYTES


def shown(page, status=500):
    """The reason that clients get."""
    return map_response(UPSTREAM, status, page).public.partition(": ")[2]


@pytest.mark.parametrize(
    ("page", "text"),
    [
        (b"<html><head><title>502</title></head><body><h1>Bad</h1>Gateway</body></html>", "Bad Gateway"),
        (b"a<script>if (a < b) {}</script>b<STYLE>p {}</Style >c", "a b c"),
        (b"a<!-- comment -->b<br/>c", "a b c"),
        (b"<header>a</header><heading>b</heading>", "a b"),
        (b"a<script>never closed", "a"),
        (b"a<never closed", "a"),
        (b"a</script>b", "a b"),
        (b"", "no reason given"),
    ],
)
def test_tags_are_removed_from_an_error_page(page, text):
    assert shown(page) == text


@pytest.mark.parametrize(
    "piece", [b"<", b"<a ", b"<script>", b"<script></", b"</script>", b"<!--", b"<a>", b"<style <"]
)
def test_a_page_of_nothing_but_tags_has_no_text(piece):
    assert shown(piece * (SIZE // len(piece))) == "no reason given"


def test_only_the_beginning_of_a_page_is_read():
    assert shown(b"<b>" + b" " * SIZE + b"late") == "no reason given"


@pytest.mark.parametrize(
    "code", ["²", "1" * 5000, "99", "600", "-500", "5e2", 10**300, True, None, [500], {"a": 1}]
)
def test_a_code_that_is_no_status_is_a_failure(code):
    assert map_error(UPSTREAM, {"code": code, "message": "m"}).status == 500


@pytest.mark.parametrize(
    "retry_after",
    [
        "²",
        "nan",
        "inf",
        "-1",
        "1e999",
        "Mon, 99 Foo 99999 99:99:99 XYZ",
        "Fri, 31 Dec 0001 23:59:59 GMT",
        "a" * 9999,
    ],
)
def test_any_retry_after_is_a_wait_of_at_most_a_day(retry_after):
    error = map_response(UPSTREAM, 429, b"busy", retry_after)

    assert isinstance(error, LimitError)
    assert 0 <= error.retry_after <= 86400


ECHOES = [
    b"invalid header: Authorization: Bearer %b" % KEY.encode(),
    b'{"error": {"message": "Bearer %b"}}' % KEY.encode(),
    b'{"error": {"message": "%b\\u0073k-upstream-SECRET-123"}}' % (b"x" * 280),
    b'{"detail": [{"input": {"authorization": "%b"}}]}' % KEY.encode(),
    b"<p>" + b"x" * 290 + KEY.encode(),
    b"context length exceeded " + KEY.encode(),
    b"parse grammar " + KEY.encode(),
]


@pytest.mark.parametrize("page", ECHOES)
@pytest.mark.parametrize("status", [200, 400, 401, 404, 429, 500, 503])
def test_a_key_that_a_server_repeats_reaches_neither_a_client_nor_a_log(page, status):
    error = map_response(UPSTREAM, status, page)

    for length in (len(KEY), 8):  # nor its beginning, where the message is cut
        assert KEY[:length] not in error.message
        assert KEY[:length].encode() not in encode_error(error)


@pytest.mark.parametrize("status", [200, 400, 401, 404, 422, 429, 500, 503])
@pytest.mark.parametrize(
    "private",
    [
        *("http://gpu1.internal:8000/v1", "gpu1.internal", "gpu1.internal:8000", "10.0.0.5", "10.0.0.5:8000"),
        *(
            "/opt/vllm/engine.py",
            "redis://u:p@10.1.1.1/0",
            r"C:\models\glm.gguf",
            "/var/lib/headrace/turns.db",
        ),
    ],
)
def test_addresses_and_paths_are_for_the_operator_only(status, private):
    error = map_response(UPSTREAM, status, f"failed ({private}), see '{private}'".encode())

    assert private not in error.public
    assert "gpu1" not in error.public
    assert "VLLM_API_KEY" not in error.public
    if not isinstance(error, RequestError):
        assert "http://gpu1.internal:8000/v1" in error.message


def test_what_a_client_can_correct_is_still_said():
    error = map_response(UPSTREAM, 400, b'{"message": "temperature must be at most 1.5 and/or top_p 0.9"}')

    assert error.public.endswith("temperature must be at most 1.5 and/or top_p 0.9")


def test_the_operator_learns_which_key_is_wrong():
    error = map_response(UPSTREAM, 401, b"no")

    assert isinstance(error, EngineError)
    assert "VLLM_API_KEY" in error.message
