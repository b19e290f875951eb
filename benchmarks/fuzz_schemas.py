"""Mutated JSON Schemas: how long each holds the event loop, and whether it is rejected as documented.

A mutation replaces a part of a schema by an odd value, by another schema, by a reference, or by the same part
repeated or nested deeply. Each schema is sent to the embedded model, as a `response_format` or as the
parameters of a tool that must be called. A seed reproduces a run. Broken rules are printed: a status other
than 200 and 400, a rejection without a documented code and the place, a hold above 50 ms.

    python benchmarks/fuzz_schemas.py [--schemas 500] [--seed 1]
"""

import argparse
import copy
import http.client
import json
import multiprocessing as mp
import random
import sys
from collections import Counter
from typing import Any

from attack import CHAT, JSON, body, doubling, probe, serve
from fuzz import ODD, paths

MAX_HOLD = 50.0  # ms
REPEATS = 4  # of a longer hold, of which the shortest counts: other programs use the machine as well
MAX_SIZE = 20_000  # characters of a schema that is mutated further
MAX_BODY = 200_000  # bytes; a larger body is rejected unread
MAX_PATH = 100
TEXT, NUMBER, NULL = {"type": "string"}, {"type": "integer", "minimum": 0}, {"type": "null"}
POINT = {"type": "object", "properties": {"x": NUMBER, "y": NUMBER}, "required": ["x"]}
NODE = {"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#/$defs/Node"}, NULL]}}}
SCHEMAS: list[Any] = [
    doubling(30),
    {
        "$ref": "#/$defs/0",
        "$defs": {str(n): {"allOf": [{"$ref": f"#/$defs/{n + 1}"}] * 2} for n in range(30)},
    },
    {"$ref": "#/$defs/Node", "$defs": {"Node": NODE}},
    {**POINT, "additionalProperties": False},
    {"type": "array", "items": POINT, "minItems": 1, "maxItems": 4, "uniqueItems": True},
    {"type": "array", "prefixItems": [TEXT, NUMBER], "items": False},
    {"oneOf": [{**POINT, "properties": {"k": {"const": k}}} for k in ("a", "b", "c")]},
    {"anyOf": [POINT, {"allOf": [POINT, {"properties": {"z": TEXT}}]}, NULL], "description": "d"},
    {"type": "object", "additionalProperties": NUMBER, "propertyNames": {"pattern": "^[a-z]+$"}},
    {"type": "object", "patternProperties": {"^x-": TEXT}, "properties": {"x-a": {"maxLength": 5}}},
    {"type": "string", "pattern": "^[a-z]{1,8}(-[a-z]{1,8}){0,3}$", "minLength": 2, "format": "hostname"},
    {
        "type": "object",
        "properties": {f"p{n}": {"type": ["string", "null"], "enum": ["a", None]} for n in range(40)},
    },
    {
        "type": "object",
        "properties": {f"p{n}": {"$ref": "#/$defs/Node"} for n in range(60)},
        "$defs": {"Node": NODE},
    },
    {"if": POINT, "then": {"required": ["y"]}, "else": {"not": TEXT}, "dependentRequired": {"x": ["y"]}},
]


def grown(part: Any, chance: random.Random) -> Any:
    """Make a large or deep part of one part."""
    count = chance.choice([2, 8, 30, 100])
    match chance.randrange(7):
        case 0:
            return {chance.choice(["anyOf", "oneOf", "allOf", "prefixItems"]): [part] * count}
        case 1:
            for _ in range(count):
                part = {"type": ["object", "object"], "properties": {"a": part}}
            return part
        case 2:
            for _ in range(count):
                part = {chance.choice(["items", "not", "contains", "additionalProperties", "if"]): part}
            return part
        case 3:
            return {"type": "object", "properties": {f"a{n}": part for n in range(count)}, "minProperties": 1}
        case 4:
            chain = {f"g{n}": {"anyOf": [{"$ref": f"#/$defs/g{n + 1}"}, part]} for n in range(count)}
            return {"$ref": "#/$defs/g0", "$defs": chain}
        case 5:
            return {"type": "array", "items": part, "minItems": 10 ** chance.randrange(9)}
        case _:
            return {"type": "string", "pattern": "(" * count + "a" + "{1,30})" * count}


def mutated(chance: random.Random) -> Any:
    schema = copy.deepcopy(chance.choice(SCHEMAS))
    for _ in range(chance.choice([1, 1, 2, 4])):
        path = chance.choice([path for path in paths(schema) if len(path) < MAX_PATH])
        owner = schema
        for key in path[:-1]:
            owner = owner[key]
        pointer = "#" + "".join(f"/{key}" for key in path[: chance.randrange(len(path) + 1)])
        large = grown(owner[path[-1]], chance)
        owner[path[-1]] = chance.choice(
            [chance.choice(ODD), {"$ref": pointer}, large, copy.deepcopy(chance.choice(SCHEMAS))]
        )
        text = json.dumps(schema)
        if len(text) > MAX_SIZE:
            break
        schema = json.loads(text)  # without common parts, which the next mutation would change together
    return schema


def request(chance: random.Random) -> bytes:
    schema = mutated(chance)
    if len(json.dumps(schema)) > MAX_BODY:
        return request(chance)
    if chance.random() < 0.5:
        return body(response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": schema}})
    function = {"name": "f", "parameters": schema, "strict": chance.random() < 0.2}
    return body(tools=[{"type": "function", "function": function}], tool_choice="required")


def send(port: int, sent: bytes) -> tuple[int, bytes, float]:
    """Return the status, the answer, and for how long the loop stood still, in ms."""
    probe(port)
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    client.request("POST", CHAT, sent, JSON)
    response = client.getresponse()
    answer = response.read()
    client.close()
    return response.status, answer, probe(port)[0]


def broken_rule(status: int, answer: bytes) -> str:
    if status == 200:
        return ""
    if status != 400:
        return f"status {status}"
    error = json.loads(answer)["error"]
    is_too_long = error["code"] == "1261"
    is_of_schema = error["code"] in {"1210", "1212", "1214"} and (
        "response_format" in error["message"] or "tool" in error["message"]
    )
    return "" if is_too_long or is_of_schema else "an undocumented rejection"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--schemas", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    spawn = mp.get_context("spawn")
    own, its = spawn.Pipe()
    server = spawn.Process(target=serve, args=(its,), daemon=True)
    server.start()
    port = own.recv()
    chance = random.Random(options.seed)
    counts: Counter[str] = Counter()
    holds: list[float] = []
    for _ in range(50):
        send(port, body())
    for _ in range(options.schemas):
        sent = request(chance)
        status, answer, hold = send(port, sent)
        for _ in range(REPEATS if hold > MAX_HOLD else 0):
            hold = min(hold, send(port, sent)[2])
        holds.append(hold)
        counts[f"status {status}"] += 1
        rules = [broken_rule(status, answer), "a hold" if hold > MAX_HOLD else ""]
        for rule in filter(None, rules):
            counts[rule] += 1
            print(f"{rule}, {hold:.1f} ms: {answer[:300]!r}", file=sys.stderr)
            print(f"    {len(sent)} bytes: {sent[:2000]!r}", file=sys.stderr)
    server.terminate()
    holds.sort()
    print(f"seed {options.seed}: {dict(counts)}; held the loop for {holds[len(holds) // 2]:.1f} ms (median),")
    print(f"{holds[int(len(holds) * 0.99)]:.1f} (p99), {holds[-1]:.1f} (longest)")


if __name__ == "__main__":
    main()
