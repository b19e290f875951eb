/** The chat page: its parts, and what they tell each other. */
import {Chat} from "./chat.js";
import {Composer} from "./composer.js";
import {h, iconButton, newId} from "./dom.js";
import {Scroll} from "./scroll.js";
import {newClient, readModels} from "./server.js";
import {changeSettings, requestFields, settings} from "./settings.js";
import {openSettings} from "./settings-dialog.js";
import {Sidebar} from "./sidebar.js";
import {Slots} from "./slots.js";
import {Status} from "./status.js";
import {openStore} from "./store.js";
import {t, useLanguage} from "./texts.js";
import {isDemoTool, runTool, toolDefinitions} from "./tools.js";
import {exportFrom, importInto} from "./transfer.js";
import {Turns} from "./turns.js";

class Page {
  constructor(store) {
    this.store = store;
    this.models = [];
    this.runningIn = new Map(); // the conversation of each answer that runs
    this.tabs = new BroadcastChannel("headrace");
    this.tabs.onmessage = ({data}) => this.hear(data);
    this.turns = new Turns({
      store,
      slots: new Slots(store, newId()),
      client: newClient,
      changed: (message) => this.stored(message),
      found: (message) => this.recover(message),
    });
    this.build();
  }

  build() {
    this.model = h("select", {"aria-label": t("model"), onchange: () => this.chooseModel(this.model.value)});
    this.banner = h("p", {class: "banner", role: "alert", hidden: true});
    this.hello = h("section", {class: "hello"}, h("h1", {}, t("hello")), h("p", {}, t("helloHint")));
    const log = h("div", {class: "log"});
    const toBottom = iconButton("down", t("toBottom"), null, {class: "to-bottom", hidden: true});
    const area = h("div", {class: "scroll", tabindex: "-1"}, this.hello, log);
    this.composer = new Composer({send: (text) => this.send(text), stop: () => this.stopShown()});
    this.sidebar = new Sidebar(this.store, {
      create: () => this.leaveTo(""),
      rename: (conversation, title) => this.update({...conversation, title}),
      remove: (conversation) => this.remove(conversation),
      stop: (id) => this.stopConversation(id),
      running: (id) => [...this.runningIn.values()].includes(id),
      openSettings: () => this.openSettings(),
    });
    const status = h("p", {class: "visually-hidden", role: "status"});
    this.status = new Status(status);
    this.scroll = new Scroll(area, log, toBottom);
    this.chat = new Chat({
      store: this.store,
      turns: this.turns,
      log,
      request: () => requestFields(settings.model, this.capabilities.reasoning_efforts ?? [], toolDefinitions()),
      system: () => settings.system,
      changed: (conversation) => this.changed(conversation),
      shown: () => this.shown(),
      enterKey: () => this.openSettings("key"),
    });
    this.chat.automatic = automaticResults;
    const menu = iconButton("menu", t("menu"), () => this.toggleSidebar(), {"aria-controls": "sidebar"});
    document.body.replaceChildren(
      this.sidebar.element,
      h(
        "main",
        {},
        h("header", {class: "bar"}, menu, this.model),
        this.banner,
        area,
        h("div", {class: "bottom"}, toBottom, this.composer.element),
      ),
      status,
    );
    this.showTheme();
    this.showModels();
    document.body.classList.toggle("with-sidebar", settings.sidebar && innerWidth > 800);
  }

  async start() {
    addEventListener("hashchange", () => this.openFromAddress());
    await this.openFromAddress();
    await this.sidebar.refresh();
    await this.turns.look();
    await this.noteRunning();
    await this.loadModels();
    addEventListener("online", () => this.loadModels());
    document.addEventListener("visibilitychange", () => !document.hidden && !this.models.length && this.loadModels());
    this.composer.input.focus();
  }

  async noteRunning() {
    this.runningIn = new Map((await this.store.runningMessages()).map((message) => [message.id, message.conversation]));
    this.sidebar.show();
  }

  // Conversations

  async openFromAddress() {
    const id = location.hash.slice(1);
    const conversation = id ? (await this.store.conversations()).find((each) => each.id === id) : null;
    if (conversation?.id === this.chat.conversation?.id && this.wasOpened) return;
    this.wasOpened = true;
    this.sidebar.current = conversation?.id ?? null;
    await this.chat.open(conversation ?? null);
    this.scroll.toEnd();
    this.sidebar.show();
    if (innerWidth <= 800) document.body.classList.remove("with-sidebar");
  }

  leaveTo(id) {
    if (location.hash.slice(1) === id) this.openFromAddress();
    else location.hash = id;
    this.composer.input.focus();
  }

  async send(text) {
    if (!this.models.length) await this.loadModels();
    if (!settings.model) return false;
    const isNew = !this.chat.conversation;
    this.scroll.toEnd();
    await this.chat.ask(text);
    if (isNew && this.chat.conversation) {
      this.sidebar.current = this.chat.conversation.id;
      history.pushState(null, "", `#${this.chat.conversation.id}`);
      this.sidebar.show();
    }
    this.scroll.toEnd();
    return true;
  }

  async update(conversation) {
    await this.store.put("conversations", conversation);
    if (conversation.id === this.chat.conversation?.id) this.chat.conversation.title = conversation.title;
    this.changed(conversation);
  }

