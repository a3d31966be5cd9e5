// Calls of this console, one a widget. They must never go anywhere but to where the page came from.
import { useEffect, useState } from "../vendor/htm/standalone.module.js";

// Questions with SQL at a time: a browser has six connections, and lists, histograms and the trust bar must not wait behind a wall of charts.
const AT_ONCE = 3;
let running = 0;
const waiting = [];

export const path = (call, parameters = {}) => {
  const given = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return text ? `${call}?${text}` : call;
};

async function slot(signal) {
  if (running < AT_ONCE) { running += 1; return; }
  await new Promise((go) => { waiting.push(go); });
  if (signal?.aborted) { release(); throw new DOMException("aborted", "AbortError"); }
}

function release() {
  const next = waiting.shift();
  if (next) next();
  else running -= 1;
}

export class Refused extends Error {
  constructor(status, code, message) { super(message); this.status = status; this.code = code; }
}

export async function ask(url, { method = "GET", body, signal } = {}) {
  const dear = /^\/api\/(table|fields)/.test(url);
  if (dear) await slot(signal);
  try {
    const sent = await fetch(url, { method, body: body && JSON.stringify(body), signal, headers: body ? { "content-type": "application/json" } : {} });
    const told = await sent.json().catch(() => ({}));
    if (sent.ok) return told;
    if (sent.status === 401 && url !== "/api/login") dispatchEvent(new Event("wants-login"));
    throw new Refused(sent.status, told.error || "failed", told.message || `HTTP ${sent.status}`);
  } finally {
    if (dear) release();
  }
}

// What a call answers, asked again when its address changes or at every turn. Null: nothing is asked. What came last stays while the next
// answer is on its way.
export function useCall(url, turn = 0) {
  const [told, tell] = useState({ url: null, data: null, error: null, loading: true });
  useEffect(() => {
    if (!url) return undefined;
    const stop = new AbortController();
    tell((last) => ({ ...last, loading: true }));
    ask(url, { signal: stop.signal }).then(
      (data) => { if (!stop.signal.aborted) tell({ url, data, error: null, loading: false }); },
      (error) => { if (!stop.signal.aborted && error.name !== "AbortError") tell({ url, data: null, error, loading: false }); },
    );
    return () => stop.abort();
  }, [url, turn]);
  return told;
}
