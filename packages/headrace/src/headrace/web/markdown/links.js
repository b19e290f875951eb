/** Targets of links: `(address "title")` after a link text, and definitions `[label]: address`. */
import {decodeReferences} from "./characters.js";

const TARGET =
  /\(\s*(?:<([^<>\n]*)>|(?!<)((?:[^\s()\\]|\\.|\((?:[^\s()\\]|\\.|\((?:[^\s()\\]|\\.)*\))*\))*))(?:\s+(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\((?:[^()\\]|\\.)*\)))?\s*\)/y;
const DEFINITION = /^ {0,3}\[([^[\]]{1,999})\]:\s*(?:<([^<>]*)>|(\S+))(?:\s+(?:"[^"]*"|'[^']*'|\([^()]*\)))?\s*$/;

const addressOf = (text) => decodeReferences(text.replace(/\\([!-/:-@[-`{-~])/g, "$1"));

/** Return `{href, end}` for the target that begins at `start`, or null. */
export const linkTarget = (text, start) => {
  TARGET.lastIndex = start;
  const found = TARGET.exec(text);
  return found && {href: addressOf(found[1] ?? found[2]), end: TARGET.lastIndex};
};

/** Return `[label, address]` if the line defines a reference link, or null. */
export const definitionIn = (line) => {
  const found = DEFINITION.exec(line);
  return found && [referenceLabel(found[1]), addressOf(found[2] ?? found[3])];
};

/** Labels match if they are equal but for case and blanks. */
export const referenceLabel = (label) => label.trim().replace(/\s+/g, " ").toLowerCase();

/** The address of a link if a click may open it, or null: no `javascript:`, `data:` or `file:`. */
export const safeAddress = (href) => {
  const address = href.replace(/[\u0000-\u0020]+/g, "");
  return /^(?:https?:\/\/|mailto:)/i.test(address) ? address : null;
};
