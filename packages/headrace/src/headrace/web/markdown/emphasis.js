/**
 * Pair the delimiter runs of a text: `*`, `_` and `~~` (CommonMark 0.31, "An algorithm for parsing nested emphasis").
 *
 * CommonMark's rules count Chinese punctuation as punctuation, so that `**注意：**文本` is no emphasis. Beside a
 * Chinese, Japanese or Korean character these rules are relaxed; elsewhere they are unchanged.
 */
import {after, before, isCjk, isPunctuation, isSpace} from "./characters.js";

const blocksFlank = (character) => isPunctuation(character) && !isCjk(character);

/** Return the run of `length` delimiters at `index`. `previous` is the character before the text. */
export const runAt = (text, index, length, previous) => {
  const char = text[index];
  const left = before(text, index) || previous;
  const right = after(text, index + length);
  const opens = !isSpace(right) && (!blocksFlank(right) || isSpace(left) || isPunctuation(left) || isCjk(left));
  const closes = !isSpace(left) && (!blocksFlank(left) || isSpace(right) || isPunctuation(right) || isCjk(right));
  const within = char === "_" && opens && closes;
  return {
    type: "run",
    char,
    length,
    left: length,
    opened: [],
    closed: [],
    canOpen: opens && (!within || isPunctuation(left)),
    canClose: closes && (!within || isPunctuation(right)),
  };
};

/** Pair `runs`, in order: each run gets the elements that it closes, innermost first, and opens. */
export const pairRuns = (runs) => {
  const searched = new Map(); // below this index there is no opener for such a closer: keeps it linear
  for (let closer = 0; closer < runs.length; closer++) {
    const run = runs[closer];
    if (!run.canClose) continue;
    const kind = `${run.char}${run.canOpen}${run.length % 3}`;
    let floor = searched.get(kind) ?? 0;
    for (let opener = closer - 1; run.left && opener >= floor; opener--) {
      const other = runs[opener];
      if (!other.left || other.char !== run.char || !other.canOpen || !matches(other, run)) continue;
      while (other.left && run.left) pair(other, run);
      for (let passed = opener + 1; passed < closer; passed++) runs[passed].canOpen = false;
    }
    if (run.left) searched.set(kind, closer);
  }
};

const matches = (opener, closer) =>
  !(opener.canClose || closer.canOpen) ||
  (opener.length + closer.length) % 3 !== 0 ||
  (opener.length % 3 === 0 && closer.length % 3 === 0);

const pair = (opener, closer) => {
  const two = opener.left > 1 && closer.left > 1;
  const element = opener.char === "~" ? "del" : two ? "strong" : "em";
  opener.left -= two ? 2 : 1;
  closer.left -= two ? 2 : 1;
  opener.opened.unshift(element);
  closer.closed.push(element);
};
