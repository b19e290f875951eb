/** Demo tools, which run in the page: the model calls them, and gets their results. */

const tool = (name, description, properties, run) => ({
  definition: {
    type: "function",
    function: {name, description, parameters: {type: "object", properties, required: Object.keys(properties)}},
  },
  run,
});

const WEATHER = ["sunny", "cloudy", "light rain", "windy"];

/** The same place has the same weather all day. */
const weather = ({location = ""}) => {
  const seed = [...`${location}${new Date().toDateString()}`].reduce(
    (sum, character) => (sum * 31 + character.codePointAt(0)) % 9973,
    7,
  );
  return {
    location,
    condition: WEATHER[seed % WEATHER.length],
    temperature_celsius: (seed % 35) - 5,
    source: "made up by the demo tool",
  };
};

/** Numbers, + - * / % ^, brackets, and a few functions; never `eval`. */
export const calculate = (expression) => {
  const tokens = String(expression).match(/\d+(?:\.\d+)?(?:e[+-]?\d+)?|[a-z]+|\S/gi) ?? [];
  let at = 0;
  const take = (token) => tokens[at] === token && ++at > 0;
  const functions = {
    sqrt: Math.sqrt,
    sin: Math.sin,
    cos: Math.cos,
    tan: Math.tan,
    log: Math.log10,
    ln: Math.log,
    abs: Math.abs,
    round: Math.round,
  };
  const atom = () => {
    const token = tokens[at++];
    if (token === "(") {
      const value = sum();
      if (!take(")")) throw new Error("a bracket is not closed");
      return value;
    }
    if (token === "-") return -power();
    if (token === "pi") return Math.PI;
    if (Object.hasOwn(functions, token ?? "")) return functions[token](atom());
    if (!/^\d/.test(token ?? "")) throw new Error(`${token ?? "the end"} is not expected here`);
    return Number(token);
  };
  const power = () => {
    const base = atom();
    return take("^") ? base ** power() : base;
  };
  const product = () => {
    let value = power();
    for (;;) {
      if (take("*")) value *= power();
      else if (take("/")) value /= power();
      else if (take("%")) value %= power();
      else return value;
    }
  };
  const sum = () => {
    let value = product();
    for (;;) {
      if (take("+")) value += product();
      else if (take("-")) value -= product();
      else return value;
    }
  };
  const value = sum();
  if (at < tokens.length) throw new Error(`${tokens[at]} is not expected here`);
  return value;
};

const TOOLS = [
  tool(
    "get_weather",
    "The weather at a place now",
    {location: {type: "string", description: "a city / 城市"}},
    weather,
  ),
  tool(
    "calculator",
    "Compute an arithmetic expression",
    {expression: {type: "string", description: "such as (2+3)*sqrt(16)"}},
    ({expression}) => ({result: calculate(expression)}),
  ),
  tool("clock", "The date and time now", {}, () => ({now: new Date().toString(), unix: Math.floor(Date.now() / 1000)})),
];

export const toolDefinitions = () => TOOLS.map((each) => each.definition);

export const isDemoTool = (name) => TOOLS.some((each) => each.definition.function.name === name);

/** Run a call; return its result as the text for the model. */
export const runTool = (name, parameters) => {
  try {
    return JSON.stringify(TOOLS.find((each) => each.definition.function.name === name).run(parameters ?? {}));
  } catch (error) {
    return JSON.stringify({error: error.message});
  }
};
