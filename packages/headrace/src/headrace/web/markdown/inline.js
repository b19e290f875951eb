/**
 * Read the inline markdown of one block: a text becomes a tree of nodes.
 *
 * A node is `{type: "text", text}`, `{type: "code", text}`, `{type: "break"}`, `{type: "math", source, display}`,
 * `{type: "image", href, children}`, `{type: "link", href, children}`, or `{type: "em" | "strong" | "del", children}`.
 * HTML is text. The cost is linear in the text but for links and mathematics that are never closed, which is why blocks
 * pass at most a few thousand characters at a time.
 */
import {decodeReferences, isCjk, isPunctuation} from "./characters.js";
import {pairRuns, runAt} from "./emphasis.js";
import {linkTarget, referenceLabel} from "./links.js";
import {mathematicsAt} from "./mathematics.js";

const PLAIN = /[^\\`*_~[\]!<&$\nhw]+/y;
const TAG = /<(?:\/?[a-zA-Z][\w:.-]*(?:\s+[^<>]*)?\/?|!--[\s\S]*?--|\?[^>]*\?|![A-Z][^>]*)>/y;
const AUTOLINK = /<((?:https?|mailto):[^\s<>]*|[\w.+-]+@[\w-]+(?:\.[\w-]+)+)>/y;
const BARE = /(?:https?:\/\/|www\.)[^\s<>`|]+/y;
const ESCAPABLE = /[!-/:-@[-`{-~]/;
const DEEPEST = 30;

/** Read `text`. `links` has the targets of reference links; `previous` is the character before the text. */
export const parseInline = (text, {links = new Map(), previous = ""} = {}) => new Inline(text, links, previous).parse();

class Inline {
  constructor(text, links, previous) {
    Object.assign(this, {text, links, previous, at: 0, items: [], brackets: [], ticks: null});
  }

  parse() {
    const {text} = this;
    while (this.at < text.length) {
      const plain = this.match(PLAIN);
      if (plain) this.add(plain[0]);
      else this[READERS[text[this.at]]]();
    }
    this.pair(0, this.items.length);
    return treeOf(this.items);
  }

  match(expression) {
    expression.lastIndex = this.at;
    const found = expression.exec(this.text);
    if (found) this.at = expression.lastIndex;
    return found;
  }

  add(text) {
    const last = this.items.at(-1);
    if (last?.type === "text") last.text += text;
    else this.items.push({type: "text", text});
  }

  one() {
    this.add(this.text[this.at++]);
  }

  escape() {
    if (this.math()) return;
    const next = this.text[this.at + 1];
    if (next === "\n") {
      this.items.push({type: "break"});
      this.at += 2;
    } else if (next !== undefined && ESCAPABLE.test(next)) {
      this.add(next);
      this.at += 2;
    } else this.one();
  }

  math() {
    const found = mathematicsAt(this.text, this.at);
    if (found) {
      this.items.push({type: "math", source: found.source, display: found.display});
      this.at = found.end;
    }
    return found !== null;
  }

  dollar() {
    if (this.math()) return;
    this.add(this.match(/\$+/y)[0]);
  }

  /** A code span: the positions of all runs of backticks are found once, so that unclosed ones cost nothing more. */
  code() {
    const start = this.at;
    const {length} = this.match(/`+/y)[0];
    this.ticks ??= ticksOf(this.text);
    const end = this.ticks.get(length)?.find((position) => position > start);
    if (end === undefined) return this.add("`".repeat(length));
    const inner = this.text.slice(start + length, end).replaceAll("\n", " ");
    const padded = inner.startsWith(" ") && inner.endsWith(" ") && inner.trim();
    this.items.push({type: "code", text: padded ? inner.slice(1, -1) : inner});
    this.at = end + length;
  }

  delimiters() {
    const start = this.at;
    const {length} = this.match(/([*_~])\1*/y)[0];
    if (this.text[start] === "~" && length !== 2) return this.add("~".repeat(length));
    this.items.push(runAt(this.text, start, length, this.previous));
  }

  reference() {
    const found = this.match(/&#?\w{1,31};/y);
    if (found) this.add(decodeReferences(found[0]));
    else this.one();
  }

  angle() {
    const link = this.match(AUTOLINK);
    if (link) return this.pushLink(link[1].includes(":") ? link[1] : `mailto:${link[1]}`, link[1]);
    const tag = this.match(TAG);
    if (tag) this.add(tag[0]);
    else this.one();
  }

  bare() {
    const start = this.at;
    const found = /[a-zA-Z\d]/.test(this.text[start - 1] ?? "") ? null : this.match(BARE);
    if (!found) return this.one();
    const address = trimmed(found[0]);
    this.at = start + address.length;
    if (!/[^.:/w]/.test(address)) return this.add(address);
    this.pushLink(address.startsWith("www.") ? `http://${address}` : address, address);
  }

  pushLink(href, text) {
    this.items.push({type: "link", href, children: [{type: "text", text}]});
  }

  line() {
    const last = this.items.at(-1);
    const isHard = last?.type === "text" && last.text.endsWith("  ");
    if (last?.type === "text") last.text = last.text.replace(/ +$/, "");
    this.at++;
    this.match(/ +/y);
    if (isHard) this.items.push({type: "break"});
    else this.add("\n");
  }

  openBracket() {
    const isImage = this.text[this.at] === "!";
    if (isImage && this.text[this.at + 1] !== "[") return this.one();
    const item = {type: "text", text: isImage ? "![" : "["};
    this.items.push(item);
    this.at += item.text.length;
    this.brackets.push({item, isImage, index: this.items.length - 1, from: this.at, active: true});
    this.items.push({type: "text", text: ""});
  }

  closeBracket() {
    const opener = this.brackets.pop();
    this.at++;
    const target = opener?.active ? this.target(opener) : null;
    if (!target) return this.add("]");
    this.at = target.end;
    this.pair(opener.index + 1, this.items.length);
    const type = opener.isImage ? "image" : "link";
    Object.assign(opener.item, {type: "open", node: {type, href: target.href, children: []}});
    this.items.push({type: "close"});
    if (!opener.isImage) for (const bracket of this.brackets) bracket.active &&= bracket.isImage;
  }

  /** The target of the link text that ends before `at`: `(address "title")`, `[label]`, `[]` or none. */
  target(opener) {
    const inline = linkTarget(this.text, this.at);
    if (inline) return inline;
    const label = /\[([^[\]]{0,999})\]/y;
    label.lastIndex = this.at;
    const found = label.exec(this.text);
    const name = found?.[1] || this.text.slice(opener.from, this.at - 1);
    const href = this.links.get(referenceLabel(name));
    return href === undefined ? null : {href, end: found ? label.lastIndex : this.at};
  }

  pair(from, to) {
    const runs = this.items.slice(from, to).filter((item) => item.type === "run" && !item.paired);
    pairRuns(runs);
    for (const run of runs) run.paired = true;
  }
}

