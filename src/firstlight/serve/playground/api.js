// The way to the server: JSON there and back. A problem arrives as a sentence, and where a key is needed it is asked for.

const ROOT = new URL("../v1/", document.baseURI);
const KEY = "firstlight-key";

/** What went wrong, in words that can be shown. */
export class Problem extends Error {
  constructor(detail, status) {
    super(detail);
    this.status = status;
  }
}

/** askForKey: (sentence) -> the key, or null where the person gives none. unreachable: the sentence for no answer. */
export function connect({ askForKey, unreachable }) {
  let asking = null;

  async function call(method, path, body) {
    const answer = await send(method, path, body);
    if (answer.ok) return answer.json();
    const problem = await described(answer);
    if (answer.status !== 401) throw problem;
    // Several calls may be refused at once: the person is asked once.
    asking ??= askForKey(problem.message).finally(() => { asking = null; });
    const key = await asking;
    if (!key) throw problem;
    sessionStorage.setItem(KEY, key);
    return call(method, path, body);
  }

  async function send(method, path, body) {
    const key = sessionStorage.getItem(KEY);
    const headers = { ...(body && { "content-type": "application/json" }), ...(key && { authorization: `Bearer ${key}` }) };
    try {
      return await fetch(new URL(path, ROOT), { method, headers, body: body && JSON.stringify(body) });
    } catch {
      throw new Problem(unreachable(), 0);
    }
  }

  return {
    get: (path) => call("GET", path),
    post: (path, body) => call("POST", path, body),
    put: (path, body) => call("PUT", path, body),
  };
}

/** The command that asks the same on a terminal. The key itself is never in it. */
export function curl(path, body) {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const key = sessionStorage.getItem(KEY) ? ` \\\n  -H "authorization: Bearer $FIRSTLIGHT_KEY"` : "";
  const url = quoted(new URL(path, ROOT).href);
  return `curl -s ${url} \\\n  -H 'content-type: application/json'${key} \\\n  -d ${quoted(JSON.stringify(body))}`;
}

async function described(answer) {
  try {
    const { title, detail } = await answer.json();
    return new Problem(detail || title || `${answer.status}`, answer.status);
  } catch {
    return new Problem(`${answer.status} ${answer.statusText}`, answer.status);
  }
}
