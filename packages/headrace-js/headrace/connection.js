import {HeadraceError} from "./errors.js";

/**
 * A request, and the bytes of its response. It ends with the caller's signal, or when the server is silent for too
 * long. Browsers have a different error for each way to lose a connection: they all become one.
 */
export class Connection {
  /** Whether any byte of a body has come. */
  hasBytes = false;
  /** Whether it was aborted because of its silence. */
  wasSilent = false;
  #controller = new AbortController();
  #abort = () => this.#controller.abort();
  #signal;
  #response;
  #reader;
  #waitsSince = Date.now(); // null while the caller handles what it has read
  #timer;

  constructor(signal) {
    signal?.throwIfAborted();
    signal?.addEventListener("abort", this.#abort);
    this.#signal = signal;
  }

  /** Send the request with the client's `send`, and return the response. */
  async open(send) {
    this.#response = await send(this.#controller.signal);
    return this.#response;
  }

  /** Return the next bytes; undefined at the end. */
  async read() {
    this.#waitsSince = Date.now();
    try {
      this.#reader ??= this.#response.body.getReader();
      const {done, value} = await this.#reader.read();
      this.hasBytes ||= !done;
      return value;
    } catch (cause) {
      const why = this.wasSilent ? "it was silent for too long" : (cause?.message ?? cause);
      throw new HeadraceError(`the connection was lost: ${why}`, {isRetryable: true, cause});
    } finally {
      this.#waitsSince = null;
    }
  }

  close() {
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener("abort", this.#abort);
    this.#abort();
  }

  /** End the connection after so many ms of silence. */
  watch(maxSilence) {
    clearTimeout(this.#timer);
    const silence = this.#waitsSince === null ? 0 : Date.now() - this.#waitsSince;
    if (silence >= maxSilence) {
      this.wasSilent = true;
      this.#abort();
    } else {
      // One timer for each span of silence, not for each read.
      this.#timer = setTimeout(() => this.watch(maxSilence), maxSilence - silence);
    }
  }
}
