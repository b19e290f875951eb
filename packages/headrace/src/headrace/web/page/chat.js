/** The conversation on the screen. */
import {AnswerView} from "./answer-view.js";
import {branchOf, childrenOf, newestLeaf, pathTo, requestMessages, titleOf} from "./conversation.js";
import {confirmButton, newId} from "./dom.js";
import {branchButtons, QuestionView, ResultView} from "./message-view.js";
import {t} from "./texts.js";
import {newAnswer} from "./turns.js";

const VIEWS = {user: QuestionView, assistant: AnswerView, tool: ResultView};

export class Chat {
  /**
   * `log`: the element that holds the messages; `request()`: the fields of the next request; `system()`: its system prompt;
   * `changed(conversation)`: it was stored; `shown()`: other messages are on the screen.
   */
  constructor({store, turns, log, request, system, changed, shown, enterKey}) {
    Object.assign(this, {
      store,
      turns,
      log,
      request,
      system,
      changed,
      shown,
      conversation: null,
      messages: new Map(),
      stored: new Set(),
      views: new Map(),
    });
    this.actions = {
      enterKey,
      regenerate: (message) => this.answer(message.parent),
      edit: (message, text) => this.ask(text, message.parent),
      removeButton: (message) => confirmButton("trash", t("remove"), t("removeAsk"), () => this.remove(message)),
      sendResult: (message, call, text) => this.addResult(message, call, text),
      isAnswered: (message, call) => this.resultsOf(message).some((result) => result.call === call.id),
    };
  }

  /** Show a conversation; null for a new one. */
  async open(conversation) {
    const messages = conversation ? await this.store.messages(conversation.id) : [];
    this.clear();
    this.conversation = conversation;
    this.messages = new Map(messages.map((message) => [message.id, message]));
    this.stored = new Set(this.messages.keys());
    this.show();
  }

  /** Another tab has stored something. */
  async refresh(conversation) {
    if (conversation?.id !== this.conversation?.id) return;
    const before = new Set(this.stored); // what is being stored now may not be read yet
    const stored = await this.store.messages(conversation.id);
    const known = new Set(stored.map((message) => message.id));
    for (const id of before) if (!known.has(id)) this.messages.delete(id);
    for (const id of known) this.stored.add(id);
    for (const message of stored) {
      const old = this.messages.get(message.id);
      if (old && (this.turns.live.has(message.id) || old.state === message.state)) continue;
      this.messages.set(message.id, message);
      this.drop(message.id);
    }
    if (!this.messages.has(this.conversation.leaf)) this.conversation.leaf = newestLeaf(this.messages, null);
    this.show();
  }

  get path() {
    return this.conversation ? pathTo(this.messages, this.conversation.leaf) : [];
  }

  get running() {
    return this.path.filter((message) => message.state === "running");
  }

  clear() {
    for (const id of [...this.views.keys()]) this.drop(id);
  }

  drop(id) {
    const view = this.views.get(id);
    view?.detach();
    view?.element.remove();
    this.views.delete(id);
  }

  show() {
    const {path} = this;
    const ids = new Set(path.map((message) => message.id));
    for (const id of [...this.views.keys()]) if (!ids.has(id)) this.drop(id);
    this.turns.show(ids);
    path.forEach((message, index) => {
      const siblings = childrenOf(this.messages, message.parent);
      const old = this.views.get(message.id);
      if (old && old.siblings !== siblings.length) this.drop(message.id);
      if (!this.views.has(message.id)) this.addView(message, siblings);
      const {element, schedule} = this.views.get(message.id);
      // Moving an element that is in its place would lay it out again.
      if (this.log.children[index] !== element) this.log.insertBefore(element, this.log.children[index] ?? null);
      schedule?.();
    });
    this.shown();
  }

  addView(message, siblings) {
    const turn = this.turns.live.get(message.id) ?? (message.state === "running" ? this.turns.add(message) : null);
    if (turn) this.messages.set(message.id, turn.message); // one object, which the turn changes
    const branches = branchButtons(siblings, message, (sibling) => this.choose(sibling));
    const view = new VIEWS[message.role](turn?.message ?? message, this.actions, branches);
    view.siblings = siblings.length;
    this.views.set(message.id, view);
    if (turn) {
      view.follow(turn);
      turn.addEventListener("change", () => this.shown(message));
    }
  }

  choose(message) {
    this.conversation.leaf = newestLeaf(this.messages, message.id);
    this.storeConversation();
    this.show();
  }

  async storeConversation({conversation} = this) {
    await this.store.put("conversations", conversation);
    this.changed(conversation);
  }

  /** What a question and its answer are added to, also if another conversation is opened meanwhile. */
  get tree() {
    const {conversation, messages, stored} = this;
    return {conversation, messages, stored};
  }

  async addMessage(message, {conversation, messages, stored} = this) {
    const added = {id: newId(), conversation: conversation.id, created: Date.now(), ...message};
    messages.set(added.id, added);
    conversation.leaf = added.id;
    conversation.updated = added.created;
    await this.store.put("messages", added);
    stored.add(added.id);
    return added;
  }

  /** Ask a question after `parent`; the question is stored before it is sent. */
  async ask(text, parent = this.conversation?.leaf ?? null) {
    const now = Date.now();
    this.conversation ??= {id: newId(), title: titleOf(text), created: now, updated: now, leaf: null};
    const {tree} = this;
    const question = await this.addMessage({role: "user", parent, text}, tree);
    await this.storeConversation(tree);
    await this.answer(question.id, tree);
  }

  /** Let the model answer what leads to `parent`. */
  async answer(parent, tree = this.tree) {
    const {conversation, messages} = tree;
    const fields = this.request();
    const body = {...fields, messages: requestMessages(pathTo(messages, parent), this.system())};
    const message = await this.addMessage(newAnswer({parent, model: fields.model}), tree);
    const turn = this.turns.start(message, body);
    turn.done.then(() => this.continueAfter(conversation, message));
    await this.storeConversation(tree);
    this.show();
  }

  /** A demo tool may answer all calls of an answer. */
  async continueAfter(conversation, message) {
    const results = this.automatic?.(message);
    if (!results || this.conversation !== conversation) return;
    for (const {call, text} of results) await this.addResult(message, call, text);
  }

  resultsOf(message) {
    const results = [];
    for (
      let parent = message.id, found;
      (found = childrenOf(this.messages, parent)
        .filter((each) => each.role === "tool")
        .at(-1));
      parent = found.id
    )
      results.push(found);
    return results;
  }

  /** Add the result of a call; the model goes on when all calls have one. */
  async addResult(message, call, text) {
    const {tree} = this;
    const before = this.resultsOf(message);
    const parent = before.at(-1)?.id ?? message.id;
    const result = await this.addMessage({role: "tool", parent, call: call.id, name: call.name, text}, tree);
    if (before.length + 1 >= message.completion.toolCalls.length) await this.answer(result.id, tree);
    else await this.storeConversation(tree);
    this.show();
  }

  async remove(message) {
    const gone = branchOf(this.messages, message.id);
    const discarded = gone.map((id) => this.turns.discard(this.messages.get(id)));
    for (const id of gone) this.messages.delete(id);
    if (gone.includes(this.conversation.leaf))
      this.conversation.leaf = message.parent
        ? newestLeaf(this.messages, message.parent)
        : newestLeaf(this.messages, null);
    this.show();
    await Promise.all(discarded);
    await this.store.deleteMessages(gone);
    await this.storeConversation();
  }
}
