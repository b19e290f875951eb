/** A tool call on the screen: its arguments as fields while they arrive, then its result, by hand or by a demo tool. */
import {h, isComposing} from "./dom.js";
import {PlainText} from "./plain-text.js";
import {t} from "./texts.js";
import {isDemoTool, runTool} from "./tools.js";

export class CallView {
  constructor(message, actions) {
    Object.assign(this, {message, actions, shown: null, shownFields: []});
    this.name = h("strong");
    this.fields = h("dl");
    this.form = h("form", {class: "result", hidden: true});
    this.element = h(
      "section",
      {class: "call", "aria-label": t("call")},
      h("header", {}, h("span", {class: "label"}, t("call")), this.name),
      this.fields,
      this.form,
    );
  }

  /** `isOver`: the answer has ended, so that the call can be answered. */
  show(call, isOver) {
    const state = `${call.name}\n${call.arguments}\n${call.isDone}`;
    if (state !== this.shown) {
      this.shown = state;
      this.call = call;
      this.name.textContent = call.name;
      this.element.classList.toggle("building", !call.isDone);
      this.showFields(call.parsed ?? valueOf(call.arguments));
    }
    const asks = isOver && this.message.state === "done" && !this.actions.isAnswered(this.message, call);
    if (asks && this.form.hidden) this.showForm();
    this.form.hidden = !asks;
  }

  showFields(value) {
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    const entries = isObject ? Object.entries(value) : value === undefined ? [] : [["", value]];
    entries.forEach(([name, value], index) => {
      const field = (this.shownFields[index] ??= this.addField());
      field.term.textContent = name;
      field.write(typeof value === "string" ? value : JSON.stringify(value));
    });
    for (const {term, detail} of this.shownFields.splice(entries.length)) {
      term.remove();
      detail.remove();
    }
  }

  addField() {
    const term = this.fields.appendChild(h("dt"));
    const detail = this.fields.appendChild(h("dd", {dir: "auto"}));
    let [shown, plain] = ["", new PlainText(detail)];
    const write = (text) => {
      if (!text.startsWith(shown)) {
        detail.replaceChildren();
        [shown, plain] = ["", new PlainText(detail)];
      }
      plain.write(text.slice(shown.length)); // an argument may be a long file, which grows
      shown = text;
    };
    return {term, detail, write};
  }

  showForm() {
    const input = h("textarea", {
      rows: "2",
      "aria-label": t("result"),
      placeholder: t("result"),
      onkeydown: (event) => {
        if (event.key === "Enter" && !event.shiftKey && !isComposing(event)) {
          event.preventDefault();
          this.form.requestSubmit();
        }
      },
    });
    const {call} = this;
    const run = isDemoTool(call.name)
      ? h(
          "button",
          {
            type: "button",
            onclick: () => this.actions.sendResult(this.message, call, runTool(call.name, valueOf(call.arguments))),
          },
          t("runTool"),
        )
      : null;
    this.form.replaceChildren(
      input,
      h("div", {class: "buttons"}, ...(run ? [run] : []), h("button", {class: "primary"}, t("sendResult"))),
    );
    this.form.onsubmit = (event) => {
      event.preventDefault();
      this.actions.sendResult(this.message, call, input.value);
    };
  }
}

const valueOf = (text) => {
  try {
    return JSON.parse(text);
  } catch {
    return text || undefined;
  }
};
