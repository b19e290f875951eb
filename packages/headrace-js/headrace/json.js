/** Return the value of JSON text; undefined if it is not JSON. */
export function parsed(json) {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

