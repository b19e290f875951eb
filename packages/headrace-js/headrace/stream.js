import {ChunkDecoder} from "./chunks.js";
import {Connection} from "./connection.js";
import {HeadraceError, responseError} from "./errors.js";
import {SseDecoder} from "./sse.js";

const MAX_BACKOFF = 30_000; // ms
const MAX_RETRY_AFTER = 60; // seconds

/**
 * The stream of one turn, over one connection or several. The request is sent when the iteration begins.
 *
 *     POST ──▶ reading ── [DONE] ──▶ the end
 *               │   ▲
 *            lost   └── after a delay: the POST again before its response, GET after it, POST after a silent GET
 */
export class CompletionStream {
  #client;
  #body; // of the request that starts the turn
  #turn; // its id or URL, once the server has it
  #signal;
  #headers;
  #chunks = new ChunkDecoder();
  #hasBegun = false;
  #isOver = false;
  #restarts = false; // the answer is read from its beginning, because its events were lost
  #resumesByPost = false;
  #attempt = 0; // since the last event
  #waited = 0; // since the last event, in ms
  #keepAlive; // in ms
  #retry = 0; // the server's `retry:`, in ms
  #onResponse;
  #response = new Promise((resolve) => (this.#onResponse = resolve));

  constructor(client, {body = null, turn = null, headers = {}, completion, signal = null}) {
    this.#client = client;
    this.#body = body;
    this.#turn = turn;
    this.#headers = headers;
    this.#signal = signal;
    this.#keepAlive = client.keepAlive;
    /** The answer so far. */
    this.completion = completion;
  }

  get requestId() {
    return this.completion.requestId;
  }

