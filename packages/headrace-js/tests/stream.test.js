import assert from "node:assert/strict";
import {beforeEach, mock, test} from "node:test";

import {Completion} from "../headrace.js";
import {retryDelay} from "../headrace/stream.js";
import {TURN, Server, answer, chunk, frame, read, refusal, response} from "./streams.js";

const REQUEST = {model: "glm-4.6", messages: [{role: "user", content: "Hello"}]};
const JSON_TYPE = {"Content-Type": "application/json"};

const whole = new Completion();
answer().forEach((each, at) => whole.add(String(at + 1), each));

beforeEach(() => {
  mock.restoreAll();
  mock.method(Math, "random", () => 0); // no time between two attempts
});

function assertWhole({completion}) {
  assert.deepEqual(completion.message, whole.message);
  assert.deepEqual(completion.usage, whole.usage);
  assert.equal(completion.finishReason, "tool_calls");
}

const aborted = new DOMException("The operation was aborted.", "AbortError");
const LOSSES = {
  "the end of the body": "close",
  "Safari's error": new TypeError("Load failed"),
  "Chromium's error": new TypeError("network error"),
  "Firefox's error": new TypeError("Error in input stream"),
  "an abort that was not asked for": aborted,
};

for (const [name, end] of Object.entries(LOSSES))
  test(`a connection lost by ${name}, after any event, is resumed`, async () => {
    for (let count = 0; count < answer().length; count += 1) {
      const server = new Server([{frames: count, end}, {frames: 0, end}, {frames: 1, end}]);
      const stream = server.client().stream(REQUEST);
      const events = await read(stream);

      assertWhole(stream);
      const deltas = events.filter(({type}) => type === "content.delta").map(({delta}) => delta);
      assert.equal(deltas.join(""), whole.content);
      assert.equal(events.at(-1).type, "finish");
      const [first, ...others] = server.requests;
      assert.deepEqual([first.method, first.url], ["POST", "http://server.test/api/paas/v4/chat/completions"]);
      assert.deepEqual({...REQUEST, stream: true}, JSON.parse(first.body));
      assert.equal(others[0].url, `${first.url}/${TURN}`);
      assert.deepEqual([others[0].method, others[0].headers["Last-Event-ID"]], ["GET", count ? String(count) : undefined]);
    }
  });

test("the same request is sent again if its response has not begun", async () => {
  const server = new Server([() => Promise.reject(new TypeError("Failed to fetch")), refusal(503)]);
  const stream = server.client().stream(REQUEST);
  const events = await read(stream);

  assertWhole(stream);
  assert.deepEqual(events.slice(0, 2).map(({type, attempt}) => [type, attempt]), [["reconnect", 1], ["reconnect", 2]]);
  const ids = server.requests.map(({method, headers}) => `${method} ${headers["X-Headrace-Request-Id"]}`);
  assert.deepEqual(ids, Array(3).fill(`POST ${stream.requestId}`));
});

test("a server that cannot be reached is an error after two more attempts", async () => {
  const server = new Server(Array(3).fill(() => Promise.reject(new TypeError("Failed to fetch"))));

  await assert.rejects(read(server.client().stream(REQUEST)), {message: /cannot be reached: Failed to fetch/, status: 0});
  assert.equal(server.requests.length, 3);
});

test("a lost connection is an error when the attempts have taken too long", async () => {
  mock.restoreAll();
  mock.method(Math, "random", () => 0.01);
  const server = new Server([{frames: 5, end: "close"}, ...Array(50).fill(refusal(502))]);
  const stream = server.client({retryTimeout: 200}).stream(REQUEST);

  await assert.rejects(read(stream), {status: 502});
  assert.equal(stream.completion.reasoning, "Two cities, two");
});

test("a stream without event ids cannot be resumed, and its text stays", async () => {
  const frames = answer().slice(0, 3).map((each) => frame("", each));
  const stream = new Server([() => response(frames, "close")]).client().stream(REQUEST);

  await assert.rejects(read(stream), {message: /closed before the end/});
  assert.equal(stream.completion.reasoning, "Two citie");
});

