import assert from "node:assert/strict";
import {test} from "node:test";

import {PartialJson} from "../headrace.js";
import {ChunkDecoder} from "../headrace/chunks.js";

const DOCUMENTS = [
  '{"city": "北京 \\"x\\" \\u4e2d\\ud83d\\ude00\\n", "days": [1, -2.5e3, true, null, "", {}], "deep": {"a": {"b": [[]]}}}',
  '{"__proto__": {"polluted": "yes"}, "constructor": "c", "": "empty", "a": 1, "a": {"again": "x"}}',
  ' [ {"a" : [ ] } , "b" , "\\ud83d" ] ',
  '"text"',
  "{}",
];

/** Check that a value holds nothing that the complete one does not begin with. */
function assertBegins(partial, whole) {
  if (partial === undefined) return;
  if (typeof partial === "string") return assert.ok(String(whole).startsWith(partial));
  if (typeof partial !== "object" || partial === null) return assert.equal(partial, whole);
  for (const [key, value] of Object.entries(partial)) assertBegins(value, whole[key]);
}

test("JSON in any parts becomes its value, which grows", () => {
  for (const document of DOCUMENTS)
    for (let size = 1; size <= document.length; size += 1) {
      const partial = new PartialJson();
      for (let at = 0; at < document.length; at += size) {
        partial.feed(document.slice(at, at + size));
        if (!document.includes('"a": 1, "a"')) assertBegins(partial.value, JSON.parse(document));
      }
      assert.deepEqual(partial.value, JSON.parse(document));
    }
});

test("the received part of a string and the literals that are complete are there", () => {
  const partial = new PartialJson();
  const seen = [];
  for (const part of ['{"city": "Be', 'ijing", "da', 'ys": 1', '2, "sunny": tr', "ue}"]) {
    partial.feed(part);
    seen.push(JSON.stringify(partial.value));
  }
  assert.deepEqual(seen, [
    '{"city":"Be"}',
    '{"city":"Beijing"}',
    '{"city":"Beijing"}',
    '{"city":"Beijing","days":12}',
    '{"city":"Beijing","days":12,"sunny":true}',
  ]);
  assert.equal({}.polluted, undefined);
});

test("what follows an error is ignored", () => {
  for (const [text, value] of [
    ['{"a": 1]', {a: 1}],
    ['{"a": 1} x', {a: 1}],
    ['{"a" 1}', {}],
    ["{1: 2}", {}],
    ['["a\nb"]', ["a"]],
    ['["\\x", 1]', [""]],
    ["[1 2]", [1]],
    ["[nul]", []],
    ["]", undefined],
    ["", undefined],
  ])
    for (const size of [1, 100]) {
      const partial = new PartialJson();
      for (let at = 0; at < text.length; at += size) {
        partial.feed(text.slice(at, at + size));
        partial.value;
      }
      assert.deepEqual(partial.value, value, text);
    }
});

test("JSON that is very deep is read", () => {
  const partial = new PartialJson();
  partial.feed("[".repeat(100_000));
  let value = partial.value;
  let depth = 0;
  for (; value !== undefined; depth += 1) [value] = value;
  assert.equal(depth, 100_000);
});

/** A small generator of numbers that look random. */
function* numbers(seed) {
  for (let state = seed; ; yield state / 2 ** 31) state = (state * 1103515245 + 12345) % 2 ** 31;
}

const TEXTS = ["a", "", "北京", "\n", '"', "\\", '"}}]}', '","content":"', "\u2028", "\u0000", "😀", "assistant", "content"];

test("chunks are decoded as by JSON.parse, whatever came before", () => {
  const random = numbers(29);
  const pick = (values) => values[Math.floor(random.next().value * values.length)];
  for (let answer = 0; answer < 300; answer += 1) {
    const decoder = new ChunkDecoder();
    for (let number = 0; number < 30; number += 1) {
      const text = pick(TEXTS) + pick(TEXTS);
      const delta = pick([
        {role: "assistant", content: text},
        {role: "assistant", content: text},
        {role: "assistant", reasoning_content: text},
        {content: text, reasoning_content: text},
        {tool_calls: [{index: 0, function: {arguments: text}}]},
      ]);
      const extra = pick([{}, {}, {}, {usage: {content: text}}, {note: text}, {content: 5}]);
      const choice = {index: 0, delta, ...pick([{}, {}, {finish_reason: "stop"}])};
      const json = JSON.stringify({id: "turn", choices: [choice], ...extra});
      assert.deepEqual(decoder.decode(json), JSON.parse(json), json);
    }
  }
});

test("what is not an object is no chunk, whatever came before", () => {
  const chunk = '{"choices":[{"delta":{"content":"Hello"}}]}';
  const [start, end] = ['{"choices":[{"delta":{"content":"', '"}}]}'];
  for (const json of ["", "5", "null", '"a"', start, start + end.slice(1), chunk.slice(0, -1), `${chunk}}`]) {
    const decoder = new ChunkDecoder();
    decoder.decode(chunk);
    assert.equal(decoder.decode(json), undefined, json);
    assert.deepEqual(decoder.decode(chunk), JSON.parse(chunk));
  }
});
