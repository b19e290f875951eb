/**
 * A conversation is a tree of messages: editing a question, or generating an answer again, adds a branch.
 *
 * Messages: `{id, conversation, parent, created, role}` and, by role, `text`, or `call`, `name` and `text` of a tool's
 * result, or `completion`, `state`, `request` and `timing` of an answer.
 */

const byAge = (one, other) => one.created - other.created || (one.id < other.id ? -1 : 1);

export const childrenOf = (messages, parent) =>
  [...messages.values()].filter((each) => each.parent === parent).sort(byAge);

/** The messages from the first one to `leaf`. */
export const pathTo = (messages, leaf) => {
  const path = [];
  const seen = new Set();
  for (let at = messages.get(leaf); at && !seen.has(at.id); at = messages.get(at.parent)) {
    seen.add(at.id);
    path.unshift(at);
  }
  return path;
};

/** The last message of the newest branch below `id`; of the whole tree if `id` is null. */
export const newestLeaf = (messages, id) => {
  let leaf = id;
  for (let children; (children = childrenOf(messages, leaf)).length;) leaf = children.at(-1).id;
  return leaf;
};

/** `id` and all messages below it. */
export const branchOf = (messages, id) => [
  id,
  ...childrenOf(messages, id).flatMap((child) => branchOf(messages, child.id)),
];

/** The messages of a request, from those of a path. */
export const requestMessages = (path, system) => {
  const sent = system ? [{role: "system", content: system}] : [];
  for (const message of path) {
    if (message.role === "assistant") {
      const {content, reasoning, toolCalls} = message.completion;
      const calls = toolCalls.map((call) => ({
        id: call.id,
        type: "function",
        function: {name: call.name, arguments: call.arguments},
      }));
      const isEmpty = !content && !calls.length;
      if (!isEmpty)
        sent.push({
          role: "assistant",
          content,
          ...(reasoning && {reasoning_content: reasoning}),
          ...(calls.length && {tool_calls: calls}),
        });
    } else if (message.role === "tool") sent.push({role: "tool", tool_call_id: message.call, content: message.text});
    else sent.push({role: "user", content: message.text});
  }
  return sent;
};

export const titleOf = (text) => text.trim().replace(/\s+/g, " ").slice(0, 80) || "…";