  /** Show an answer that this browser asked for and could not store, without its question. */
  async recover(message) {
    const {id, created} = message;
    const conversation = {id, title: t("recovered"), created, updated: created, leaf: id};
    message.conversation = id;
    await this.store.putChat({conversation, messages: [message]});
    this.turns.add(message);
    this.changed(conversation);
  }

  async remove({id}) {
    await Promise.all((await this.store.messages(id)).map((message) => this.turns.discard(message)));
    await this.store.deleteConversation(id);
    this.tabs.postMessage({deleted: id});
    if (this.sidebar.current === id) this.leaveTo("");
    await this.sidebar.refresh();
  }

  stopShown() {
    return this.stopAll(this.chat.running.map((message) => message.id));
  }

  stopConversation(id) {
    return this.stopAll(
      [...this.runningIn].filter(([, conversation]) => conversation === id).map(([message]) => message),
    );
  }

  async stopAll(ids) {
    try {
      await Promise.all(ids.map((id) => this.turns.stop(id)));
    } catch (error) {
      this.tell(error.status ? error.message : t("offline"));
    }
  }

  // What changes

  shown() {
    const last = this.chat.path.at(-1);
    const isAnswer = last?.role === "assistant";
    this.hello.hidden = last !== undefined;
    this.composer.show(last?.state === "running");
    const turn = this.turns.live.get(last?.id);
    this.status.show(isAnswer ? last : null, (turn ?? last)?.completion, turn?.notice);
    document.title = this.chat.conversation ? `${this.chat.conversation.title} · ${t("title")}` : t("title");
  }

  changed(conversation) {
    this.tabs.postMessage({conversation: conversation.id});
    return this.noteRunning().then(() => this.sidebar.refresh());
  }

  stored(message) {
    const wasRunning = this.runningIn.has(message.id);
    if (Boolean(message.running) === wasRunning) return;
    this.noteRunning();
    this.tabs.postMessage({conversation: message.conversation});
    if (message.conversation === this.chat.conversation?.id) this.chat.show();
  }

  async hear({conversation, deleted}) {
    await this.noteRunning();
    await this.sidebar.refresh();
    const current = this.chat.conversation?.id;
    if (deleted && deleted === current) return this.leaveTo("");
    if (conversation === current)
      await this.chat.refresh(this.sidebar.conversations.find((each) => each.id === current));
  }

  // The server

  get capabilities() {
    return this.models.find((each) => each.id === settings.model)?.capabilities ?? {};
  }

  async loadModels() {
    try {
      this.models = await readModels();
      this.tell("");
    } catch (error) {
      const needsKey = error.status === 401;
      this.tell(needsKey ? t("needsKey") : error.status ? error.message : t("offline"), needsKey);
    }
    if (this.models.length && !this.models.some((each) => each.id === settings.model))
      changeSettings({model: this.models[0].id});
    this.showModels();
  }

  showModels() {
    const names = this.models.length ? this.models.map((each) => each.id) : [settings.model || t("noModel")];
    this.model.replaceChildren(...names.map((name) => h("option", {value: name}, name)));
    this.model.value = settings.model || names[0];
    this.composer.showThinking(this.capabilities);
  }

  chooseModel(model) {
    changeSettings({model});
    this.composer.showThinking(this.capabilities);
  }

  /** Show a sentence above the chat; "" removes it. */
  tell(sentence, needsKey = false) {
    this.banner.hidden = !sentence;
    const button = needsKey
      ? h("button", {type: "button", onclick: () => this.openSettings("key")}, t("enterKey"))
      : "";
    if (this.banner.dataset.text !== sentence) this.banner.replaceChildren(sentence, button);
    this.banner.dataset.text = sentence;
  }

  // Settings

  toggleSidebar() {
    const isShown = document.body.classList.toggle("with-sidebar");
    if (innerWidth > 800) changeSettings({sidebar: isShown});
  }

  showTheme() {
    document.documentElement.dataset.theme = settings.theme;
  }

  openSettings(focus) {
    openSettings(
      {
        keyChanged: () => this.loadModels(),
        themeChanged: () => this.showTheme(),
        languageChanged: () => location.reload(),
        exportAll: () => exportFrom(this.store, this.sidebar.conversations),
        exportOne: () => this.chat.conversation && exportFrom(this.store, [this.chat.conversation]),
        importText: (text) => this.importText(text),
      },
      focus,
    );
  }

  async importText(text) {
    const conversations = await importInto(this.store, text);
    if (conversations.length) this.changed(conversations[0]);
    return conversations.length;
  }
}

/** The results of an answer's calls if demo tools may run them all without asking, or null. */
const automaticResults = ({state, completion: {toolCalls}}) => {
  const mayRun = settings.demoTools && settings.autoRun && state === "done" && toolCalls.length > 0;
  if (!mayRun || !toolCalls.every((call) => isDemoTool(call.name))) return null;
  return toolCalls.map((call) => {
    let parameters = {};
    try {
      parameters = JSON.parse(call.arguments);
    } catch {
      // The tool reports what is missing.
    }
    return {call, text: runTool(call.name, parameters)};
  });
};

useLanguage(settings.language);
let page = null;
let failure = null;
const store = await openStore((error) => {
  failure = error;
  page?.tell(t("storageFailed", {reason: error?.name ?? error}));
});
page = new Page(store);
await page.start();
if (failure) page.tell(t("storageMissing"));
