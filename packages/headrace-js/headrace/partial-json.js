import {parsed} from "./json.js";

const OWN = {writable: true, enumerable: true, configurable: true};

/**
 * Incomplete JSON → the value so far: a key once its value starts, the received part of a string, a number or
 * a literal once a character follows it. `value` is the same object each time, and grows.
 */
export class PartialJson {
  #text = "";
  #root = [];
  #open = [this.#root]; // the containers of the next value
  #keys = []; // the current key of each open object
  #state = "value";
  #isKey = false; // the current string is a key

  feed(text) {
    this.#text += text;
  }

  get value() {
    const text = this.#text;
    let at = 0;
    for (let end = 0; end >= 0 && at < text.length; ) {
      at = end;
      end = at < text.length && this.#state !== "invalid" ? this.#advance(text, at) : -1;
    }
    this.#text = text.slice(at);
    return this.#root[0];
  }

  /** Return the end of the next token; -1 if more text is needed. */
  #advance(text, at) {
    if (this.#state === "string") return this.#string(text, at);
    const char = text[at];
    if (" \t\r\n".includes(char)) return at + 1;
    const inObject = !Array.isArray(this.#open.at(-1));
    const state = this.#state;
    this.#state = "invalid";
    if (state === "colon" && char === ":") this.#state = "value";
    else if (state === "after" && char === ",") this.#state = inObject ? "key" : "value";
    else if (char === (inObject ? "}" : "]") && ["after", "first"].includes(state)) this.#close();
    else if (char === '"' && (state === "key" || (state === "first" && inObject))) this.#openKey();
    else if (state === "value" || (state === "first" && !inObject)) return this.#value(text, at);
    return at + 1;
  }

  #value(text, at) {
    const container = {"{": {}, "[": []}[text[at]];
    if (container) {
      this.#put(container);
      this.#open.push(container);
      this.#state = "first";
    } else if (text[at] === '"') {
      this.#put("");
      this.#isKey = false;
      this.#state = "string";
    } else {
      return this.#scalar(text, at);
    }
    return at + 1;
  }

  #scalar(text, at) {
    const end = endOf(/[^\s,\]}]*/y, text, at);
    if (end === text.length) {
      this.#state = "value";
      return -1;
    }
    const value = parsed(text.slice(at, end));
    if (value !== undefined) {
      this.#put(value);
      this.#endValue();
    }
    return end;
  }

  #string(text, at) {
    const end = endOf(/[^"\\\x00-\x1f]*/y, text, at);
    if (end > at) {
      this.#append(text.slice(at, end));
      return end;
    }
    if (text[at] === '"') {
      if (this.#isKey) this.#state = "colon";
      else this.#endValue();
      return at + 1;
    }
    const after = at + (text[at + 1] === "u" ? 6 : 2);
    if (text[at] === "\\" && after > text.length) return -1;
    const char = parsed(`"${text.slice(at, after)}"`);
    if (char === undefined) this.#state = "invalid";
    else this.#append(char);
    return after;
  }

  #openKey() {
    this.#keys.push("");
    this.#isKey = true;
    this.#state = "string";
  }

  #append(text) {
    const container = this.#open.at(-1);
    if (this.#isKey) this.#keys[this.#keys.length - 1] += text;
    else if (Array.isArray(container)) container[container.length - 1] += text;
    else container[this.#keys.at(-1)] += text;
  }

  #put(value) {
    const container = this.#open.at(-1);
    if (Array.isArray(container)) container.push(value);
    else Object.defineProperty(container, this.#keys.at(-1), {...OWN, value}); // `__proto__` is a key as well
  }

  #close() {
    if (this.#open.length === 1) return;
    this.#open.pop();
    this.#endValue();
  }

  #endValue() {
    if (!Array.isArray(this.#open.at(-1))) this.#keys.pop();
    this.#state = this.#open.length > 1 ? "after" : "end";
  }
}

function endOf(pattern, text, at) {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : at;
}
