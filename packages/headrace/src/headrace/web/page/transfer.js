/** Export and import of conversations, as JSON. An import is copied field by field: nothing else of a file is kept. */
import {newId, saveFile} from "./dom.js";
import {newestLeaf, titleOf} from "./conversation.js";

export const FORMAT = "headrace-chats-1";
export const LARGEST = 50; // MB

/** A name for a file that is plain on every system: no path, no control or direction character, no reserved name. */
export const fileName = (title) => {
  const plain = title
    .normalize("NFC")
    .replace(/[^\p{L}\p{N}]+/gu, "-")
    .replace(/^-+|-+$/g, "");
  const short = [...plain].slice(0, 60).join("");
  return `chat-${short || "export"}.json`;
};

/** The text of an export. `chats`: [{conversation, messages}]. */
export const exportText = (chats) =>
  JSON.stringify({format: FORMAT, exported: new Date().toISOString(), chats}, null, 1);

const text = (value) => (typeof value === "string" ? value : "");
const number = (value) => (Number.isFinite(value) ? value : 0);
const list = (value) => (Array.isArray(value) ? value : []);

const completionOf = (value) => ({
  id: null,
  requestId: null,
  lastEventId: "",
  model: text(value?.model) || null,
  created: number(value?.created) || null,
  reasoning: text(value?.reasoning),
  content: text(value?.content),
  finishReason: text(value?.finishReason) || null,
  error: null,
  toolCalls: list(value?.toolCalls).map((call, index) => ({
    index,
    id: text(call?.id),
    name: text(call?.name),
    arguments: text(call?.arguments),
    isDone: true,
  })),
  usage: Number.isFinite(value?.usage?.completion_tokens)
    ? {
        prompt_tokens: number(value.usage.prompt_tokens),
        completion_tokens: number(value.usage.completion_tokens),
        total_tokens: number(value.usage.total_tokens),
      }
    : null,
});

const timingOf = (value) => ({
  sent: number(value?.sent),
  first: number(value?.first),
  answered: number(value?.answered),
  last: number(value?.last),
  count: number(value?.count),
  perGap: number(value?.perGap) || 1,
  gaps: list(value?.gaps).slice(0, 500).map(number),
});

const messageOf = (value, ids, conversation) => {
  const message = {
    id: ids.get(value.id),
    conversation,
    parent: ids.get(value.parent) ?? null,
    created: number(value.created),
    role: value.role,
  };
  if (value.role === "assistant") {
    return {
      ...message,
      completion: completionOf(value.completion),
      timing: timingOf(value.timing),
      state: value.state === "done" ? "done" : "stopped",
    };
  }
  return {
    ...message,
    text: text(value.text),
    ...(value.role === "tool" && {call: text(value.call), name: text(value.name)}),
  };
};

/** Return the chats in the text of an export, with new ids. Throws an Error whose message is the reason. */
export const importChats = (source) => {
  let file;
  try {
    file = JSON.parse(source);
  } catch {
    throw new Error("it is not JSON");
  }
  if (file?.format !== FORMAT || !Array.isArray(file.chats)) throw new Error(`"format" is not "${FORMAT}"`);
  return file.chats.map((chat) => {
    const id = newId();
    const valid = list(chat?.messages).filter(
      (each) => ["user", "assistant", "tool"].includes(each?.role) && typeof each.id === "string",
    );
    const ids = new Map(valid.map((each) => [each.id, newId()]));
    const messages = valid.map((each) => messageOf(each, ids, id));
    const byId = new Map(messages.map((each) => [each.id, each]));
    const {title, created, updated, leaf} = chat?.conversation ?? {};
    return {
      conversation: {
        id,
        title: titleOf(text(title)),
        created: number(created),
        updated: number(updated),
        leaf: ids.get(leaf) ?? newestLeaf(byId, null),
      },
      messages,
    };
  });
};

/** Save conversations of the store as a file of the user. */
export const exportFrom = async (store, conversations) => {
  const chats = [];
  for (const conversation of conversations) {
    const messages = await store.messages(conversation.id);
    chats.push({conversation, messages: messages.sort((one, other) => one.created - other.created)});
  }
  saveFile(fileName(chats.length === 1 ? chats[0].conversation.title : "all"), exportText(chats));
};

/** Store the conversations of an export; return them. */
export const importInto = async (store, source) => {
  const chats = importChats(source);
  for (const chat of chats) await store.putChat(chat);
  return chats.map((chat) => chat.conversation);
};
