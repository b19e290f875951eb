import {HeadraceError} from "./errors.js";

const MAX_LENGTH = 16 * 1024 * 1024; // characters

/**
 * Server-Sent Events by the WHATWG standard; where the bytes are cut makes no difference. No I/O.
 *
 *     feed(bytes) → [{data, event, id}]
 */
export class SseDecoder {
  lastEventId = "";
  /** The server's `retry:`, in ms. */
  retry = null;
  /** The last comment since the last event, or "". It is known at the end of its line. */
  comment = "";
  #utf8 = new TextDecoder("utf-8", {ignoreBOM: true}); // Node 24 removes more than one byte order mark
  #isStart = true;
  #rest = "";
  #noted = 0; // the end of the lines of `#rest` whose comments are noted
  #endsLine = false; // the last character was a line end
  #afterCr = false;

  feed(bytes) {
    let text = this.#utf8.decode(bytes, {stream: true});
    if (this.#isStart && text) {
      this.#isStart = false;
      text = text.replace(/^\ufeff/, "");
    }
    if (this.#afterCr || text.includes("\r")) text = this.#normalise(text);
    if (!text) return [];
    const hasBlankLine = text.includes("\n\n") || (this.#endsLine && text[0] === "\n");
    this.#endsLine = text.endsWith("\n");
    this.#rest += text;
    const events = [];
    if (hasBlankLine) {
      const blocks = this.#rest.split("\n\n");
      this.#rest = blocks.pop();
      this.#noted = 0;
      for (const block of blocks) {
        const event = this.#parse(block);
        if (event !== null) events.push(event);
      }
    }
    this.#check(this.#rest);
    if (this.#rest !== "" && text.includes("\n")) this.#noteComments();
    return events;
  }

  #noteComments() {
    const end = this.#rest.lastIndexOf("\n") + 1;
    for (const line of this.#rest.slice(this.#noted, end).split("\n"))
      if (line[0] === ":") this.comment = line.slice(line[1] === " " ? 2 : 1);
    this.#noted = end;
  }

  #normalise(text) {
    if (this.#afterCr && text[0] === "\n") text = text.slice(1);
    else if (!text) return text;
    this.#afterCr = text.endsWith("\r");
    return text.replace(/\r\n?/g, "\n");
  }

  #parse(block) {
    this.#check(block);
    const start = block.startsWith("id: ") ? block.indexOf("\n") + 1 : 0;
    if (block.startsWith("data: ", start) && !block.includes("\n", start)) return this.#plain(block, start);
    let data = null;
    let event = "";
    for (const line of block.split("\n")) {
      const colon = line.indexOf(":");
      const name = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
      if (name === "data") data = data === null ? value : `${data}\n${value}`;
      else if (name === "id") this.#setId(value);
      else if (name === "event") event = value;
      else if (colon === 0) this.comment = value;
      else if (name === "retry" && /^[0-9]{1,9}$/.test(value)) this.retry = Number(value);
    }
    if (data === null) return null;
    this.comment = "";
    return {data, event, id: this.lastEventId};
  }

  /** Return the event of a block that is one `data`, after an `id` or not, as nearly all are. */
  #plain(block, start) {
    if (start > 0) this.#setId(block.slice(4, start - 1));
    this.comment = "";
    return {data: block.slice(start + 6), event: "", id: this.lastEventId};
  }

  #setId(id) {
    if (!id.includes("\0")) this.lastEventId = id;
  }

  #check(text) {
    if (text.length > MAX_LENGTH)
      throw new HeadraceError(`an event of the stream is longer than ${MAX_LENGTH} characters`);
  }
}

