"""`headrace check --verify`: which tools a model calls, whether their arguments obey the schemas, and comparisons."""

import asyncio
import json

import jsonschema
import pytest

from headrace.checking import Response
from headrace.checking.verify import SHIPPED, read_samples, verify
from headrace.checking.verify.figures import agreement_of, expected_of, figures_of, reference_of
from headrace.checking.verify.report import decode_run, encode_json, encode_text
from headrace.cli.main import main
from headrace.errors import RequestError
from scripted_server import Reply, ScriptedServer, stream

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}


def sample(id, expected=None, **fields):
    line = {"id": id, "messages": [{"role": "user", "content": id}], "tools": [TOOL], **fields}
    return json.dumps(line if expected is None else {**line, "expected": expected})


def call(arguments, name="get_weather", index=0):
    return {
        "tool_calls": [
            {"index": index, "id": f"c{index}", "function": {"name": name, "arguments": arguments}}
        ]
    }


class Answering:
    """An endpoint with a list of deltas for each question; without one, it is overloaded."""

    def __init__(self, **answers):
        self.answers, self.bodies = answers, []

    async def send(self, request):
        body = json.loads(request.body)
        self.bodies.append(body)
        deltas = self.answers.get(body["messages"][0]["content"])
        if deltas is None:
            return Response(status=503, pieces=[(0.1, b"overloaded")])
        reason = "tool_calls" if any("tool_calls" in delta for delta in deltas) else "stop"
        chunks = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
        ending = {
            "choices": [{"index": 0, "delta": {}, "finish_reason": reason}],
            "usage": {"completion_tokens": 9},
        }
        data = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in (*chunks, ending))
        return Response(status=200, pieces=[(0.1, data.encode()), (0.2, b"data: [DONE]\n\n")])


@pytest.fixture
def run(tmp_path):
    """Sends samples, given as lines, and returns the samples and the run."""

    def run(endpoint, *lines):
        file = tmp_path / "samples.jsonl"
        file.write_text("\n".join(lines))
        samples = read_samples(file)
        return samples, asyncio.run(verify(endpoint, "http://gpu1", "glm-4.6", samples))

    return run


@pytest.mark.parametrize(
    ("delta", "violation"),
    [
        (call('{"city": "Oslo", "days": 2}'), ""),
        (call('{"days": 2}'), "'city' is a required property"),
        (call('{"city": "Oslo", "days": 0}'), "$.days: 0 is less than the minimum"),
        (call('{"city": "Oslo", "unit": "C"}'), "Additional properties"),
        (call('{"city": "Oslo"'), "the arguments are not JSON"),
        (call("{}", name="get_time"), "the tool 'get_time' does not exist"),
    ],
)
def test_arguments_are_judged_by_the_schema_of_the_tool(run, delta, violation):
    _, done = run(Answering(q=[delta]), sample("q"))

    [judged] = done.outcomes[0].calls
    assert judged.violation.startswith(violation) if not violation else violation in judged.violation
    assert figures_of(done).obeying == (not violation)


@pytest.mark.parametrize(
    ("schema", "violation"),
    [
        ({"type": "strin"}, "the schema of the tool is not valid"),
        ({"$ref": "#/nope"}, "the schema of the tool is not valid: it has no '/nope'"),
        ({"$ref": "http://127.0.0.1:9/schema"}, "it has no 'http://127.0.0.1:9/schema'"),
        ({"$ref": "#"}, "nested too deeply"),
    ],
)
def test_a_schema_that_cannot_be_used_is_named_and_nothing_is_downloaded(run, schema, violation, monkeypatch):
    monkeypatch.setattr("urllib.request.urlopen", pytest.fail)
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": schema}}
    _, done = run(Answering(q=[call("{}")]), sample("q", tools=[tool]))

    assert violation in done.outcomes[0].calls[0].violation


def test_precision_recall_and_f1_are_those_of_calling_a_tool(run):
    endpoint = Answering(
        right=[call('{"city": "Oslo"}')],
        wrong=[call("{}", name="get_time")],
        missed=[{"content": "It is sunny."}],
        needless=[call('{"city": "Oslo"}')],
        none=[{"content": "Hello!"}],
    )
    expected = {
        "right": ["get_weather"],
        "wrong": ["get_weather"],
        "missed": ["get_weather"],
        "needless": [],
        "none": [],
    }
    samples, done = run(
        endpoint, *(sample(id, names) for id, names in expected.items()), sample("failed", ["get_weather"])
    )

    agreement = agreement_of(done.outcomes, expected_of(samples))

    assert agreement == (2, 1, 1, 1, 1)
    assert (agreement.precision, agreement.recall, agreement.f1) == (2 / 3, 2 / 3, 4 / 6)


