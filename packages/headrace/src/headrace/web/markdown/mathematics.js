/**
 * Find mathematics in a text, before markdown is read in it: `$$…$$`, `\[…\]`, `\(…\)` and `$…$`.
 *
 * A single `$` is a price far more often: it begins mathematics only if no letter or digit precedes it, no blank
 * touches the inside, and no digit follows the end.
 */

const PAIRS = [
  {open: "$$", close: "$$", display: true},
  {open: "\\[", close: "\\]", display: true},
  {open: "\\(", close: "\\)", display: false},
];
const LONGEST = 4000;

/** Return `{source, display, end}` for the mathematics that begins at `start`, or null. */
export const mathematicsAt = (text, start) => {
  for (const {open, close, display} of PAIRS) {
    if (!text.startsWith(open, start)) continue;
    const from = start + open.length;
    const to = text.indexOf(close, from);
    if (to < 0 || to - from > LONGEST || !text.slice(from, to).trim()) return null;
    return {source: text.slice(from, to), display, end: to + close.length};
  }
  return text[start] === "$" ? between(text, start) : null;
};

const between = (text, start) => {
  if (/[\s$]/.test(text[start + 1] ?? " ") || /[a-zA-Z\d]/.test(text[start - 1] ?? "")) return null;
  for (let end = start + 1; end < text.length && end - start < LONGEST; end++) {
    if (text[end] === "\\") end++;
    else if (text[end] === "`")
      return null; // code
    else if (text[end] === "$") {
      if (/\s/.test(text[end - 1]) || /\d/.test(text[end + 1] ?? "") || text[end + 1] === "$") return null;
      return {source: text.slice(start + 1, end), display: false, end: end + 1};
    }
  }
  return null;
};