  /** End the turn for every reader; the events up to its end follow. */
  async stop() {
    const turn = this.#turn;
    if (!this.#hasBegun && turn === null) {
      this.#isOver = true;
      return;
    }
    try {
      await this.#client.stop(turn ?? this.requestId);
    } catch (error) {
      if (error.status !== 404 || turn !== null) throw error;
      await this.#response; // the server did not have the request yet
      if (this.#turn !== null) await this.#client.stop(this.#turn);
    }
  }

  /** Read to the end, and return the completion. */
  async final() {
    for await (const _ of this);
    return this.completion;
  }

  async *[Symbol.asyncIterator]() {
    this.#hasBegun = true;
    while (!this.#isOver && !this.completion.isComplete) {
      let failure = new HeadraceError("the connection was closed before the end of the answer", {isRetryable: true});
      const connection = new Connection(this.#signal);
      try {
        await this.#open(connection);
        const decoder = new SseDecoder();
        let comment = "";
        for (let bytes; !this.#isOver && (bytes = await connection.read()) !== undefined; ) {
          for (const frame of decoder.feed(bytes)) for (const event of this.#take(frame)) yield event;
          if (decoder.comment !== comment) yield* progressOf(decoder.comment, comment);
          comment = decoder.comment;
          this.#retry = decoder.retry ?? this.#retry;
        }
      } catch (error) {
        failure = error;
      } finally {
        connection.close();
        this.#onResponse();
      }
      this.#signal?.throwIfAborted();
      // Some tunnels collect the response to a GET.
      if (connection.wasSilent && !connection.hasBytes) this.#resumesByPost = true;
      if (!this.#isOver && !this.completion.isComplete) yield* this.#recover(failure);
    }
    yield* this.completion.end();
    if (this.completion.error) throw new HeadraceError(this.completion.error.message, this.completion.error);
  }

  /** Return the events of a frame. */
  #take(frame) {
    const {data, event, id} = frame;
    this.#attempt = this.#waited = 0;
    if (this.#restarts) {
      this.#restarts = false;
      this.completion.clear();
      return [{type: "restart"}, ...this.#take(frame)];
    }
    if (data === "[DONE]") this.#isOver = true;
    if (this.#isOver) return [];
    const chunk = this.#chunks.decode(data);
    if (chunk === undefined)
      throw new HeadraceError(`the server has sent an event that is not a JSON object: ${data.slice(0, 100)}`);
    if (chunk.error) return this.completion.fail(chunk.error);
    return event === "" || event === "message" ? this.completion.add(id, chunk) : [];
  }

  /** Send the request for the turn, or for what is left of it. */
  async #open(connection) {
    if (this.#turn !== null) connection.watch(2 * this.#keepAlive);
    const headers = {...this.#headers, Accept: "text/event-stream"};
    const {lastEventId} = this.completion;
    if (lastEventId && !this.#restarts) headers["Last-Event-ID"] = lastEventId;
    const method = this.#turn === null || this.#resumesByPost ? "POST" : "GET";
    const body = this.#turn === null ? this.#body : undefined;
    const response = await connection.open((signal) =>
      this.#client.request(method, this.#client.urlOf(this.#turn), {headers, body, signal}),
    );
    if (response.status === 204) this.#isOver = true;
    else if (!response.headers.get("content-type")?.startsWith("text/event-stream"))
      throw await responseError(response, {isRetryable: this.#turn !== null}); // from something in between
    this.#turn ??= response.headers.get("x-headrace-turn");
    this.#keepAlive = 1000 * response.headers.get("x-headrace-keep-alive") || this.#keepAlive;
    if (this.#turn !== null) connection.watch(2 * this.#keepAlive); // another server may be silent for long
    this.#onResponse();
  }

  /** Wait before the next attempt; throw the failure if there is none. */
  async *#recover(failure) {
    const {completion} = this;
    if (failure.status === 410 && completion.lastEventId && !this.#restarts) {
      this.#restarts = true; // what was received stays until there is something else
      return;
    }
    const {retryAfter} = failure;
    const {maxRetries, retryTimeout} = this.#client;
    const mayRetry = this.#turn === null ? this.#attempt < maxRetries : this.#waited < retryTimeout;
    const isResumable = completion.id === null || (this.#turn !== null && completion.lastEventId !== "");
    if (!failure.isRetryable || !mayRetry || !isResumable || retryAfter > MAX_RETRY_AFTER) throw failure;
    const delay = retryDelay(this.#attempt, Math.max(1000 * retryAfter, this.#retry));
    this.#attempt += 1;
    this.#waited += delay;
    yield {type: "reconnect", delay, attempt: this.#attempt, error: failure};
    await pause(delay, {mayEndEarly: retryAfter === null, signal: this.#signal});
    this.#signal?.throwIfAborted();
  }
}

/** Return the event, if there is one, of a comment, which tells how far the server is from the next event. */
function progressOf(comment, before) {
  const [name, numbers = ""] = comment.split(" ");
  const [first, second] = numbers.split("/").map(Number);
  if (name === "queued" && first > 0) return [{type: "queued", position: first}];
  if (name === "prefill" && first >= 0 && second > 0) return [{type: "prefill", processed: first, total: second}];
  return comment && before.startsWith("queued") ? [{type: "queued", position: 0}] : [];
}

/** Return the ms before the next attempt: full jitter under a bound that doubles, after what the server asks for. */
export function retryDelay(attempt, floor, random = Math.random) {
  return floor + random() * Math.min(1000 * 2 ** attempt, MAX_BACKOFF);
}

/** Wait; in a page, also until it is visible. A page that becomes visible or online has waited enough. */
function pause(delay, {mayEndEarly, signal}) {
  const {document} = globalThis;
  const wakers = document ? [[document, "visibilitychange"], [globalThis, "pageshow"], [globalThis, "online"]] : [];
  if (signal) wakers.push([signal, "abort"]);
  return new Promise((resolve) => {
    let isDue = false;
    const check = () => {
      if (!signal?.aborted && (document?.hidden || !(isDue || mayEndEarly))) return;
      clearTimeout(timer);
      for (const [target, type] of wakers) target.removeEventListener(type, check);
      resolve();
    };
    const timer = setTimeout(() => {
      isDue = true;
      check();
    }, delay);
    for (const [target, type] of wakers) target.addEventListener(type, check);
  });
}
