/** What went wrong, as a sentence. `status` is 0, and `code` is "", unless the server has sent them. */
export class HeadraceError extends Error {
  /** @param {string} message */
  constructor(message, {status = 0, code = "", retryAfter = null, isRetryable = false, cause} = {}) {
    super(message, {cause});
    this.name = "HeadraceError";
    Object.assign(this, {status, code, retryAfter, isRetryable});
  }
}

/** Return the error of a response that is not the expected one. */
export async function responseError(response, {text, isRetryable = mayPass(response.status)} = {}) {
  const {status, url} = response;
  text ??= await response.text().catch(() => "");
  const options = {status, retryAfter: retryAfter(response), isRetryable};
  try {
    const {message, code} = JSON.parse(text).error;
    if (message) return new HeadraceError(String(message), {...options, code: String(code ?? "")});
  } catch {
    // It is not the server's own: a proxy's, for example.
  }
  const type = response.headers.get("content-type") ?? "no content type";
  const title = /<title[^>]*>([^<]*)/i.exec(text)?.[1] ?? text.slice(0, 200);
  const sentence = `${url || "the server"} responded with status ${status} and ${type}, which is not an answer`;
  return new HeadraceError(`${sentence} of Headrace: ${title.replace(/\s+/g, " ").trim() || "(empty)"}`, options);
}

/** Return the seconds of `Retry-After`, which is a number or a date; null if there is none. */
function retryAfter(response) {
  const text = response.headers.get("retry-after");
  if (!text) return null;
  const seconds = /^\s*\d+(\.\d+)?\s*$/.test(text) ? Number(text) : (Date.parse(text) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : null;
}

function mayPass(status) {
  return [408, 409, 425, 429].includes(status) || status >= 500;
}
