/** The list of chats: search, rename, delete, and stop those that run. */
import {confirmButton, h, iconButton, isComposing} from "./dom.js";
import {t} from "./texts.js";

const MOST = 200; // chats in the list

export class Sidebar {
  /** `actions`: `open(id)`, `create()`, `rename(conversation, title)`, `remove(conversation)`, `stop(id)`, `running(id)`, `openSettings()`. */
  constructor(store, actions) {
    Object.assign(this, {store, actions, conversations: [], current: null});
    this.list = h("ul", {"aria-label": t("chats")});
    this.search = h("input", {
      type: "search",
      placeholder: t("search"),
      "aria-label": t("search"),
      oninput: () => this.find(),
      onkeydown: (event) => {
        if (event.key === "Escape" && !isComposing(event)) this.clearSearch();
      },
    });
    this.element = h(
      "nav",
      {id: "sidebar", "aria-label": t("chats")},
      h("button", {type: "button", class: "new", onclick: () => actions.create()}, t("newChat")),
      this.search,
      this.list,
      h("button", {type: "button", class: "open-settings", onclick: () => actions.openSettings()}, t("settings")),
    );
  }

  async refresh() {
    this.conversations = (await this.store.conversations()).sort((one, other) => other.updated - one.updated);
    this.show();
  }

  clearSearch() {
    this.search.value = "";
    this.find();
  }

  /** Search the titles at once, and the messages when the typing pauses. */
  async find() {
    const words = this.search.value.trim().toLowerCase();
    this.found = null;
    this.show();
    if (!words) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
    if (this.search.value.trim().toLowerCase() !== words) return;
    const found = new Map();
    for (const message of await this.store.allMessages()) {
      const text = message.text ?? message.completion?.content ?? "";
      const at = text.toLowerCase().indexOf(words);
      if (at >= 0 && !found.has(message.conversation))
        found.set(message.conversation, `…${text.slice(Math.max(0, at - 20), at + 60)}…`);
    }
    if (this.search.value.trim().toLowerCase() !== words) return;
    this.found = found;
    this.show();
  }

  show() {
    const words = this.search.value.trim().toLowerCase();
    const matches = this.conversations.filter(
      (each) => each.title.toLowerCase().includes(words) || this.found?.has(each.id),
    );
    this.list.replaceChildren(...matches.slice(0, MOST).map((each) => this.item(each)));
    if (words && !matches.length) this.list.append(h("li", {class: "empty"}, t("noResults")));
  }

  item(conversation) {
    const {id, title} = conversation;
    const isRunning = this.actions.running(id);
    const snippet = this.found?.get(id);
    const link = h(
      "a",
      {href: `#${id}`, dir: "auto", title, "aria-current": id === this.current ? "page" : undefined},
      title,
      ...(snippet ? [h("small", {}, snippet)] : []),
    );
    const stop = isRunning
      ? iconButton("stop", `${t("stop")}: ${title}`, () => this.actions.stop(id), {class: "stop"})
      : null;
    return h(
      "li",
      {class: isRunning ? "running" : "", "data-id": id},
      isRunning ? h("span", {class: "dot", role: "img", "aria-label": t("running")}) : null,
      link,
      h(
        "span",
        {class: "item-actions"},
        stop,
        iconButton("edit", `${t("rename")}: ${title}`, () => this.rename(conversation)),
        confirmButton("trash", `${t("remove")}: ${title}`, t("removeAsk"), () => this.actions.remove(conversation)),
      ),
    );
  }

  rename(conversation) {
    const item = this.list.querySelector(`[data-id="${conversation.id}"]`);
    const finish = (isKept) => {
      if (isKept && input.value.trim()) this.actions.rename(conversation, input.value.trim().slice(0, 80));
      this.show();
    };
    const input = h("input", {
      "aria-label": t("rename"),
      dir: "auto",
      onkeydown: (event) => {
        if (isComposing(event) || !["Enter", "Escape"].includes(event.key)) return;
        input.onblur = null;
        finish(event.key === "Enter");
      },
    });
    input.onblur = () => finish(true);
    input.value = conversation.title;
    item.replaceChildren(input);
    input.select();
  }
}
