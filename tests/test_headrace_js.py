"""headrace.js: Node runs its tests, which read the traces of this repository as a server sends them."""

import json
import re
from pathlib import Path

import msgspec
import pytest

from client_programs import NODE, run
from dialects import CASES, TOOLS, TRACES, ask, events_of, parser
from headrace.chunks import ChunkEncoder, encode_chunk
from headrace.engines import ScriptedEngine
from headrace.events import Finish, TokenUsage
from headrace.formats import FORMATS
from headrace.parsing import OutputParser
from headrace.prompts import ChatTemplate
from headrace.server import App, LocalServer, Model, ModelRegistry, Settings
from headrace.sse import DONE, encode_event
from headrace.turns import Interpreter
from headrace.wire import fold

READER = Path(__file__).parents[1] / "packages/headrace-js"
OUTPUTS = sorted(path.parent for path in TRACES.parent.glob("*/*/output.txt"))
SCHEMAS = {
    tool["function"]["name"]: tool["function"]["parameters"]
    for tool in json.loads((TRACES.parent / "tools.json").read_text())
}


def parsed(output):
    """The events of a model's output that arrives in tokens of up to four characters."""
    text = (output / "output.txt").read_bytes().decode()
    parser = OutputParser(FORMATS[output.parent.name], SCHEMAS)
    events = [event for at in range(0, len(text), 4) for event in parser.feed(text[at : at + 4])]
    return [*events, *parser.finish(), Finish("stop", TokenUsage(7, 9))]


def interpreted(case):
    generation = ask(tools=TOOLS, tool_stream=True)
    interpreter = Interpreter(lambda: parser(case.parent.name, generation.request))
    return interpreter.feed(events_of(case, lambda data: [data]))


def wire_form(case, events):
    """What a server sends, and the answer that it is."""
    encoder = ChunkEncoder(case.name, 1, "m")
    chunks = {number: encoder.encode(event) for number, event in enumerate(events, 1)}
    sent = {number: chunk for number, chunk in chunks.items() if chunk is not None}
    frames = [encode_event(encode_chunk(chunk), id=number) for number, chunk in sent.items()]
    return {
        "name": f"{case.parent.name}/{case.name}",
        "stream": b"".join([*frames, encode_event(DONE)]).decode(),
        "answer": fold(sent.values()),
    }


@pytest.fixture(scope="module")
def traces(tmp_path_factory):
    file = tmp_path_factory.mktemp("traces") / "traces.json"
    cases = [(case, parsed(case)) for case in OUTPUTS] + [(case, interpreted(case)) for case in CASES]
    file.write_bytes(msgspec.json.encode([wire_form(*case) for case in cases]))
    return file


@pytest.mark.parametrize("file", sorted(READER.glob("tests/*.test.js")), ids=lambda file: file.name)
def test_the_tests_of_the_reader_pass(file, traces):
    run([NODE, "--test", file], variables={"HEADRACE_TRACES": str(traces)})


README = (READER / "README.md").read_text()
RECIPES = re.findall(r"^```js\n(import .*? from \"headrace\".*?)^```", README, re.MULTILINE | re.DOTALL)
PAGE = re.search(r'<script type="module">\n(.*?)</script>', README, re.DOTALL)[1]


@pytest.fixture(scope="module")
def url():
    engine = ScriptedEngine("<think>A greeting.</think>Hello!", piece=3)
    model = Model(("glm-4.6",), engine, FORMATS["glm-4.6"], ChatTemplate("Hi"))
    with LocalServer(App(ModelRegistry([model]), Settings())) as server:
        yield server.url


@pytest.mark.parametrize("recipe", RECIPES, ids=["streamed", "stored"])
def test_a_recipe_of_the_readme_prints_the_answer(recipe, url):
    program = recipe.replace("http://127.0.0.1:8000", url)

    assert run([NODE, "--input-type=module"], input=program, cwd=READER).startswith("Hello!")


BROWSER = """
const kept = {};
globalThis.sessionStorage = {getItem: key => kept[key] ?? null, setItem: (key, value) => (kept[key] = value)};
class Element {
  textContent = "";
  append(text) { this.textContent += text; }
  replaceChildren() { this.textContent = ""; }
}
for (let load = 0; load < 3; load += 1) {
  const element = new Element();
  globalThis.document = Object.assign(new EventTarget(), {getElementById: () => element});
  await run();
  console.log(element.textContent, JSON.parse(kept.answer).finishReason);
}
"""


def test_the_page_of_the_readme_shows_the_answer_once_also_after_a_reload(url):
    body = PAGE.replace("http://127.0.0.1:8000/headrace.js", str(READER / "headrace.js"))
    imports, _, code = body.replace("http://127.0.0.1:8000", url).strip().partition("\n")
    program = f"{imports}\nasync function run() {{{code}}}\n{BROWSER}"

    assert run([NODE, "--input-type=module"], input=program) == "Hello! stop\n" * 3


CUTTING = """
import { createServer, connect } from "node:net";
import { Client } from "./headrace.js";

Math.random = () => 0; // no time between two attempts
const target = new URL(URL_OF_SERVER);
let cuts = 0;
const relay = createServer((client) => {
  const server = connect(target.port, target.hostname);
  let left = 700 + 37 * cuts; // bytes until this connection is cut, somewhere in a frame
  server.on("data", (bytes) => {
    client.write(bytes.subarray(0, left));
    left -= bytes.length;
    if (left <= 0) { cuts += 1; client.destroy(); server.destroy(); }
  });
  client.on("data", (bytes) => server.write(bytes));
  for (const socket of [client, server]) socket.on("error", () => {}).on("close", () => (client.destroy(), server.destroy()));
});
await new Promise((resolve) => relay.listen(0, "127.0.0.1", resolve));
const path = "/api/paas/v4";
const request = { model: "glm-4.6", messages: [{ role: "user", content: "Hello" }] };
const cut = new Client({ baseUrl: `http://127.0.0.1:${relay.address().port}${path}` }).stream(request);
await cut.final();
const whole = await new Client({ baseUrl: target.href + path.slice(1) }).stream(request).final();
console.log(cuts > 5, JSON.stringify(cut.completion.message) === JSON.stringify(whole.message), whole.content.length);
process.exit(); // connections are kept alive
"""


def test_an_answer_over_connections_that_are_cut_is_the_whole_one():
    text = "<think>I count.</think>" + " ".join(str(number) for number in range(60))
    model = Model(
        ("glm-4.6",), ScriptedEngine(text, piece=2, delay=0.002), FORMATS["glm-4.6"], ChatTemplate("Hi")
    )
    with LocalServer(App(ModelRegistry([model]), Settings())) as server:
        program = CUTTING.replace("URL_OF_SERVER", json.dumps(server.url))
        output = run([NODE, "--input-type=module"], input=program, cwd=READER)

    assert output.split() == ["true", "true", "169"]
