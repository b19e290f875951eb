import {parsed} from "./json.js";

/**
 * JSON → chunk. Most chunks of an answer differ from the one before in one text only: what surrounds the text is
 * parsed once, which takes a ninth of the time. A chunk is valid until the next one.
 */
export class ChunkDecoder {
  #before = ""; // the JSON before the text of the last chunk that was parsed; "" if it had none
  #after = "";
  #chunk;
  #field; // of the delta, with the text

  /** Return the chunk; undefined if it is not a JSON object. */
  decode(json) {
    const start = this.#before.length;
    const end = json.length - this.#after.length;
    // Comparisons with slices take a sixth of the time of `startsWith` and `endsWith`.
    if (start > 0 && start <= end && json.slice(0, start) === this.#before && json.slice(end) === this.#after) {
      const text = unescaped(json.slice(start, end));
      if (text !== undefined) {
        this.#chunk.choices[0].delta[this.#field] = text;
        return this.#chunk;
      }
    }
    this.#chunk = parsed(json);
    this.#before = "";
    if (typeof this.#chunk !== "object" || this.#chunk === null) return undefined;
    this.#split(json, this.#chunk.choices?.[0]?.delta);
    return this.#chunk;
  }

  #split(json, delta) {
    this.#field = delta?.content ? "content" : "reasoning_content";
    const text = delta?.[this.#field];
    const name = `"${this.#field}":`;
    const at = json.indexOf(name);
    if (typeof text !== "string" || at !== json.lastIndexOf(name)) return;
    const encoded = JSON.stringify(text);
    if (!json.startsWith(encoded, at + name.length)) return;
    const start = at + name.length + 1;
    this.#before = json.slice(0, start);
    this.#after = json.slice(start + encoded.length - 2);
  }
}

/** Return the text of a JSON string without its quotes; undefined if it is more than one string. */
function unescaped(text) {
  return /["\\\x00-\x1f]/.test(text) ? parsed(`"${text}"`) : text;
}