test("a GET that stays silent is sent again as a POST", async () => {
  const silent = {frames: 0, end: "silent"};
  const withoutResponse = (signal) =>
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  for (const get of [silent, withoutResponse]) {
    const server = new Server([{frames: 5, end: "close"}, get, {frames: 2, end: "close"}]);
    const stream = server.client({keepAlive: 25}).stream(REQUEST);
    await read(stream);

    assertWhole(stream);
    assert.deepEqual(server.requests.map(({method}) => method), ["POST", "GET", "POST", "POST"]);
    assert.equal(server.requests[2].url, `http://server.test/api/paas/v4/chat/completions/${TURN}`);
    assert.equal(server.requests[2].body, undefined);
  }
});

test("a connection that falls silent in mid-answer is lost; a slow caller is not silence", async () => {
  const server = new Server([{frames: 5, end: "silent"}]);
  const stream = server.client({keepAlive: 25}).stream(REQUEST);
  let count = 0;
  for await (const _ of stream) if ((count += 1) === 2) await new Promise((resolve) => setTimeout(resolve, 120));

  assertWhole(stream);
  assert.deepEqual(server.requests.map(({headers}) => headers["Last-Event-ID"]), [undefined, "5"]);
});

test("204 means that there is nothing after the last event", async () => {
  const stored = new Completion();
  answer().slice(0, -1).forEach((each, at) => stored.add(String(at + 1), each));
  const server = new Server([() => new Response(null, {status: 204})]);
  const stream = server.client().resume(TURN, {completion: stored});

  assert.deepEqual((await read(stream)).at(-1), {type: "finish", reason: "stop"});
});

test("a stored answer goes on after its last event, and one of another turn begins again", async () => {
  for (let count = 0; count < answer().length; count += 1) {
    const partial = new Completion({requestId: "mine"});
    answer().slice(0, count).forEach((each, at) => partial.add(String(at + 1), each));
    const stored = JSON.parse(JSON.stringify(partial));
    const other = {...stored, id: "another", requestId: "another"};
    for (const [turn, completion, after] of [[TURN, stored, count], ["mine", stored, count], [TURN, other, 0], [TURN, {}, 0]]) {
      if (turn === TURN && completion === stored && count === 0) continue;
      const server = new Server();
      const stream = server.client().resume(turn, {completion});
      await read(stream);

      assertWhole(stream);
      assert.equal(server.requests[0].headers["Last-Event-ID"], after ? String(after) : undefined);
    }
  }
});

test("an answer that is complete needs no request", async () => {
  const server = new Server();
  const events = await read(server.client().resume(TURN, {completion: JSON.parse(JSON.stringify(whole))}));

  assert.deepEqual(events.map(({type}) => type), ["usage", "finish"]);
  assert.equal(server.requests.length, 0);
});

test("a signed URL is used as it is", async () => {
  const server = new Server([{frames: 3, end: "close"}, {}, refusal(200, {body: "{}", ...JSON_TYPE})]);
  const url = `http://server.test/api/paas/v4/chat/completions/${TURN}?token=signed`;
  const stream = server.client().resume(url);
  await read(stream);
  await stream.stop();

  assert.deepEqual(server.requests.map((request) => [request.method, request.url]), [["GET", url], ["GET", url], ["DELETE", url]]);
});

test("an answer whose events are lost begins again", async () => {
  const server = new Server([{frames: 5, end: "close"}, refusal(410, {body: '{"error": {"message": "lost"}}'})]);
  const stream = server.client().stream(REQUEST);
  const events = await read(stream);

  assertWhole(stream);
  assert.deepEqual(events.filter(({type}) => type === "restart").length, 1);
  assert.equal(server.requests[2].headers["Last-Event-ID"], undefined);
});

test("an answer that is gone is an error", async () => {
  const gone = refusal(410, {...JSON_TYPE, body: '{"error": {"code": "1214", "message": "the turn was evicted"}}'});
  const server = new Server([{frames: 5, end: "close"}, gone, gone]);

  const stream = server.client().stream(REQUEST);

  await assert.rejects(read(stream), {message: "the turn was evicted", code: "1214", status: 410});
  assert.equal(stream.completion.reasoning, "Two cities, two");
});

