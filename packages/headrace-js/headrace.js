/**
 * A reader of streamed chat completions. A stream of a Headrace continues by itself after a lost connection:
 *
 *     const client = new Client({apiKey: "id.secret"});            // of the server that sent this module
 *     const stream = client.stream({model: "glm-4.6", messages: [{role: "user", content: "Hello"}]});
 *     for await (const event of stream) {
 *       if (event.type === "content.delta") print(event.delta);
 *     }
 *     conversation.push(stream.completion.message);
 *
 * Events, in the order of the answer:
 *
 *     {type: "queued", position}                        the turn waits for a limit of the server; 0: no longer
 *     {type: "prefill", processed, total}               tokens of the prompt
 *     {type: "reasoning.delta", delta}
 *     {type: "content.delta", delta}
 *     {type: "tool_call.start", call}                   call: {index, id, name, arguments, parsed, isDone}
 *     {type: "tool_call.arguments.delta", call, delta}  call.parsed: the arguments so far, as a value
 *     {type: "tool_call.done", call}                    call.parsed: undefined if they are not JSON
 *     {type: "usage", usage}
 *     {type: "finish", reason}
 *     {type: "error", error}          the server failed; `usage` and `finish` may follow. The loop then throws
 *                                     this error, so that it cannot be overlooked
 *     {type: "reconnect", delay, attempt, error}   the connection is lost; the next attempt is in `delay` ms
 *     {type: "restart"}               the server has lost events: the answer begins again
 *
 * `stream.completion` is the answer so far. Its JSON can be stored at any time, and continued:
 *
 *     const stored = JSON.parse(JSON.stringify(stream.completion));
 *     for await (const event of client.resume(stored.id, {completion: stored})) …    // the events after it
 *
 * - Leaving the loop, or aborting `signal`, closes the connection; the server continues the turn for its
 *   `linger` time. `await stream.stop()` or `await client.stop(turn)` ends the turn, for every reader.
 * - `turn` is the id of a turn, its request id (`stream.requestId`, which is known before the request is sent),
 *   or its signed URL.
 * - Whatever ends a connection before the end of the answer is a lost connection. Errors are of the class
 *   `HeadraceError`, and what was received stays in `stream.completion`.
 */

import {Completion} from "./headrace/completion.js";
import {HeadraceError, responseError} from "./headrace/errors.js";
import {parsed} from "./headrace/json.js";
import {CompletionStream, retryDelay} from "./headrace/stream.js";

export {PartialJson} from "./headrace/partial-json.js";
export {SseDecoder} from "./headrace/sse.js";
export {Client, Completion, CompletionStream, HeadraceError};

/** A client of one server. `docs/resume.md` describes the requests. */
class Client {
  #url;
  #headers;
  #fetch;

  /**
   * baseUrl        by default that of the server that sent the page
   * apiKey         none by default
   * headers        of every request
   * fetch          sends the requests
   * maxRetries     how often a request is sent again before its response has begun
   * retryTimeout   ms of waiting, since the last event, after which a lost connection is an error
   * keepAlive      ms between two bytes of a Headrace at most, unless its responses have another value
   */
  constructor({
    baseUrl = "/api/paas/v4",
    apiKey = "",
    headers = {},
    fetch = (...request) => globalThis.fetch(...request),
    maxRetries = 2,
    retryTimeout = 600_000,
    keepAlive = 8_000,
  } = {}) {
    this.#url = `${baseUrl.replace(/\/+$/, "")}/chat/completions`;
    this.#headers = apiKey ? {...headers, Authorization: `Bearer ${apiKey}`} : headers;
    this.#fetch = fetch;
    Object.assign(this, {maxRetries, retryTimeout, keepAlive});
  }

  /**
   * Start a turn: `request` is the body of the request, without `stream`.
   *
   * requestId   of the turn; a new one by default
   * linger      seconds for which the turn continues without a reader; the server has a default and a bound
   * signal      closes the connection; the turn continues
   */
  stream(request, {requestId = newId(), linger = null, signal = null} = {}) {
    const completion = new Completion({requestId: request.request_id ?? requestId});
    const headers = {"X-Headrace-Resumable": "1", "X-Headrace-Request-Id": completion.requestId};
    if (linger !== null) headers["X-Headrace-Linger"] = String(linger);
    const body = JSON.stringify({...request, stream: true});
    return new CompletionStream(this, {body, headers, signal, completion});
  }

  /** Continue a turn after the events in `completion`, or from its beginning if that is of another turn. */
  resume(turn, {completion = {}, signal = null} = {}) {
    const id = turn.split("?")[0].split("/").at(-1);
    const isSame = completion.id === id || completion.requestId === id;
    const begun = new Completion(isSame ? completion : {requestId: id});
    return new CompletionStream(this, {turn, signal, completion: begun});
  }

  /** End a turn for every reader, and return its answer so far, as the response to a request without `stream`. */
  async stop(turn) {
    return this.#requestJson("DELETE", this.urlOf(turn));
  }

  /** Return the turns of this API key that are running: a list of {id, request_id, created, status}. */
  async turns() {
    return (await this.#requestJson("GET", `${this.#url}?status=running`)).data;
  }

  /** Return the URL of a turn, or the one that starts turns. */
  urlOf(turn = null) {
    if (turn === null) return this.#url;
    return /^(https?:)?\//.test(turn) ? turn : `${this.#url}/${encodeURIComponent(turn)}`;
  }

  /** Send a request, once. */
  async request(method, url, {headers = {}, body, signal} = {}) {
    headers = {...this.#headers, ...headers};
    if (method === "POST") headers["Content-Type"] = "application/json";
    let response;
    try {
      response = await this.#fetch(url, {method, headers, body, signal, cache: "no-store"});
    } catch (cause) {
      const why = cause?.cause?.message ?? cause?.message ?? cause;
      throw new HeadraceError(`the server cannot be reached: ${why}`, {isRetryable: true, cause});
    }
    if (!response.ok) throw await responseError(response);
    return response;
  }

  async #requestJson(method, url) {
    for (let attempt = 0; ; attempt += 1) {
      try {
        const response = await this.request(method, url);
        const text = await response.text().catch(() => "");
        const value = parsed(text);
        if (value !== undefined) return value;
        throw await responseError(response, {text, isRetryable: true});
      } catch (error) {
        if (!(error.isRetryable && attempt < this.maxRetries)) throw error;
        await new Promise((resolve) => setTimeout(resolve, retryDelay(attempt, 1000 * error.retryAfter)));
      }
    }
  }
}

/** Return a random id. `crypto.randomUUID` needs a secure context. */
function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
