import {parsed} from "./json.js";
import {PartialJson} from "./partial-json.js";

/** A tool call of an answer, which may not be complete yet. Its arguments are JSON text. */
class ToolCall {
  #partial = new PartialJson();

  constructor({index, id = "", name = "", arguments: text = "", isDone = false}) {
    Object.assign(this, {index, id, name, arguments: text, isDone});
    this.#partial.feed(text);
  }

  get parsed() {
    return this.isDone ? parsed(this.arguments) : this.#partial.value;
  }

  add(text) {
    this.arguments += text;
    this.#partial.feed(text);
  }
}

const EMPTY = {
  id: null,
  requestId: null,
  lastEventId: "",
  model: null,
  created: null,
  reasoning: "",
  content: "",
  toolCalls: [],
  usage: null,
  finishReason: null,
  error: null,
};

/**
 * The answer so far: the fold of the chunks of one turn. A chunk whose event id is not after the last one
 * changes nothing, and one of another turn begins that turn's answer.
 */
export class Completion {
  /** @param stored the JSON of another one, to continue it. */
  constructor(stored = {}) {
    this.#assign(stored);
  }

  #assign(stored) {
    for (const [name, value] of Object.entries(EMPTY)) this[name] = stored[name] ?? value;
    this.toolCalls = this.toolCalls.map((call) => new ToolCall(call));
  }

  /** Forget the answer. */
  clear() {
    this.#assign({requestId: this.requestId});
  }

  /** Whether the answer has its end, which may be an error. */
  get isComplete() {
    return this.finishReason !== null || this.error !== null;
  }

  /** The message for the next request of the conversation. */
  get message() {
    const message = {role: "assistant", content: this.content};
    if (this.reasoning) message.reasoning_content = this.reasoning;
    const calls = this.toolCalls.map((call) => {
      const {id, name, arguments: text} = call;
      return {id, type: "function", function: {name, arguments: text}};
    });
    if (calls.length) message.tool_calls = calls;
    return message;
  }

  /** Add a chunk, and return its events. `eventId` is "" if the server sends none. */
  add(eventId, chunk) {
    if (eventId !== "" && chunk.id === this.id && !isAfter(eventId, this.lastEventId)) return [];
    if (chunk.id !== this.id && (eventId !== "" || this.id === null)) this.#begin(chunk);
    this.lastEventId = eventId;
    const events = [];
    for (const choice of chunk.choices ?? []) if (!choice.index) this.#addChoice(choice, events);
    if (chunk.usage) this.usage = chunk.usage;
    return events;
  }

  #begin({id, model, created}) {
    this.#assign({id, model, created, requestId: this.requestId});
  }

  #addChoice({delta, finish_reason: reason}, events) {
    if (delta?.reasoning_content) {
      this.reasoning += delta.reasoning_content;
      events.push({type: "reasoning.delta", delta: delta.reasoning_content});
    }
    if (delta?.content) {
      this.content += delta.content;
      events.push({type: "content.delta", delta: delta.content});
    }
    for (const call of delta?.tool_calls ?? []) this.#addCall(call, events);
    if (reason) {
      this.finishReason = reason;
      this.#endCall(events);
    }
  }

  #addCall({index, id, function: {name, arguments: text} = {}}, events) {
    let call = this.toolCalls.at(-1);
    if (call === undefined || (index ?? call.index) !== call.index) {
      this.#endCall(events);
      call = new ToolCall({index: index ?? 0, id: id ?? "", name: name ?? ""});
      this.toolCalls.push(call);
      events.push({type: "tool_call.start", call});
    }
    if (!text) return;
    call.add(text);
    events.push({type: "tool_call.arguments.delta", call, delta: text});
  }

  #endCall(events) {
    const call = this.toolCalls.at(-1);
    if (call === undefined || call.isDone) return;
    call.isDone = true;
    events.push({type: "tool_call.done", call});
  }

  /** Add an error that the server has sent. */
  fail({message = "the server failed", code}) {
    if (this.error !== null) return [];
    this.error = {message: String(message), code: String(code ?? "")};
    return [{type: "error", error: this.error}];
  }

  /** Return the last events. */
  end() {
    const events = [];
    this.#endCall(events);
    if (this.error === null) this.finishReason ??= "stop";
    if (this.usage !== null) events.push({type: "usage", usage: this.usage});
    if (this.finishReason !== null) events.push({type: "finish", reason: this.finishReason});
    return events;
  }
}

/** Compare event ids, which are numbers of up to 18 digits. */
function isAfter(id, other) {
  return id.length === other.length ? id > other : id.length > other.length;
}