const HTML = "<html><head><title>502 Bad\n Gateway</title></head><body>nginx</body></html>";
const HTML_TYPE = {"Content-Type": "text/html"};
const REFUSALS = {
  "a wrong key": [401, {body: '{"error": {"code": "1002", "message": "wrong key"}}'}, /^wrong key$/],
  "HTML instead of a stream": [200, {body: HTML, ...HTML_TYPE}, /status 200 and text\/html.*502 Bad Gateway/],
  "HTML with a status": [404, {body: HTML, ...HTML_TYPE}, /status 404 and text\/html/],
  "JSON without an error": [400, {body: "[null]", ...JSON_TYPE}, /status 400 and application\/json.*\[null\]/],
  "an empty response": [403, {}, /status 403 and .*\(empty\)/],
  "a long Retry-After": [429, {body: '{"error": {"message": "quota"}}', "Retry-After": "3600"}, /^quota$/],
};

for (const [name, [status, options, message]] of Object.entries(REFUSALS))
  test(`${name} is an error at once`, async () => {
    const server = new Server([refusal(status, options)]);

    await assert.rejects(read(server.client().stream(REQUEST)), {name: "HeadraceError", message, status});
    assert.equal(server.requests.length, 1);
  });

test("HTML of a proxy in mid-answer is a lost connection", async () => {
  const html = (status) => refusal(status, {body: HTML, "Content-Type": "text/html"});
  const stream = new Server([{frames: 5, end: "close"}, html(502), html(200)]).client().stream(REQUEST);
  await read(stream);

  assertWhole(stream);
});

test("a limit is waited for as long as the server demands", async () => {
  const limit = (seconds) => refusal(429, {body: '{"error": {"message": "busy"}}', "Retry-After": seconds});
  const stream = new Server([limit("0.05"), limit(new Date(Date.now() - 5000).toUTCString())]).client().stream(REQUEST);
  const waits = (await read(stream)).filter(({type}) => type === "reconnect");

  assertWhole(stream);
  assert.deepEqual(waits.map(({delay, error}) => [delay, error.message]), [[50, "busy"], [0, "busy"]]);
});

test("the delay doubles up to a bound, at random, after what the server demands", () => {
  assert.deepEqual([0, 1, 4, 5, 99].map((attempt) => retryDelay(attempt, 0, () => 1)), [1000, 2000, 16000, 30000, 30000]);
  assert.equal(retryDelay(3, 5000, () => 0.5), 9000);
  assert.equal(retryDelay(9, 5000, () => 0), 5000);
});

for (const data of ['{"choices": [', "null", "5", "[DONE"])
  test(`the frame ${data} is an error, and the text before it stays`, async () => {
    const frames = [...answer().slice(0, 3).map((each, at) => frame(at + 1, each)), frame(4, data)];
    const stream = new Server([() => response(frames, "close")]).client().stream(REQUEST);

    await assert.rejects(read(stream), {message: /not a JSON object: /});
    assert.equal(stream.completion.reasoning, "Two citie");
  });

for (const event of ["error", ""])
  test(`a failure of the server is an event${event && " with a name"}, and an error at the end`, async () => {
    const ending = chunk({content: ""}, {choice: {finish_reason: "network_error"}, chunk: {usage: {total_tokens: 9}}});
    const failure = {error: {code: "1234", message: "the GPU is gone"}};
    const frames = [frame(1, answer()[0]), frame("", failure, event), frame(2, ending), frame("", "[DONE]")];
    const stream = new Server([() => response(frames, "close")]).client().stream(REQUEST);
    const types = [];
    const reading = async () => {
      for await (const {type} of stream) types.push(type);
    };

    await assert.rejects(reading(), {message: "the GPU is gone", code: "1234"});
    assert.deepEqual(types, ["reasoning.delta", "error", "usage", "finish"]);
    assert.deepEqual(stream.completion.error, failure.error);
  });

test("comments tell the position in the queue and the progress of the prompt", async () => {
  const waiting = [": queued 3\n", ": queued 3\n: queued", " 1\n", ": keep-alive\n", ": prefill 512/2048\n\n"];
  const other = [": prefill /\n", ": prefill -1/5\n", ": OPENROUTER PROCESSING\n\n", ": queued x\n"];
  const frames = answer().map((each, at) => frame(at + 1, each));
  const server = new Server([() => response([...waiting, ...other, ...frames, frame("", "[DONE]")], "close")]);
  const stream = server.client().stream(REQUEST);
  const events = await read(stream);

  assertWhole(stream);
  assert.deepEqual(events.slice(0, 5), [
    {type: "queued", position: 3},
    {type: "queued", position: 1},
    {type: "queued", position: 0},
    {type: "prefill", processed: 512, total: 2048},
    {type: "reasoning.delta", delta: "Two"},
  ]);
});

