// `client`: npm's openai.
import assert from "node:assert/strict";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

const POEM = [{ role: "user", content: "Write a poem about spring" }];
const ask = (options) =>
  client.chat.completions.create({ model: "glm-4.6", messages: POEM, temperature: 0, ...options });

const whole = await ask({});
const stream = client.chat.completions.stream({ model: "glm-4.6", messages: POEM, temperature: 0 });
assert.equal(await stream.finalContent(), whole.choices[0].message.content);

const limited = await ask({ max_completion_tokens: 5 });
assert.equal(limited.choices[0].finish_reason, "length");
assert.equal(limited.usage.completion_tokens, 5);

const asked = [];
const parameters = {
  type: "object",
  properties: { location: { type: "string", description: "城市" } },
  required: ["location"],
};
const get_weather = ({ location }) => (asked.push(location), "晴，20°C");
for (const tool_stream of [false, true]) {
  const runner = client.chat.completions.runTools({
    model: "glm-4.6",
    messages: [{ role: "user", content: "北京天气怎么样" }],
    temperature: 0,
    stream: true,
    tool_stream,
    tools: [{ type: "function", function: { name: "get_weather", parameters, parse: JSON.parse, function: get_weather } }],
  });
  assert.ok(await runner.finalContent());
}
assert.equal(asked.length, 2);

const Season = z.object({ name: z.enum(["spring", "summer"]), warm: z.boolean() });
const parsed = await client.chat.completions.parse({
  model: "glm-4.6",
  messages: [{ role: "user", content: "Which season is it?" }],
  temperature: 0,
  thinking: { type: "disabled" },
  response_format: zodResponseFormat(Season, "season"),
});
Season.parse(parsed.choices[0].message.parsed);

await assert.rejects(ask({ messages: [{ role: "user", content: "spring ".repeat(5000) }] }), (error) => {
  assert.deepEqual([error.code, error.type], ["1261", "invalid_request_error"]);
  assert.ok(error.requestID);
  return true;
});
await assert.rejects(ask({ model: "x" }), /not served here/);
await assert.rejects(client.withOptions({ apiKey: "wrong.key" }).models.list(), OpenAI.AuthenticationError);
await assert.rejects(async () => {
  for await (const _ of await ask({ model: "failing", stream: true }));
}, /the GPU is gone/);
