// What stands under each widget: the call that it shows, to be copied. It must never hold a token.
import { html, useState } from "../vendor/htm/standalone.module.js";
import { t } from "./strings.js";

const shell = (text) => `'${String(text).replaceAll("'", "'\\''")}'`;
let folder = "innertrail-data";
export const dataDir = (name) => { if (name) folder = name; };

// The command line that asks the same, over all time: `query` takes its range from the question.
export const query = (question, store = "log") =>
  `innertrail query --data-dir ${shell(folder)}${store === "log" ? "" : ` --store ${store}`} ${shell(question)}`;
export const command = (words) => `innertrail ${words} --data-dir ${shell(folder)}`;

export function ApiCall({ url, cli, took }) {
  const [done, tell] = useState("");
  if (!url) return null;
  const curl = `curl -s ${shell(location.origin + url)}`;
  const copy = async (text, what) => {
    try {
      await navigator.clipboard.writeText(text);
      tell(t("call.copied", { what }));
    } catch {
      tell(t("call.cannot"));
    }
  };
  return html`<details class="call"><summary>API${took !== undefined && took !== null ? html` <span class="took">${took} ms</span>` : null}</summary>
    <code class="wrap" data-test="call">GET ${url}</code>
    <div class="row"><button onClick=${() => copy(curl, "curl")}>${t("call.curl")}</button>
      ${cli && html`<button onClick=${() => copy(cli, "CLI")}>${t("call.cli")}</button>`}
      <span role="status" class="hint">${done}</span></div>
  </details>`;
}

// An error as its sender said it, or that something is on its way.
export function Told({ call, children }) {
  if (call.error) return html`<p class="bad" role="alert"><b>${call.error.code || t("error")}</b> ${call.error.message}</p>`;
  if (!call.data) return html`<p class="hint wait" aria-busy="true">${t("loading")}</p>`;
  return children;
}
