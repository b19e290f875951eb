import assert from "node:assert/strict";
import {readFileSync} from "node:fs";
import {test} from "node:test";

import {Completion, SseDecoder} from "../headrace.js";
import {TURN, answer, chunk, cuts} from "./streams.js";

function fold(chunks, completion = new Completion(), after = 0) {
  chunks.forEach((each, at) => completion.add(String(after + at + 1), each));
  return completion;
}

function stored(completion) {
  return JSON.parse(JSON.stringify(completion));
}

const whole = fold(answer());

test("the events are those of the answer, in its order", () => {
  const completion = new Completion();
  const types = answer().flatMap((each, at) => completion.add(String(at + 1), each).map(({type}) => type));
  types.push(...completion.end().map(({type}) => type));
  const runs = types.filter((type, at) => type !== types[at - 1]);

  const call = ["tool_call.start", "tool_call.arguments.delta", "tool_call.done"];
  assert.deepEqual(runs, ["reasoning.delta", "content.delta", ...call, ...call, "usage", "finish"]);
});

test("the arguments of a call are there while they come", () => {
  const completion = new Completion();
  const seen = [];
  answer().forEach((each, at) => {
    for (const {type, call} of completion.add(String(at + 1), each))
      if (type === "tool_call.arguments.delta" && call.index === 0) seen.push(JSON.stringify(call.parsed));
  });

  const [city, both] = ['{"city":"北京"}', '{"city":"北京","days":3}'];
  assert.deepEqual(seen, ["{}", "{}", city, city, city, city, both]);
  assert.deepEqual(completion.toolCalls.map(({parsed}) => parsed), [{city: "北京", days: 3}, {}]);
});

test("the message is that of the API", () => {
  assert.deepEqual(whole.message, {
    role: "assistant",
    content: 'Here “you” are:\n 北京 & "Rome" 😀',
    reasoning_content: "Two cities, two calls. ",
    tool_calls: [
      {id: "call_a", type: "function", function: {name: "get_weather", arguments: '{"city": "北京", "days": 3}'}},
      {id: "call_b", type: "function", function: {name: "get_time", arguments: "{}"}},
    ],
  });
  assert.deepEqual(fold([chunk({content: "Hi"})]).message, {role: "assistant", content: "Hi"});
});

test("events that come again change nothing, also after the answer was stored", () => {
  const chunks = answer();
  for (let count = 0; count <= chunks.length; count += 1)
    for (let from = 0; from <= count; from += 1) {
      const partial = fold(chunks.slice(0, count));
      for (const completion of [partial, new Completion(stored(partial))]) {
        const again = completion.lastEventId;
        fold(chunks.slice(from, count), completion, from);
        assert.equal(completion.lastEventId, again);
        fold(chunks.slice(count), completion, count);
        assert.deepEqual(stored(completion), stored(whole));
        assert.deepEqual(completion.toolCalls[0].parsed, {city: "北京", days: 3});
      }
    }
});

test("an event of another turn begins the answer of that turn", () => {
  for (let count = 1; count <= answer().length; count += 1) {
    const other = fold(answer("another").slice(0, count));
    assert.deepEqual(stored(fold(answer(), other)), stored(whole));
  }
});

test("ids are compared as numbers of any length", () => {
  const completion = new Completion();
  const ids = ["9", "10", "9", "10", "200000000000001", "100000000000000017", "99999999999999999", "100000000000000018"];
  const texts = ids.flatMap((id) => completion.add(id, chunk({content: `${id} `})).map(({delta}) => delta.trim()));

  assert.deepEqual(texts, ["9", "10", "200000000000001", "100000000000000017", "100000000000000018"]);
});

test("chunks without ids are all added, and the answer cannot be continued", () => {
  const completion = fold([chunk({content: "a"})]);
  completion.add("", chunk({content: "b"}));
  completion.add("", chunk({content: "b"}));

  assert.deepEqual([completion.content, completion.lastEventId], ["abb", ""]);
});

test("a call that was cut off has no value", () => {
  const call = chunk({tool_calls: [{index: 0, id: "a", function: {name: "f", arguments: '{"city": "Ro'}}]});
  const completion = fold([call, chunk({}, {choice: {finish_reason: "length"}})]);

  assert.equal(completion.toolCalls[0].parsed, undefined);
  assert.equal(completion.toolCalls[0].arguments, '{"city": "Ro');
});

test("other choices and unknown fields are no part of the answer", () => {
  const other = {id: TURN, choices: [{index: 1, delta: {content: "b"}}, {index: 0, delta: {content: "a", x: 1}}], y: 2};
  assert.equal(fold([other, {id: TURN}, {id: TURN, choices: null}, {id: TURN, choices: [{index: 0}]}]).content, "a");
});

const TRACES = process.env.HEADRACE_TRACES; // what a server sends for each trace; see tests/test_headrace_js.py

test("every trace becomes its answer, in any parts", {skip: !TRACES && "HEADRACE_TRACES is not set"}, () => {
  const traces = JSON.parse(readFileSync(TRACES, "utf8"));
  assert.ok(traces.length > 100);
  for (const {name, stream, answer: expected} of traces) {
    const {finish_reason, message} = expected.choices[0];
    let remaining = 40; // cuts in two, in addition to the whole and the single bytes
    const step = Math.ceil(stream.length / remaining);
    let number = 0;
    for (const fragments of cuts(stream)) {
      if ((number += 1) > 2 && number % step) continue;
      const [decoder, completion] = [new SseDecoder(), new Completion()];
      for (const fragment of fragments)
        for (const {data, id} of decoder.feed(fragment)) if (data !== "[DONE]") completion.add(id, JSON.parse(data));
      assert.equal(completion.content, message.content, name);
      assert.equal(completion.reasoning, message.reasoning_content ?? "", name);
      const calls = (message.tool_calls ?? []).map(({id, function: {name, arguments: text}}) => [id, name, text]);
      assert.deepEqual(completion.toolCalls.map(({id, name, arguments: text}) => [id, name, text]), calls, name);
      assert.ok(completion.toolCalls.every(({isDone}) => isDone), name);
      assert.deepEqual([completion.finishReason, completion.usage], [finish_reason, expected.usage], name);
    }
  }
});
