/** What several tests use: cuts of bytes, frames of an answer, and a server in the place of `fetch`. */

import {Client} from "../headrace.js";

export const TURN = "2026112900000012345678";

const utf8 = new TextEncoder();

/** Return every way to cut text in two, the whole, and byte by byte. */
export function* cuts(text) {
  const bytes = utf8.encode(text);
  yield [bytes];
  yield Array.from(bytes, (byte) => Uint8Array.of(byte));
  for (let at = 0; at <= bytes.length; at += 1) yield [bytes.subarray(0, at), bytes.subarray(at)];
}

export function chunk(delta, rest = {}, id = TURN) {
  return {id, created: 1, model: "glm-4.6", choices: [{index: 0, delta, ...rest.choice}], ...rest.chunk};
}

/** The chunks of an answer with thinking, text and two calls. */
export function answer(id = TURN) {
  const piece = (text) => chunk({role: "assistant", ...text}, {}, id);
  const call = (index, fields) => chunk({tool_calls: [{index, ...fields}]}, {}, id);
  const usage = {prompt_tokens: 7, completion_tokens: 12, total_tokens: 19};
  return [
    ..."Two cities, two calls. ".match(/.{1,3}/gs).map((text) => piece({reasoning_content: text})),
    ...'Here “you” are:\n 北京 & "Rome" 😀'.match(/.{1,2}/gsu).map((text) => piece({content: text})),
    call(0, {id: "call_a", type: "function", function: {name: "get_weather", arguments: ""}}),
    ...'{"city": "北京", "days": 3}'.match(/.{1,4}/gs).map((text) => call(0, {function: {arguments: text}})),
    call(1, {id: "call_b", type: "function", function: {name: "get_time", arguments: "{}"}}),
    chunk({role: "assistant", content: ""}, {choice: {finish_reason: "tool_calls"}, chunk: {usage}}, id),
  ];
}

export function frame(id, data, event = "") {
  const text = typeof data === "string" ? data : JSON.stringify(data);
  return `${event && `event: ${event}\n`}${id && `id: ${id}\n`}data: ${text}\n\n`;
}

/**
 * A server that has one turn. Each of its connections follows the next rule of a script; the last one is without a
 * fault. A rule is {frames: how many it sends, end: how it ends}, or a function that returns a response.
 *
 * end: "close"; "silent"; an error; none sends what is left.
 */
export class Server {
  requests = [];
  #chunks;
  #script;

  constructor(script = [], chunks = answer()) {
    this.#script = [...script];
    this.#chunks = chunks;
  }

  client(options = {}) {
    return new Client({baseUrl: "http://server.test/api/paas/v4", fetch: this.fetch, ...options});
  }

  fetch = async (url, {method, headers, body, signal}) => {
    this.requests.push({url, method, headers, body});
    const rule = this.#script.shift() ?? {};
    if (typeof rule === "function") return rule(signal);
    const after = Number(headers["Last-Event-ID"] ?? 0);
    const frames = this.#chunks.map((each, at) => frame(at + 1, each)).slice(after, after + (rule.frames ?? Infinity));
    if (rule.end === undefined) frames.push(frame("", "[DONE]"));
    return response(frames, rule.end, signal);
  };
}

/** Return a streamed response that ends with an error, or with silence, or by itself. */
export function response(frames, end, signal) {
  const body = new ReadableStream({
    start(controller) {
      signal?.addEventListener("abort", () => controller.error(signal.reason));
    },
    pull(controller) {
      if (frames.length) controller.enqueue(utf8.encode(frames.shift()));
      else if (end instanceof Error) controller.error(end);
      else if (end !== "silent") controller.close();
      else return new Promise(() => {});
    },
  });
  return new Response(body, {headers: {"Content-Type": "text/event-stream;charset=UTF-8", "X-Headrace-Turn": TURN}});
}

export function refusal(status, {body = "", ...headers} = {}) {
  return () => new Response(body, {status, headers});
}

/** Read a stream to its end, and return its events. */
export async function read(stream) {
  const events = [];
  for await (const event of stream) events.push(event);
  return events;
}
