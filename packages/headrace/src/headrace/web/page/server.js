/** The server's models, and a client with the user's key. */
import {Client, HeadraceError} from "../headrace.js";
import {settings} from "./settings.js";

const BASE = new URL("api/paas/v4", document.baseURI).pathname;

export const newClient = () => new Client({baseUrl: BASE, apiKey: settings.apiKey.trim()});

/** Return the list of models. Throws a HeadraceError. */
export const readModels = async () => {
  const headers = settings.apiKey.trim() ? {Authorization: `Bearer ${settings.apiKey.trim()}`} : {};
  let response;
  try {
    response = await fetch(`${BASE}/models`, {headers, cache: "no-store"});
  } catch (cause) {
    throw new HeadraceError(String(cause.message), {cause});
  }
  const body = await response.json().catch(() => null);
  if (!response.ok || !Array.isArray(body?.data))
    throw new HeadraceError(body?.error?.message ?? `${BASE}/models: ${response.status}`, {status: response.status});
  return body.data;
};
