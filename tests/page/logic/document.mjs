/** As much of a document as the page's renderer uses, so that its tests need no browser. */

class Node {
  parentNode = null;

  remove() {
    const siblings = this.parentNode?.childNodes;
    if (siblings) siblings.splice(siblings.indexOf(this), 1);
    this.parentNode = null;
  }

  replaceWith(...nodes) {
    const {parentNode} = this;
    const index = parentNode.childNodes.indexOf(this);
    this.remove();
    parentNode.insert(index, nodes);
  }
}

class Text extends Node {
  constructor(text) {
    super();
    this.textContent = text;
  }

  get outerHTML() {
    return this.textContent.replace(
      /[&<>"]/g,
      (found) => ({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})[found],
    );
  }
}

class Element extends Node {
  childNodes = [];
  attributes = new Map();
  dataset = {};
  className = "";

  constructor(name) {
    super();
    this.localName = name;
  }

  insert(index, nodes) {
    const made = nodes.map((node) => (node instanceof Node ? node : new Text(String(node))));
    for (const node of made) node.remove();
    this.childNodes.splice(index, 0, ...made);
    for (const node of made) node.parentNode = this;
  }

  append(...nodes) {
    this.insert(this.childNodes.length, nodes);
  }

  appendChild(node) {
    this.append(node);
    return node;
  }

  replaceChildren(...nodes) {
    for (const node of [...this.childNodes]) node.remove();
    this.append(...nodes);
  }

  setAttribute(name, value) {
    this.attributes.set(name, value);
  }

  hasChildNodes() {
    return this.childNodes.length > 0;
  }

  get classList() {
    return {add: (name) => (this.className = [...new Set([...this.className.split(" "), name])].join(" ").trim())};
  }

  get lastChild() {
    return this.childNodes.at(-1);
  }

  get textContent() {
    return this.childNodes.map((node) => node.textContent).join("");
  }

  get innerHTML() {
    return this.childNodes.map((node) => node.outerHTML).join("");
  }

  get outerHTML() {
    const attributes = [...this.attributes].map(([name, value]) => ` ${name}="${value}"`).join("");
    const named = this.className ? ` class="${this.className}"` : "";
    return `<${this.localName}${named}${attributes}>${this.innerHTML}</${this.localName}>`;
  }

  /** All elements below this one, in order. */
  get all() {
    return this.childNodes.filter((node) => node instanceof Element).flatMap((node) => [node, ...node.all]);
  }
}

globalThis.document = {createElement: (name) => new Element(name), createTextNode: (text) => new Text(text)};

export const container = () => new Element("main");
