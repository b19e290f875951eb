/** A question, or the result of a tool, on the screen. */
import {copyButton, h, iconButton, isComposing} from "./dom.js";
import {PlainText} from "./plain-text.js";
import {t} from "./texts.js";

/** Buttons that lead to the other versions of a message; null if it is the only one. */
export const branchButtons = (siblings, message, choose) => {
  if (siblings.length < 2) return null;
  const index = siblings.findIndex((each) => each.id === message.id);
  const step = (name, title, to) =>
    iconButton(name, title, () => choose(siblings[to]), {disabled: to < 0 || to >= siblings.length});
  return h(
    "span",
    {class: "branches"},
    step("left", t("previous"), index - 1),
    `${index + 1} / ${siblings.length}`,
    step("right", t("next"), index + 1),
  );
};

export class QuestionView {
  constructor(message, actions, branches) {
    Object.assign(this, {message, actions, branches});
    this.element = h("article", {class: "message user", "aria-label": t("question"), "data-id": message.id});
    this.show();
  }

  show() {
    const {message, actions} = this;
    const text = h("div", {class: "bubble", dir: "auto"});
    new PlainText(text).write(message.text);
    const footer = h(
      "footer",
      {class: "actions"},
      copyButton(() => message.text, t("copy"), t("copied")),
      iconButton("edit", t("edit"), () => this.edit()),
      actions.removeButton(message),
      this.branches,
    );
    this.element.replaceChildren(text, footer);
  }

  edit() {
    const input = h("textarea", {
      "aria-label": t("edit"),
      dir: "auto",
      onkeydown: (event) => {
        if (isComposing(event)) return;
        if (event.key === "Escape") this.show();
        if (event.key === "Enter" && !event.shiftKey) {
          event.preventDefault();
          form.requestSubmit();
        }
      },
    });
    input.value = this.message.text;
    const form = h(
      "form",
      {
        class: "edit",
        onsubmit: (event) => {
          event.preventDefault();
          this.show();
          if (input.value.trim()) this.actions.edit(this.message, input.value);
        },
      },
      input,
      h(
        "div",
        {class: "buttons"},
        h("button", {type: "button", onclick: () => this.show()}, t("cancel")),
        h("button", {class: "primary"}, t("save")),
      ),
    );
    this.element.replaceChildren(form);
    input.focus();
  }

  detach() {}
}

export class ResultView {
  constructor(message) {
    const text = h("div", {class: "thoughts", dir: "auto"});
    new PlainText(text).write(message.text);
    this.element = h(
      "article",
      {class: "message tool", "aria-label": t("result"), "data-id": message.id},
      h("details", {}, h("summary", {}, `${t("result")}: ${message.name}`), text),
    );
  }

  detach() {}
}
