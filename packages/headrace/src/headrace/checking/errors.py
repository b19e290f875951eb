"""Rules about errors: bad input, keys, models; and about requests of web pages."""

from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from headrace.checking.answer import Answer
from headrace.checking.api import Api
from headrace.checking.rule import Finding, Rule, UnobservedError, each, require_error
from headrace.checking.variants import BAD_INPUTS, PARALLEL, WRONG_KEY

__all__ = ["RULES", "bad_input_rules"]

_ZAI: Final = "https://docs.z.ai/api-reference/api-code"


def _require_response(answer: Answer) -> None:
    if not answer.response.status:
        raise UnobservedError(answer.failure)


def _refused(statuses: frozenset[int], answer: Answer) -> Finding | None:
    _require_response(answer)
    status = answer.response.status
    return None if status in statuses else Finding(f"status {status}", answer.body)


def _error(answer: Answer) -> dict[str, Any]:
    value = answer.frames[0].value
    error = value.get("error") if isinstance(value, dict) else None
    return error if isinstance(error, dict) else {}


def _shape(answer: Answer) -> Finding | None:
    require_error(answer)
    if isinstance(message := _error(answer).get("message"), str) and message:
        return None
    return Finding('the body is not {"error": {"message": …}}', answer.body)


def _named(field: str, answer: Answer) -> Finding | None:
    require_error(answer)
    error = _error(answer)
    if field in f"{error.get('message')} {error.get('param')}":
        return None
    return Finding(f"the error does not name `{field}`", answer.body)


def _key(wrong: Answer) -> Finding | None:
    _require_response(wrong)
    status = wrong.response.status
    if status in (401, 403):
        return None
    return Finding(f"a request with a wrong key gets status {status}", wrong.body)


def _overload(answer: Answer) -> Finding | None:
    _require_response(answer)
    status = answer.response.status
    if status == 200 or (status in (429, 503) and _error(answer)):
        return None
    return Finding(f"status {status}", answer.body)


def _retry_after(answer: Answer) -> Finding | None:
    _require_response(answer)
    if answer.response.status not in (429, 503):
        raise UnobservedError("ten requests at once were not refused")
    if answer.response.headers.get("retry-after", "").isdigit():
        return None
    return Finding("a refusal has no Retry-After", answer.body)


def _cors(answer: Answer) -> Finding | None:
    _require_response(answer)
    headers = answer.response.headers
    if not headers.get("access-control-allow-origin"):
        raise UnobservedError("the endpoint does not permit requests of pages")
    allowed = {name.strip().lower() for name in headers.get("access-control-allow-headers", "").split(",")}
    missing = {"authorization", "content-type", "x-stainless-lang", "x-stainless-os"} - allowed
    if "*" in allowed:
        missing &= {"authorization"}  # the wildcard does not include it
    if not missing:
        return None
    return Finding(f"a preflight does not permit the headers {', '.join(sorted(missing))}")


def bad_input_rules(api: Api) -> Iterator[Rule]:
    """Yield the rules about the bad requests of an API."""
    for id, bad in api.bad_inputs.items():
        yield Rule(
            api.rule(f"error.{id}"),
            f"A request with {bad.what} gets status 400 or 422, before a stream begins.",
            "The mistake stays unnoticed, or the client retries what cannot succeed.",
            api.source,
            each(api.request(bad.what)),
            partial(_refused, frozenset({400, 422})),
        )
    for id, bad in api.bad_inputs.items():
        if bad.field:
            yield Rule(
                api.rule(f"error.{id}.field"),
                f"The error about {bad.what} names the field `{bad.field}`.",
                "The author of the request does not learn what is wrong.",
                api.source,
                each(api.request(bad.what)),
                partial(_named, bad.field),
            )


RULES: Final = (
    Rule(
        "error.shape",
        'The body of an error is {"error": {"message": …}}.',
        "SDKs show an empty message.",
        _ZAI,
        each(*(bad.what for bad in BAD_INPUTS.values()), "an unknown model", WRONG_KEY),
        _shape,
    ),
    Rule(
        "error.unknown-model",
        "An unknown model is refused by status 400 or 404.",
        "A typing error is answered, and charged, by another model.",
        _ZAI,
        each("an unknown model"),
        partial(_refused, frozenset({400, 404})),
    ),
    Rule(
        "error.wrong-key",
        "A wrong API key gets status 401 or 403.",
        "Anyone can use the endpoint.",
        _ZAI,
        each(WRONG_KEY),
        _key,
    ),
    Rule(
        "load.parallel",
        "Ten requests at once get an answer each, or 429 or 503 with a JSON error.",
        "Agents that call in parallel fail.",
        _ZAI,
        each(*PARALLEL),
        _overload,
    ),
    Rule(
        "load.retry-after",
        "A refusal because of load has a Retry-After in seconds.",
        "Clients retry at once, and keep the server overloaded.",
        "RFC 9110, section 10.2.3",
        each(*PARALLEL),
        _retry_after,
    ),
    Rule(
        "cors.preflight",
        "If pages may call the endpoint, the preflight permits the headers of the SDKs.",
        "OpenAI's SDK for browsers cannot connect.",
        "https://fetch.spec.whatwg.org/#http-cors-protocol",
        each("preflight"),
        _cors,
    ),
)
