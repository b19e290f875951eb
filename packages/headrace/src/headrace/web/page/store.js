/**
 * The chats in IndexedDB: one record for each conversation and one for each message.
 *
 * A record is written alone, so a failed write loses nothing else. Without IndexedDB, or when a write fails, records are
 * kept in memory, and `onFailure(error)` is called.
 */

const INDEXES = {conversations: [], messages: ["conversation", "running"], slots: []}; // `running` is set while it runs

const done = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

export const openStore = async (onFailure) => {
  try {
    const request = indexedDB.open("headrace", 1);
    request.onupgradeneeded = () => {
      for (const [name, indexes] of Object.entries(INDEXES)) {
        const store = request.result.createObjectStore(name, {keyPath: "id"});
        for (const index of indexes) store.createIndex(index, index);
      }
    };
    return new Store(await done(request), onFailure);
  } catch (error) {
    onFailure(error);
    return new Store(null, onFailure);
  }
};

class Store {
  constructor(database, onFailure) {
    this.database = database;
    this.onFailure = onFailure;
    this.memory = new Map(Object.keys(INDEXES).map((name) => [name, new Map()]));
    database?.addEventListener("versionchange", () => database.close());
  }

  /** Call `act(transaction, fail)`; it sends its requests at once or in callbacks of others. */
  async #transaction(names, act) {
    const transaction = this.database.transaction(names, "readwrite");
    await new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onerror = transaction.onabort = () => reject(transaction.error);
      act(transaction, reject);
    });
  }

  async #write(names, act, inMemory) {
    try {
      if (this.database) {
        await this.#transaction(names, act);
        return true;
      }
    } catch (error) {
      this.onFailure(error);
    }
    inMemory();
    return false;
  }

  async #read(name, request, accept) {
    const stored = this.database ? await done(request(this.database.transaction(name).objectStore(name))) : [];
    const records = new Map(stored.map((record) => [record.id, record]));
    for (const record of this.memory.get(name).values()) if (accept(record)) records.set(record.id, record);
    return [...records.values()];
  }

  put(name, record) {
    const memory = this.memory.get(name);
    return this.#write(
      [name],
      (transaction) => transaction.objectStore(name).put(record),
      () => memory.set(record.id, record),
    ).then((stored) => stored && memory.delete(record.id));
  }

  /** Write a conversation and its messages, all or nothing. */
  async putChat({conversation, messages}) {
    const records = {conversations: [conversation], messages};
    const each = (act) => Object.entries(records).forEach(([name, all]) => all.forEach((record) => act(name, record)));
    await this.#write(
      Object.keys(records),
      (transaction) => each((name, record) => transaction.objectStore(name).put(record)),
      () => each((name, record) => this.memory.get(name).set(record.id, record)),
    );
  }

  /** Write a message only if another tab has neither deleted it nor stored its end. */
  async update(name, record) {
    const memory = this.memory.get(name);
    const put = (transaction, fail) => {
      const store = transaction.objectStore(name);
      const found = store.get(record.id);
      found.onsuccess = () => {
        try {
          if (found.result && (found.result.running || !record.running)) store.put(record);
        } catch (error) {
          fail(error);
        }
      };
    };
    if (memory.has(record.id)) return void memory.set(record.id, record);
    await this.#write([name], put, () => memory.set(record.id, record));
  }

  conversations() {
    return this.#read(
      "conversations",
      (store) => store.getAll(),
      () => true,
    );
  }

  messages(conversation) {
    return this.#read(
      "messages",
      (store) => store.index("conversation").getAll(conversation),
      (record) => record.conversation === conversation,
    );
  }

  runningMessages() {
    return this.#read(
      "messages",
      (store) => store.index("running").getAll(),
      (record) => record.running,
    );
  }

  message(id) {
    return this.#read(
      "messages",
      (store) => store.getAll(id),
      (record) => record.id === id,
    ).then((found) => found[0]);
  }

  allMessages() {
    return this.#read(
      "messages",
      (store) => store.getAll(),
      () => true,
    );
  }

  async deleteConversation(id) {
    const gone = (await this.messages(id)).map((message) => message.id);
    const remove = (transaction) => {
      for (const message of gone) transaction.objectStore("messages").delete(message);
      transaction.objectStore("conversations").delete(id);
    };
    this.memory.get("conversations").delete(id);
    for (const message of gone) this.memory.get("messages").delete(message);
    await this.#write(["conversations", "messages"], remove, () => {});
  }

  async deleteMessages(ids) {
    const remove = (transaction) => ids.forEach((id) => transaction.objectStore("messages").delete(id));
    for (const id of ids) this.memory.get("messages").delete(id);
    await this.#write(["messages"], remove, () => {});
  }

  /** Read all slots and write some of them in one step, so that two tabs cannot take the same one. */
  async changeSlots(change) {
    if (!this.database) return change([]).result;
    let result;
    await this.#transaction(["slots"], (transaction, fail) => {
      const store = transaction.objectStore("slots");
      store.getAll().onsuccess = (event) => {
        try {
          const {put = [], remove = [], result: answer} = change(event.target.result);
          result = answer;
          for (const slot of put) store.put(slot);
          for (const id of remove) store.delete(id);
        } catch (error) {
          fail(error);
        }
      };
    });
    return result;
  }
}
