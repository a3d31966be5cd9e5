// The side bar: the most frequent values of fields under the question, each a filter. Closed fields ask nothing.
import { html } from "../vendor/htm/standalone.module.js";
import { path, useCall } from "./api.js";
import { ApiCall, Told } from "./call.js";
import { get, set } from "./state.js";
import { t } from "./strings.js";
import { narrowed, number, plain, Safe } from "./text.js";

const LOG = ["it_actor", "eventName", "it_resource", "it_outcome", "it_reason", "it_action", "it_family", "sourceIpAddress", "userIdentity.type", "userIdentity.accessKeyId", "userAgent", "acsRegion", "it_country"];
export const FIELDS = {
  log: LOG, quarantine: ["it_quarantine_reason", "it_origin", "eventName"], passthrough: ["__topic__", "it_origin"], journal: ["eventName", "it_actor"],
};
const OPEN = { log: ["it_actor", "eventName", "it_outcome"], quarantine: ["it_quarantine_reason"], passthrough: ["__topic__"], journal: ["eventName"] };

// Which fields are open, as the address says: `-` is none.
function open(store) {
  const given = get("open");
  return given ? given.split(",").filter((name) => name !== "-") : OPEN[store];
}

function Values({ field, q, range, store, turn }) {
  const url = range && path("/api/fields", { field, q, from: range.from, to: range.to, store: store === "log" ? null : store });
  const call = useCall(url, turn), values = call.data?.values || [], most = Math.max(...values.map((v) => v.count), 1);
  const pick = (value, exclude) => set({ q: narrowed(q, field, value, exclude), page: null, event: null });
  return html`<${Told} call=${call}><ul class="values">${values.map(({ value, count }) => html`<li key=${value}>
      <button class="value" onClick=${(e) => pick(value, e.altKey)} title=${t("field.filter")} data-test=${`value-${field}`}>
        <i class="bar" aria-hidden="true" style=${{ width: `${(100 * count) / most}%` }}></i><span><span class="sr">${t("field.filter")}: ${field} = </span><${Safe} text=${value} most=${60} /></span><b>${number(count)}</b></button>
      <button class="small exclude" onClick=${() => pick(value, true)} title=${t("field.exclude")} aria-label=${`${t("field.exclude")}: ${field} = ${plain(value ?? "NULL")}`} data-test=${`exclude-${field}`}>−</button></li>`)}
      ${values.length === 0 && html`<li class="hint">${t("table.none")}</li>`}</ul>
    <${ApiCall} url=${url} took=${call.data?.took_ms} /><//>`;
}

export function Fields({ q, range, store, turn, columns }) {
  const opened = open(store);
  const about = (name) => columns.find((c) => c.name === name)?.about;
  const turnOne = (field) => {
    const next = opened.includes(field) ? opened.filter((name) => name !== field) : [...opened, field];
    set({ open: next.join(",") || "-" }, { replace: true });
  };
  return html`<aside class="fields card" aria-label=${t("field.title")}><h2>${t("field.title")}</h2>
    ${FIELDS[store].map((field) => html`<section key=${field}><h3><button aria-expanded=${opened.includes(field)} onClick=${() => turnOne(field)} title=${about(field)} data-test=${`field-${field}`}>${field}</button></h3>
      ${opened.includes(field) && html`<${Values} field=${field} q=${q} range=${range} store=${store} turn=${turn} />`}</section>`)}
  </aside>`;
}
