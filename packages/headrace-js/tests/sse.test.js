import assert from "node:assert/strict";
import {existsSync, readFileSync} from "node:fs";
import {test} from "node:test";

import {SseDecoder} from "../headrace.js";
import {cuts} from "./streams.js";

const CASES = new URL("../../../tests/traces/sse.json", import.meta.url);

function decode(fragments, decoder = new SseDecoder()) {
  return fragments.flatMap((fragment) => decoder.feed(fragment));
}

if (existsSync(CASES))
  for (const [name, {stream, events}] of Object.entries(JSON.parse(readFileSync(CASES, "utf8"))))
    test(`every cut gives the same events: ${name}`, () => {
      for (const fragments of cuts(stream)) assert.deepEqual(decode(fragments), events);
    });

test("invalid UTF-8 does not stop the stream", () => {
  const bytes = Uint8Array.from("data: a\xffb\n\nid: \xe4\xb8\ndata: c\n\n", (char) => char.charCodeAt(0));
  for (let at = 0; at <= bytes.length; at += 1) {
    const events = decode([bytes.subarray(0, at), bytes.subarray(at)]);
    assert.deepEqual(events, [{data: "a\ufffdb", event: "", id: ""}, {data: "c", event: "", id: "\ufffd"}]);
  }
});

test("a retry is a number of milliseconds", () => {
  const cases = new Map([["1500", 1500], ["0", 0]]);
  for (const text of ["x", "-5", "1_000", "", "9".repeat(400), "１"]) cases.set(text, null);
  for (const [text, retry] of cases)
    for (const fragments of cuts(`retry: ${text}\n\n`)) {
      const decoder = new SseDecoder();
      assert.deepEqual(decode(fragments, decoder), []);
      assert.equal(decoder.retry, retry);
    }
});

test("a comment is known at the end of its line, and until the next event", () => {
  const cases = [
    [": one\n", ["one"]],
    [":one\n\n\n: two\n", ["one", "two"]],
    [": one\r\n: two\r\n\r\n:\r\n", ["one", "two", ""]],
    ["data: a\n\n: after\n", ["after"]],
    ["retry: 500\n: one\n: two\nid: 1\n: three\n", ["one", "two", "three"]],
    [": before\ndata: a\n\n", ["before", ""]],
    [": before\nid: 1\ndata: a\n: within\n\ndata: b\n\n", ["before", "within", ""]],
    ["id: 1\n: within\n\n: 北京 \n: unfinished", ["within", "北京 "]],
  ];
  for (const [stream, comments] of cases)
    for (const fragments of cuts(stream)) {
      const decoder = new SseDecoder();
      const seen = [""];
      for (const fragment of fragments) {
        decoder.feed(fragment);
        if (decoder.comment !== seen.at(-1)) seen.push(decoder.comment);
      }
      assert.equal(decoder.comment, comments.at(-1));
      if (fragments.every((fragment) => fragment.length === 1)) assert.deepEqual(seen.slice(1), comments);
    }
});

test("an event that is too long is an error, in one part or in many", () => {
  const part = new Uint8Array(2 ** 20).fill("x".charCodeAt(0));
  const parts = Array(17).fill(part);
  const whole = new Uint8Array(17 * 2 ** 20).fill("x".charCodeAt(0));
  whole.fill("\n".charCodeAt(0), -2);
  for (const fragments of [parts, [whole]])
    assert.throws(() => decode(fragments), {message: /longer than 16777216 characters/});
});
