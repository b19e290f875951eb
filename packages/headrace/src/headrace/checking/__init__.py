"""`headrace check`: requests to an endpoint, and rules that its responses hold or break.

    plan.py, variants.py: the requests                     endpoint.py   sends them, and notes times
    probe.py      finds a wrong URL, key or model first    answer.py     a response, decoded
    rule.py       what a rule is; a rule's result          api.py        what differs between the APIs
    framing.py, chunks.py, calls.py, meaning.py, leaving.py, errors.py   the rules, as data
    messages/, responses/: two APIs and their own rules    verify/       how well a model calls tools
    run.py        plan → endpoint → rules → report         report.py, page.py, html.py: the report

It uses the decoders of this package and nothing of the server.
"""

from headrace.checking.endpoint import Endpoint, HttpEndpoint, Request, Response
from headrace.checking.probe import find_model
from headrace.checking.rule import Result, Rule
from headrace.checking.rules import RULES
from headrace.checking.run import Report, check

__all__ = [
    "RULES",
    "Endpoint",
    "HttpEndpoint",
    "Report",
    "Request",
    "Response",
    "Result",
    "Rule",
    "check",
    "find_model",
]