const READERS = {
  "\\": "escape",
  "`": "code",
  "*": "delimiters",
  _: "delimiters",
  "~": "delimiters",
  "[": "openBracket",
  "!": "openBracket",
  "]": "closeBracket",
  "<": "angle",
  "&": "reference",
  $: "dollar",
  "\n": "line",
  h: "bare",
  w: "bare",
};

const ticksOf = (text) => {
  const ticks = new Map();
  for (const {0: run, index} of text.matchAll(/`+/g)) ticks.set(run.length, [...(ticks.get(run.length) ?? []), index]);
  return ticks;
};

/** A bare link ends at CJK punctuation, and before the punctuation that ends its sentence. */
const trimmed = (address) => {
  const end = [...address].findIndex((character) => isCjk(character) && isPunctuation(character));
  let kept = end < 0 ? address : [...address].slice(0, end).join("");
  for (;;) {
    const shorter = kept.replace(/(?:[?!.,:*_~'"\]]+|&\w+;)$/, "");
    const isOpen = shorter.endsWith(")") && shorter.split(")").length > shorter.split("(").length;
    const next = isOpen ? shorter.slice(0, -1) : shorter;
    if (next === kept) return kept;
    kept = next;
  }
};

const treeOf = (items) => {
  const stack = [[]];
  const open = (node) => {
    stack.at(-1).push(node);
    stack.push(stack.length > DEEPEST ? stack.at(-1) : node.children);
  };
  for (const item of items) {
    if (item.type === "open") open(item.node);
    else if (item.type === "close") stack.pop();
    else if (item.type === "run") {
      item.closed.forEach(() => stack.pop());
      if (item.left) stack.at(-1).push({type: "text", text: item.char.repeat(item.left)});
      for (const type of item.opened) open({type, children: []});
    } else if (item.type !== "text" || item.text) stack.at(-1).push(item);
  }
  return stack[0];
};