def test_what_the_figures_count(run):
    endpoint = Answering(
        thinks=[{"reasoning_content": "Hm."}],
        talks=[{"reasoning_content": "Hm."}, {"content": "Hi"}],
        calls=[call('{"city": "Oslo"}'), call("{}", index=1)],
    )
    _, done = run(endpoint, *map(sample, ("thinks", "talks", "calls", "failed")))

    figures = figures_of(done)

    assert (figures.answered, figures.failed, figures.thinking_only) == (3, 1, 1)
    assert (figures.calls, figures.obeying, figures.violations) == (2, 1, {"get_weather": 1})
    assert figures.finish_reasons == {"stop": 2, "tool_calls": 1}
    assert figures.failures == {"status 503: overloaded": 1}
    assert figures.tokens == 27


def test_a_sample_is_sent_as_it_is_but_for_what_is_ours(run):
    endpoint = Answering(q=[{"content": "Hi"}])
    run(endpoint, sample("q", [], temperature=0.6, model="other", thinking={"type": "disabled"}))

    _, body = endpoint.bodies  # the first one shows that the endpoint can be checked
    assert (body["model"], body["stream"], body["temperature"]) == ("glm-4.6", True, 0.6)
    assert body["thinking"] == {"type": "disabled"}
    assert not {"id", "expected"} & body.keys()


def test_a_run_is_compared_with_a_reference_of_the_same_samples_only(run, tmp_path):
    lines = [sample("a", []), sample("b", [])]
    _, reference = run(Answering(a=[call("{}")], b=[{"content": "Hi"}]), *lines)
    samples, done = run(Answering(a=[call('{"city": "Oslo"}')], b=[call("{}")]), *lines)
    file = tmp_path / "reference.json"
    file.write_text(encode_json(reference, figures_of(reference), {}))

    agreement = agreement_of(done.outcomes, reference_of(samples, decode_run(file)))

    assert agreement == (1, 1, 0, 0, 1)
    text = encode_text(done, figures_of(done), {"reference": agreement})
    assert "precision 0.500, recall 1.000, F1 0.667" in text
    other = samples[:1]
    with pytest.raises(RequestError, match="only runs of the same samples"):
        reference_of(other, decode_run(file))


def test_a_terminal_gets_no_control_characters(run):
    _, done = run(Answering(q=[call("\x1b]52;c;aGk=\x07\u202e", name="\x1b[2J")]), sample("q"))

    text = encode_text(done, figures_of(done), {})

    assert [c for c in text if c != "\n" and not c.isprintable()] == []
    assert encode_json(done, figures_of(done), {}).isascii()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("", "has no samples"),
        ("{", "line 1 of"),
        ('{"tools": []}', "missing required field `messages`"),
        (sample("a") + "\n" + sample("a"), "2 samples but 1 ids"),
        (sample("a") + "\n" + '{"messages": [], "tools": [{"function": {}}]}', "line 2 of"),
        (
            '{"messages": [], "expected": ["get_wether"]}',
            "`expected` has 'get_wether', which is none of its `tools`",
        ),
    ],
)
def test_what_is_no_sample_is_named(lines, message, tmp_path):
    file = tmp_path / "samples.jsonl"
    file.write_text(lines)

    with pytest.raises(RequestError, match=message):
        read_samples(file)


def test_the_shipped_samples_are_valid_and_half_are_chinese():
    samples = read_samples(SHIPPED)

    assert len(samples) == 200
    assert sum(sample.id.startswith("zh-") for sample in samples) == 100
    assert {len(sample.expected) for sample in samples} == {0, 1, 2}
    for sample in samples:
        assert sample.schemas.keys() >= set(sample.expected)
        assert sample.id.startswith("zh-") != sample.request["messages"][0]["content"].isascii()
    schemas = {json.dumps(schema) for sample in samples for schema in sample.schemas.values()}
    for schema in map(json.loads, schemas):
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["properties"].keys() >= set(schema["required"])


def test_the_command_prints_figures_and_fails_if_an_answer_is_missing(tmp_path, capsys):
    file = tmp_path / "samples.jsonl"
    file.write_text(sample("q", []))
    with ScriptedServer(Reply(stream("Hel", "lo"))) as server:
        assert main(["check", "--verify", str(file), "--model", "m", f"{server.url}"]) == 0
        assert "answered                   1 of 1 (100.0 %)" in capsys.readouterr().out
    with ScriptedServer(Reply(b"overloaded", status=503)) as server:
        assert main(["check", "--verify", str(file), "--model", "m", server.url]) == 1
        assert "status 503: overloaded" in capsys.readouterr().out
    assert main(["check", "--verify", str(file), "--model", "m", server.url]) == 3
    assert f"{server.url} does not respond: cannot connect" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--reference", "run.json"], "--reference needs --verify"),
        (["--concurrency", "2"], "--concurrency needs --verify"),
        (["--verify", "built-in", "--only", "sse.done"], "--only has no effect with --verify"),
        (["--verify", "built-in", "--runs", "2"], "--runs has no effect with --verify"),
        (["--verify", "no-such-file"], "cannot read no-such-file: No such file"),
        (["--verify", "built-in", "--reference", "no-such-file"], "cannot read no-such-file"),
    ],
)
def test_an_option_without_effect_and_a_missing_file_are_usage_errors(arguments, message, capsys):
    assert main(["check", *arguments, "http://127.0.0.1:9"]) == 2
    assert message in capsys.readouterr().err
