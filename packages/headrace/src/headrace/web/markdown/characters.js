/** Classes of characters that decide how markdown is read. */

const PUNCTUATION = /^[\p{P}\p{S}]$/u;
const SPACE = /^\s?$/u;
const CJK =
  /^[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Hangul}\p{sc=Bopomofo}\u3000-\u303f\ufe10-\ufe1f\ufe30-\ufe4f\uff00-\uffef]$/u;

export const isPunctuation = (character) => PUNCTUATION.test(character);
/** Also true at the edges of a text, where there is no character. */
export const isSpace = (character) => SPACE.test(character);
export const isCjk = (character) => CJK.test(character);

const NAMED = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  nbsp: "\u00a0",
  copy: "©",
  reg: "®",
  trade: "™",
  hellip: "…",
  mdash: "—",
  ndash: "–",
  lsquo: "‘",
  rsquo: "’",
  ldquo: "“",
  rdquo: "”",
  laquo: "«",
  raquo: "»",
  bull: "•",
  middot: "·",
  deg: "°",
  plusmn: "±",
  times: "×",
  divide: "÷",
  ne: "≠",
  le: "≤",
  ge: "≥",
  infin: "∞",
  sum: "∑",
  minus: "−",
  larr: "←",
  rarr: "→",
  uarr: "↑",
  darr: "↓",
  harr: "↔",
  rArr: "⇒",
  euro: "€",
  pound: "£",
  yen: "¥",
  cent: "¢",
  sect: "§",
  para: "¶",
  micro: "µ",
  alpha: "α",
  beta: "β",
  gamma: "γ",
  delta: "δ",
  lambda: "λ",
  mu: "μ",
  pi: "π",
  sigma: "σ",
  omega: "ω",
  ensp: "\u2002",
  emsp: "\u2003",
  thinsp: "\u2009",
  shy: "\u00ad",
};

/** Decode `&amp;`, `&#38;` and `&#x26;`; references with an unknown name stay as they are. */
export const decodeReferences = (text) =>
  text.replace(/&(?:#(\d{1,7})|#[xX]([\da-fA-F]{1,6})|([a-zA-Z]\w{1,30}));/g, (whole, decimal, hex, name) => {
    if (name) return Object.hasOwn(NAMED, name) ? NAMED[name] : whole;
    const code = decimal ? Number(decimal) : parseInt(hex, 16);
    return code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code < 0xe000) ? String.fromCodePoint(code) : "\ufffd";
  });

/** The character that ends at `index`, and the one that begins there: "" at the edges. */
export const before = (text, index) => {
  if (index <= 0) return "";
  const low = text.charCodeAt(index - 1);
  return text.slice(index - (low >= 0xdc00 && low < 0xe000 && index > 1 ? 2 : 1), index);
};
export const after = (text, index) => (index < text.length ? String.fromCodePoint(text.codePointAt(index)) : "");
