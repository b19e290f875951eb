"""The APIs that an endpoint offers are detected; the rules of others are skipped with the reason."""

import asyncio

import pytest

from headrace.checking import RULES, Response, check
from headrace.errors import UnreachableError
from right_endpoint import RightEndpoint

PATHS = {"": "/chat/completions", "messages": "/messages", "responses": "/responses"}


class Offering(RightEndpoint):
    """Answers requests to some of the paths, and others with a status."""

    def __init__(self, *paths, status=404):
        super().__init__()
        self.paths, self.status = paths, status

    async def send(self, request):
        if request.path == "/models" or request.path.startswith(self.paths):
            return await super().send(request)
        return Response(status=self.status, pieces=[(0.1, b"Not Found")])


def api_of(rule):
    prefix = rule.partition(".")[0]
    return prefix if prefix in PATHS else ""


@pytest.mark.parametrize("status", [404, 405, 501])
@pytest.mark.parametrize("offered", PATHS)
def test_the_rules_of_an_api_that_is_not_offered_are_skipped_with_the_reason(offered, status):
    endpoint = Offering(PATHS[offered], status=status)

    report = asyncio.run(check(endpoint, "http://right", runs=1, has_key=True))

    assert len(report.apis) == 1
    for result in report.results:
        if api_of(result.rule) == offered:
            assert result.outcome in ("holds", "skipped")
        elif result.rule != "cors.preflight":
            assert result.outcome == "skipped"
            assert "cannot be checked" in result.text
            assert f"status {status}: Not Found" in result.text


def test_an_endpoint_without_any_of_the_apis_is_an_error():
    with pytest.raises(UnreachableError, match="status 404"):
        asyncio.run(check(Offering("/nothing"), "http://right"))


def test_only_the_apis_of_the_selected_rules_are_requested():
    report = asyncio.run(check(Offering("/messages"), "http://right", only=["messages.order"], runs=1))

    assert [result.outcome for result in report.results] == ["holds"]


def test_every_rule_of_an_api_has_requests_of_this_api():
    for rule in RULES:
        names = [name for names in rule.requests for name in names]
        prefixes = {name.partition(": ")[0] if ": " in name else "" for name in names}

        assert names
        assert prefixes & PATHS.keys() <= {api_of(rule.id)}
