/**
 * The answers that are being generated: read, stored as they grow, and taken up again after a reload.
 *
 * The id of an answer's message is the `request_id` of its turn, so that the turn is found again whatever the page knew
 * when it was left. A tab that is hidden lets its streams go: the server continues the turn.
 */
import {Completion} from "../headrace.js";
import {newId} from "./dom.js";
import {settings} from "./settings.js";
import {newTiming, noteEvent} from "./timing.js";

const LINGER = 900; // seconds for which the server continues without a reader
const SAVE_EVERY = 1000; // ms
const NEW = 10_000; // ms: the tab that began such a turn may not have sent its request yet
const EMPTY = {content: "", reasoning: "", toolCalls: []};
const NOTICES = new Set(["queued", "prefill", "reconnect"]); // events that are shown until the next one

/** A new answer. The id of an answer, and so of its turn, tells which browser began it. */
export const newAnswer = (fields) => ({
  id: `${settings.browser}-${newId()}`,
  role: "assistant",
  state: "running",
  running: 1,
  completion: EMPTY,
  timing: newTiming(),
  ...fields,
});

export class Turns {
  /** `changed(message)` is called when a message is stored; `found(message)` for a turn of this browser that is not. */
  constructor({store, slots, client, changed, found}) {
    Object.assign(this, {store, slots, client, changed, found, live: new Map(), shown: new Set()});
    document.addEventListener("visibilitychange", () => this.look());
    for (const type of ["pageshow", "online"]) addEventListener(type, () => this.look());
    addEventListener("pagehide", () => this.letGo());
  }

  /** Send a request for the answer `message`, which has been stored. */
  start(message, body) {
    return this.add(message, body);
  }

  add(message, body = null) {
    let turn = this.live.get(message.id);
    if (!turn) {
      turn = new Turn(this, message, body);
      this.live.set(message.id, turn);
      turn.done = turn.run().finally(() => this.live.delete(message.id));
    }
    return turn;
  }

  /** Take up what runs, also what another tab began. */
  async look() {
    if (document.hidden) return this.letGo();
    for (const message of await this.store.runningMessages()) this.add(message);
    for (const turn of this.live.values()) turn.wake();
    this.find(new Set(this.live.keys())).catch(() => {}); // the server cannot be reached
  }

  /** Find the running turns that this browser began, but could not store. */
  async find(known) {
    for (const {request_id: id, created} of await this.client().turns()) {
      const isMissing = id?.startsWith(`${settings.browser}-`) && !known.has(id) && !(await this.store.message(id));
      if (isMissing) this.found(newAnswer({id, parent: null, created: 1000 * created}));
    }
  }

  letGo() {
    for (const turn of this.live.values()) turn.letGo();
  }

  /** The answers that are on the screen are read first. */
  show(ids) {
    this.shown = new Set(ids);
    for (const turn of this.live.values()) turn.wake();
  }

  makeRoom() {
    for (const turn of this.live.values()) if (!this.shown.has(turn.message.id)) turn.letGo();
  }

  /** Stop a turn, whether this tab reads it or not. */
  async stop(id) {
    const turn = this.live.get(id);
    if (turn) await turn.stop();
    else await this.client().stop(id);
  }

  /** A message is deleted: nobody needs its turn any more. */
  async discard(message) {
    const turn = this.live.get(message.id);
    if (turn) turn.isDropped = true;
    if (message.running) await this.stop(message.id).catch(() => {});
    turn?.letGo();
    turn?.wake();
  }
}

class Turn extends EventTarget {
  constructor(turns, message, body) {
    super();
    Object.assign(this, {turns, message, body, saved: Date.now(), notice: null, wake: () => {}});
    message.timing ??= newTiming();
    this.completion = new Completion(message.completion);
  }

  get isOver() {
    return this.isDropped || this.message.state !== "running";
  }

  get isShown() {
    return this.turns.shown.has(this.message.id);
  }

  tell(notice = this.notice) {
    this.notice = notice;
    this.dispatchEvent(new Event("change"));
  }

  letGo() {
    this.controller?.abort();
  }

  sleep(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async run() {
    const {slots} = this.turns;
    while (!this.isOver) {
      const slot = document.hidden ? "hidden" : await slots.decide(this.message.id, this.isShown, false);
      if (slot === "held") {
        await this.read();
        await slots.release(this.message.id);
      } else if (slot === "elsewhere") await this.reload();
      else if (slot === "wait") {
        if (this.isShown) this.turns.makeRoom();
        this.tell({name: "waitingForTab"});
      }
      if (!this.isOver) await this.sleep(slot === "held" ? 200 : document.hidden ? 60_000 : 700);
    }
    if (!this.isDropped) this.tell(null);
  }

  /** Another tab reads this turn, and stores what it reads. */
  async reload() {
    const stored = await this.turns.store.message(this.message.id);
    if (!stored) this.isDropped = true;
    else if (!stored.running) {
      Object.assign(this.message, stored);
      delete this.message.running;
      this.completion = new Completion(stored.completion);
    }
  }

  async read() {
    const {id} = this.message;
    const controller = (this.controller = new AbortController());
    const {signal} = controller;
    const beat = setInterval(async () => {
      if ((await this.turns.slots.decide(id, this.isShown, true)) === "yield") controller.abort();
    }, 1000);
    const client = this.turns.client();
    const isNew = this.body && this.completion.id === null;
    this.stream = isNew
      ? client.stream(this.body, {requestId: id, linger: LINGER, signal})
      : client.resume(id, {completion: this.completion, signal});
    this.completion = this.stream.completion;
    this.tell(null);
    try {
      for await (const event of this.stream) this.take(event);
      this.end(this.message.isStopped ? "stopped" : "done");
    } catch (error) {
      if (!signal.aborted) await this.fail(error);
    } finally {
      clearInterval(beat);
      this.stream = null;
      await this.save();
    }
  }

  take(event) {
    if (NOTICES.has(event.type)) return this.tell(event.position === 0 ? null : {name: event.type, values: event});
    noteEvent(this.message.timing, event.type);
    this.tell(null);
    if (Date.now() - this.saved > SAVE_EVERY) this.save();
  }

  end(state, error) {
    if (error) this.message.error = error;
    this.message.state = state;
    delete this.message.running;
  }

  async fail({message, status, code, retryAfter}) {
    const isMissing = [404, 410].includes(status);
    if (!this.body) {
      await this.reload(); // the tab that began the turn may have stored its end
      const isNew = Date.now() - this.message.created < NEW;
      if (this.isOver || (isMissing && isNew)) return;
    }
    const state = this.message.isStopped ? "stopped" : isMissing && !this.body ? "lost" : "failed";
    this.end(state, {message, status, code, retryAfter});
  }

  async save() {
    this.saved = Date.now();
    this.message.completion = JSON.parse(JSON.stringify(this.completion));
    await this.turns.store.update("messages", this.message);
    this.turns.changed(this.message);
  }

  /** The rest of the answer follows: `stream` reads to its end. */
  async stop() {
    this.message.isStopped = true;
    try {
      await (this.stream ? this.stream.stop() : this.turns.client().stop(this.message.id));
    } catch (error) {
      this.message.isStopped = [404, 410].includes(error.status);
      if (!this.message.isStopped) throw error;
    }
    this.wake();
  }
}
