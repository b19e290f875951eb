"""Sends the plan to an endpoint and judges the rules."""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from itertools import groupby
from typing import Final

import msgspec

from headrace.checking.answer import Answer
from headrace.checking.endpoint import Endpoint, Response
from headrace.checking.plan import APIS, Planned, plain_request, plan
from headrace.checking.probe import find_model, probe
from headrace.checking.rule import Result, Rule, judge
from headrace.checking.rules import RULES
from headrace.checking.variants import WRONG_KEY
from headrace.errors import RequestError, UnreachableError

__all__ = ["Report", "check"]

_NO_KEY: Final = "its request is sent only with an API key"
_ON_THE_WAY: Final = ("server", "via", "x-served-by", "cf-ray", "x-cache", "alt-svc")

_MAX_VALUES: Final = 3


class Report(msgspec.Struct, kw_only=True):
    """The results, and what identifies the endpoint and the proxies in front of it."""

    url: str
    model: str
    apis: list[str]
    """Those that the endpoint offers, of those that were checked."""
    http_version: str
    """Of the responses, such as HTTP/1.1."""
    headers: dict[str, str]
    """Those of `Server`, `Via` and their kind that responses had."""
    results: list[Result]

    @property
    def is_broken(self) -> bool:
        """Whether a rule is broken, if only sometimes."""
        return any(result.broken for result in self.results)


async def check(
    endpoint: Endpoint,
    url: str,
    *,
    model: str = "",
    only: Collection[str] = (),
    runs: int = 3,
    has_key: bool = False,
) -> Report:
    """Check an endpoint.

    Args:
        endpoint: where the requests are sent.
        url: its name in the report.
        model: the model of the requests; "" stands for the first one that `GET …/models` lists.
        only: ids of the rules to judge; empty for all. Only the requests that they need are sent.
        runs: how often each request whose answer depends on chance is sent.
        has_key: requests have an API key, so that a wrong one should be rejected.

    Raises:
        RequestError: `only` has an unknown rule, or `model` is missing and the endpoint lists none.
        UnreachableError: the endpoint does not respond, offers none of the APIs, or does not serve the model.
    """
    rules = _select(only)
    model = model or await find_model(endpoint)
    needed = {name for rule in rules for names in rule.requests for name in names}
    unsent = {} if has_key else {api.request(WRONG_KEY): _NO_KEY for api in APIS}
    answers: dict[str, Sequence[Answer]] = {}
    apis, reasons = [], []
    for api in APIS:
        planned = [request for request in plan(model) if request.api is api]
        names = {request.name for request in planned}
        if needed.isdisjoint(names):
            continue
        if reason := await probe(endpoint, url, plain_request(api, model), model):
            reasons.append(reason)
            unsent |= dict.fromkeys(names, f"{api.title} cannot be checked: {reason}")
        else:
            apis.append(api.title)
            answers |= await _send_all(endpoint, planned, needed.difference(unsent), runs)
    if not apis:
        raise UnreachableError(f"{url} cannot be checked: {reasons[0]}")
    responses = [answer.response for of_request in answers.values() for answer in of_request]
    return Report(
        url=url,
        model=model,
        apis=apis,
        http_version=", ".join(sorted({response.version for response in responses} - {""})),
        headers=_headers(responses),
        results=[judge(rule, answers, unsent) for rule in rules],
    )


def _select(only: Collection[str]) -> list[Rule]:
    known = {rule.id: rule for rule in RULES}
    for id in only:
        if id not in known:
            raise RequestError(f"--only: {id!r} is not a rule; docs/check.md lists them")
    return [rule for rule in RULES if not only or rule.id in only]


async def _send_all(
    endpoint: Endpoint, planned: list[Planned], needed: Collection[str], runs: int
) -> dict[str, list[Answer]]:
    """Send what is needed in an API."""
    answers: dict[str, list[Answer]] = {}
    for _, of_group in groupby(planned, key=lambda request: request.group):
        group = list(of_group)
        if any(request.name in needed for request in group):
            answers |= await _send(endpoint, group, runs)
    return answers


async def _send(endpoint: Endpoint, group: list[Planned], runs: int) -> dict[str, list[Answer]]:
    """Send the requests of a group, as often as they need it."""
    answers: dict[str, list[Answer]] = {planned.name: [] for planned in group}
    at_once = [planned for planned in group if planned.derive is None]
    for _ in range(runs if group[0].is_sampled else 1):
        responses = await asyncio.gather(*(endpoint.send(planned.request) for planned in at_once))
        for planned, response in zip(at_once, responses, strict=True):
            answers[planned.name].append(
                Answer(response, is_stream=planned.is_stream, translate=planned.api.translate)
            )
        for planned in group:
            if planned.derive is not None:
                request = planned.derive(
                    {name: of_request[-1] for name, of_request in answers.items() if of_request}
                )
                response = await endpoint.send(request) if request else Response(failure="it is not offered")
                answers[planned.name].append(
                    Answer(response, is_stream=planned.is_stream, translate=planned.api.translate)
                )
    return answers


def _headers(responses: Iterable[Response]) -> dict[str, str]:
    """Return the headers of proxies, each with its first values: some have another one in each response."""
    values: dict[str, dict[str, None]] = {}
    for response in responses:
        for name in response.headers.keys() & _ON_THE_WAY:
            values.setdefault(name, {})[response.headers[name]] = None
    return {name: _join(list(values[name])) for name in _ON_THE_WAY if name in values}


def _join(values: list[str]) -> str:
    more = len(values) - _MAX_VALUES
    return ", ".join(values[:_MAX_VALUES]) + (f" and {more} more" if more > 0 else "")
