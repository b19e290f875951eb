// npm's @openai/agents, unchanged, with its default model: OpenAI's Responses at OPENAI_BASE_URL.
import assert from "node:assert/strict";
import { Agent, run, setTracingDisabled, tool } from "@openai/agents";
import { z } from "zod";

setTracingDisabled(true);
const asked = [];
const getWeather = tool({
  name: "get_weather",
  description: "The weather of a place.",
  parameters: z.object({ location: z.string() }),
  execute: ({ location }) => {
    asked.push(location);
    return "sunny";
  },
});
const agent = (options) => new Agent({ name: "Helper", model: "glm-4.6", instructions: "Be brief.", ...options });
const stream = async (...args) => {
  const result = await run(args[0], args[1], { stream: true });
  for await (const _ of result);
  await result.completed;
  return result;
};

for (const go of [run, stream]) {
  assert.equal((await go(agent(), "Hello")).finalOutput, "Hi there.");
  asked.length = 0;
  const answer = await go(agent({ tools: [getWeather] }), "Weather?");
  assert.equal(answer.finalOutput, "It is sunny.");
  assert.deepEqual(asked, ["Berlin"]);
  const again = await go(agent(), [...answer.history, { role: "user", content: "Thanks" }]);
  assert.equal(again.finalOutput, "Hi there.");
}
console.log("complete\nstreamed\ntools");
const parsed = await run(agent({ outputType: z.object({ name: z.string() }) }), "Which city?");
assert.deepEqual(parsed.finalOutput, { name: "Berlin" });
console.log("structured output");
await assert.rejects(run(agent({ model: "gpt-5.5" }), "Hello"), /gpt-5.5/);
await assert.rejects(stream(agent({ model: "failing" }), "Hello"));
console.log("errors");