test("an abort ends the iteration with its reason, and the turn goes on", async () => {
  for (const script of [[{frames: 5, end: "silent"}], [refusal(503)]]) {
    const controller = new AbortController();
    const server = new Server(script);
    mock.method(Math, "random", () => 60);
    const stream = server.client().stream(REQUEST, {signal: controller.signal});
    setTimeout(() => controller.abort(new Error("enough")), 20);

    await assert.rejects(read(stream), {message: "enough"});
    assert.deepEqual(server.requests.map(({method}) => method), ["POST"]);
  }
});

test("leaving the loop closes the connection, and the turn goes on", async () => {
  let signal;
  const server = new Server([(each) => response([frame(1, answer()[0])], "silent", (signal = each))]);
  for await (const _ of server.client().stream(REQUEST)) break;

  assert.equal(signal.aborted, true);
  assert.deepEqual(server.requests.map(({method}) => method), ["POST"]);
});

test("stop ends the turn by its request id until the server has told its id", async () => {
  const missing = refusal(404, {body: '{"error": {"message": "no turn"}}'});
  const done = refusal(200, {body: "{}", ...JSON_TYPE});
  let answerRequest;
  const server = new Server([() => new Promise((resolve) => (answerRequest = resolve)), missing, done, done]);
  const stream = server.client().stream(REQUEST);
  const reading = read(stream);
  const stopping = stream.stop();
  while (server.requests.length < 2) await new Promise(setImmediate);
  answerRequest(response([...answer().map((each, at) => frame(at + 1, each)), frame("", "[DONE]")], "close"));
  await Promise.all([reading, stopping]);
  await stream.stop();

  const [base, ...urls] = server.requests.map(({url}) => url);
  assert.deepEqual(urls, [`${base}/${stream.requestId}`, `${base}/${TURN}`, `${base}/${TURN}`]);
});

test("a stream that is stopped before it is read sends nothing", async () => {
  const server = new Server();
  const stream = server.client().stream(REQUEST);
  await stream.stop();

  assert.deepEqual((await read(stream)).map(({type}) => type), ["finish"]);
  assert.equal(server.requests.length, 0);
});

test("any request id is one part of a path", async () => {
  const server = new Server([{}, refusal(200, {body: "{}", ...JSON_TYPE})]);
  const stream = server.client().stream({...REQUEST, request_id: "a/b?c"}, {requestId: "not this one"});
  await read(stream);
  await server.client().stop(stream.requestId);

  assert.equal(server.requests[0].headers["X-Headrace-Request-Id"], "a/b?c");
  assert.match(server.requests[1].url, /\/chat\/completions\/a%2Fb%3Fc$/);
});

test("a page that is hidden waits until it is visible before it connects again", async (context) => {
  const document = new EventTarget();
  document.hidden = true;
  globalThis.document = document;
  globalThis.addEventListener ??= () => {};
  globalThis.removeEventListener ??= () => {};
  context.after(() => delete globalThis.document);
  const server = new Server([{frames: 5, end: new TypeError("Load failed")}]);
  const stream = server.client().stream(REQUEST);
  const reading = read(stream);
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.equal(server.requests.length, 1);
  document.hidden = false;
  document.dispatchEvent(new Event("visibilitychange"));
  await reading;

  assertWhole(stream);
});

test("the turns that are running are listed, with another attempt if it is needed", async () => {
  const turns = [{id: TURN, request_id: "r", created: 1, status: "running"}];
  const list = refusal(200, {body: JSON.stringify({object: "list", data: turns}), ...JSON_TYPE});
  const server = new Server([refusal(503), list]);

  assert.deepEqual(await server.client({apiKey: "id.secret"}).turns(), turns);
  assert.match(server.requests[1].url, /\/chat\/completions\?status=running$/);
  assert.equal(server.requests[1].headers.Authorization, "Bearer id.secret");
});

test("a request has the linger and the id that it was given", async () => {
  const server = new Server();
  await read(server.client().stream(REQUEST, {requestId: "poem-1", linger: 300}));

  const {headers} = server.requests[0];
  assert.deepEqual([headers["X-Headrace-Request-Id"], headers["X-Headrace-Linger"]], ["poem-1", "300"]);
  assert.equal(headers["X-Headrace-Resumable"], "1");
});
