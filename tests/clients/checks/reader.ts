/** The types of headrace.js, as a program uses them: the compiler checks this file, and nothing runs it. */
import { Client, Completion, CompletionStream, HeadraceError, PartialJson, SseDecoder } from "headrace";
import type { Event, RunningTurn, StoredCompletion } from "headrace";

const client = new Client({ baseUrl: "http://127.0.0.1:8000/api/paas/v4", apiKey: "any", keepAlive: 8000 });
const stream: CompletionStream = client.stream(
  { model: "glm-4.6", messages: [{ role: "user", content: "Hello" }] },
  { requestId: "greeting-1", linger: 600, signal: new AbortController().signal },
);

function textOf(event: Event): string {
  switch (event.type) {
    case "queued":
      return String(event.position);
    case "prefill":
      return `${event.processed} of ${event.total}`;
    case "reasoning.delta":
    case "content.delta":
      return event.delta;
    case "tool_call.start":
    case "tool_call.arguments.delta":
    case "tool_call.done":
      return `${event.call.index} ${event.call.name}(${JSON.stringify(event.call.parsed)})`;
    case "usage":
      return String(event.usage.total_tokens);
    case "finish":
      return event.reason;
    case "error":
      return `${event.error.code} ${event.error.message}`;
    case "reconnect":
      return `${event.attempt} ${event.delay} ${event.error.message}`;
    case "restart":
      return "";
  }
}

for await (const event of stream) console.log(textOf(event));
const completion: Completion = await stream.final();
const stored: StoredCompletion = JSON.parse(JSON.stringify(completion));
const rest = client.resume(stored.id ?? "greeting-1", { completion: stored });
const turns: RunningTurn[] = await client.turns();
await client.stop(turns[0]?.id ?? "greeting-1");
await rest.stop();
const { role, tool_calls } = new Completion(stored).message;
console.log(role, tool_calls?.[0]?.function.arguments);

try {
  await rest.final();
} catch (error) {
  if (error instanceof HeadraceError) console.log(error.status + 1, error.code, error.retryAfter ?? 0, error.isRetryable);
}
const decoder = new SseDecoder();
for (const { data, event, id } of decoder.feed(new Uint8Array())) console.log(data, event, id, decoder.retry ?? 0);
const partial = new PartialJson();
partial.feed("{");
console.log(partial.value);

// @ts-expect-error an id is text
client.resume(1);
// @ts-expect-error there is no such event
const none: Event = { type: "content", delta: "a" };
