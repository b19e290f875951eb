/**
 * Build the elements of inline markdown. This is the list of elements that an answer can become: none of them loads
 * anything. No text of an answer is ever parsed as HTML.
 */
import {parseInline} from "./inline.js";
import {safeAddress} from "./links.js";

/** Return the nodes for a text of inline markdown; options as for `parseInline`. */
export const inlineNodes = (text, options) => parseInline(text, options).flatMap(build);

export const element = (name, className, ...children) => {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
};

/** Code and mathematics run from the left in any text, and do not decide the direction of their block. */
export const leftToRight = (made) => {
  made.setAttribute("dir", "ltr");
  return made;
};

const build = (node) => {
  switch (node.type) {
    case "text":
      return [document.createTextNode(node.text)];
    case "code":
      return [leftToRight(element("code", "", node.text))];
    case "break":
      return [document.createElement("br")];
    case "math":
      return [mathElement(node.source, node.display)];
    case "image":
      return image(node);
    case "link":
      return link(node);
    default:
      return [element(node.type, "", ...node.children.flatMap(build))];
  }
};

/** Mathematics shows its source until the page has rendered it (`typeset.js`). */
export const mathElement = (source, display) => {
  const made = leftToRight(element("span", display ? "math display" : "math", source));
  made.dataset.source = source;
  return made;
};

const link = (node) => {
  const children = node.children.flatMap(build);
  const address = safeAddress(node.href);
  if (address === null) return [...children, document.createTextNode(` (${node.href})`)];
  const made = element("a", "", ...children);
  made.setAttribute("href", address);
  made.setAttribute("target", "_blank");
  made.setAttribute("rel", "noopener noreferrer nofollow");
  return [made];
};

/** An image is not loaded: its address would tell a stranger about the conversation. */
const image = (node) => {
  const name = safeAddress(node.href) === null ? "" : node.href;
  const address = link({href: node.href, children: name ? [{type: "text", text: name}] : []});
  return [element("span", "image", ...node.children.flatMap(build), " ", ...address)];
};
