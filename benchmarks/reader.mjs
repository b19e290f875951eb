/**
 * The CPU time per chunk of a streamed answer: headrace.js, and other readers if `make clients` has installed them,
 * in relation to the least that any reader does: fetch, split, JSON.parse. The rounds of all readers are interleaved.
 *
 *     node benchmarks/reader.mjs [--chunks 20000] [--rounds 12] [--separately]
 *
 * `--separately`: the server lets each chunk go before it writes the next one, so that most are read one by one.
 */

import {fork} from "node:child_process";
import {createServer} from "node:http";
import {createRequire} from "node:module";
import {parseArgs} from "node:util";

import {Client} from "../packages/headrace-js/headrace.js";

const TURN = "2026112900000012345678";
const HEAD = {id: TURN, created: 1, object: "chat.completion.chunk", model: "glm-4.6"};
const REQUEST = {model: "glm-4.6", messages: [{role: "user", content: "Hello"}]};
const installed = createRequire(new URL("../.venv-clients-npm/package.json", import.meta.url));

/** Serve an answer of so many chunks, each a chunk of HTTP's as from uvicorn, as fast as it is read. */
function serve({chunks: count, separately}) {
  const chunk = (choice, rest = {}) =>
    JSON.stringify({...HEAD, choices: [{index: 0, ...choice}], ...rest});
  const kinds = ["reasoning_content", "content"];
  const frames = Array.from({length: count - 1}, (_, at) => {
    const delta = {role: "assistant", [kinds[Math.floor((2 * at) / count)]]: ` word${at}`};
    return `id: ${at + 1}\ndata: ${chunk({delta})}\n\n`;
  });
  const usage = {prompt_tokens: 6, completion_tokens: count, total_tokens: count + 6};
  const ending = chunk({delta: {role: "assistant", content: ""}, finish_reason: "stop"}, {usage});
  frames.push(`id: ${count}\ndata: ${ending}\n\ndata: [DONE]\n\n`);
  const server = createServer(async (request, response) => {
    request.resume();
    response.writeHead(200, {"Content-Type": "text/event-stream", "X-Headrace-Turn": TURN});
    for (const frame of frames) {
      if (!response.write(frame)) await new Promise((resolve) => response.once("drain", resolve));
      if (separately) await new Promise((resolve) => setImmediate(resolve));
    }
    response.end();
  });
  server.keepAliveTimeout = 0; // a reader may pause between two rounds
  process.on("disconnect", () => process.exit());
  server.listen(0, "127.0.0.1", () => process.send(server.address().port));
}

/** The least that a reader does, which is no reader: it knows no ids, errors, line ends or lost connections. */
async function readBare(url) {
  const response = await fetch(`${url}/chat/completions`, {method: "POST", body: JSON.stringify({...REQUEST, stream: true})});
  const utf8 = new TextDecoder();
  let [rest, length] = ["", 0];
  for await (const bytes of response.body) {
    const blocks = (rest + utf8.decode(bytes, {stream: true})).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const data = block.slice(block.indexOf("data: ") + 6);
      if (data === "[DONE]") continue;
      const {delta} = JSON.parse(data).choices[0];
      length += (delta.content ?? delta.reasoning_content ?? "").length;
    }
  }
  return length;
}

async function readHeadrace(url) {
  let length = 0;
  for await (const event of new Client({baseUrl: url}).stream(REQUEST))
    if (event.type === "content.delta" || event.type === "reasoning.delta") length += event.delta.length;
  return length;
}

async function readOpenai(url) {
  const {default: OpenAI} = await import(installed.resolve("openai"));
  const client = new OpenAI({baseURL: url, apiKey: "any"});
  let length = 0;
  for await (const {choices: [{delta}]} of await client.chat.completions.create({...REQUEST, stream: true}))
    length += (delta.content ?? delta.reasoning_content ?? "").length;
  return length;
}

async function readAi(url) {
  const [{streamText}, {createOpenAICompatible}] = await Promise.all(
    ["ai", "@ai-sdk/openai-compatible"].map((name) => import(installed.resolve(name))),
  );
  const model = createOpenAICompatible({name: "headrace", baseURL: url})("glm-4.6");
  let length = 0;
  for await (const part of streamText({model, prompt: "Hello"}).fullStream)
    if (part.type === "text-delta" || part.type === "reasoning-delta") length += part.text.length;
  return length;
}

function isInstalled(name) {
  try {
    return Boolean(installed.resolve(name));
  } catch {
    return false;
  }
}

async function measure({chunks, rounds, separately}) {
  const server = fork(process.argv[1], ["--serve", "--chunks", chunks, ...(separately ? ["--separately"] : [])]);
  const port = await new Promise((resolve) => server.once("message", resolve));
  const readers = {bare: readBare, "headrace.js": readHeadrace};
  if (isInstalled("openai")) readers["npm's openai"] = readOpenai;
  if (isInstalled("ai")) readers["npm's ai"] = readAi;
  const times = Object.fromEntries(Object.keys(readers).map((name) => [name, []]));
  const lengths = new Set();
  for (let round = -2; round < rounds; round += 1)
    for (const [name, read] of Object.entries(readers)) {
      globalThis.gc?.();
      const before = process.cpuUsage();
      lengths.add(await read(`http://127.0.0.1:${port}`));
      const {user, system} = process.cpuUsage(before);
      if (round >= 0) times[name].push((user + system) / chunks); // two rounds warm up
    }
  server.kill();
  if (lengths.size !== 1) throw new Error(`the readers have read different answers: ${[...lengths]}`);
  const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
  for (const [name, values] of Object.entries(times)) {
    const ratio = median(values.map((value, round) => value / times.bare[round]));
    const [least, most] = [Math.min(...values), Math.max(...values)].map((value) => value.toFixed(1));
    console.log(`${name}: ${median(values).toFixed(1)} µs per chunk (${least} to ${most}), ${ratio.toFixed(2)} × bare`);
  }
}

const {values} = parseArgs({
  options: {
    chunks: {type: "string", default: "20000"},
    rounds: {type: "string", default: "12"},
    separately: {type: "boolean", default: false},
    serve: {type: "boolean"},
  },
});
const options = {chunks: Number(values.chunks), rounds: Number(values.rounds), separately: values.separately};
if (values.serve) serve(options);
else await measure(options);
