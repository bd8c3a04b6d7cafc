// Questions to the server. Answers are kept by the browser and asked for again with their ETag.

const TOKEN = "alumet-token";

/** The server's answer was an error, or there was none. */
export class ApiError extends Error {
  constructor(message, code) {
    super(message);
    this.code = code;
  }
}

export const hasToken = () => sessionStorage.getItem(TOKEN) !== null;

/** Keeps the token until this tab is closed; `null` forgets it. */
export function setToken(token) {
  if (token === null) sessionStorage.removeItem(TOKEN);
  else sessionStorage.setItem(TOKEN, token);
}

/** Asks `path` of the API; parameters without value are left out, lists are repeated. */
export async function get(path, parameters, signal) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of [value].flat()) {
      if (one !== undefined && one !== "") query.append(name, one);
    }
  }
  const token = sessionStorage.getItem(TOKEN);
  let answer;
  try {
    answer = await fetch(`api/v1/${path}${query.size > 0 ? `?${query}` : ""}`, {
      headers: { Accept: "application/json", ...(token === null ? {} : { Authorization: `Bearer ${token}` }) },
      cache: "no-cache",
      signal,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The server does not answer. Is it running, and can this machine reach it?", 0);
  }
  const body = await answer.json().catch(() => null);
  if (answer.ok && body !== null) return body;
  throw new ApiError(body?.message ?? `The server answered ${answer.status} ${answer.statusText}.`, answer.status);
}
