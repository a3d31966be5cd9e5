// Search: the question, when its events were, which values they have, and the events themselves; or the result of SQL.
import { html, useEffect, useState } from "../vendor/htm/standalone.module.js";
import { path, useCall } from "./api.js";
import { ApiCall, query, Told } from "./call.js";
import { QueryBox } from "./complete.js";
import { Fields } from "./fields.js";
import { Histogram } from "./histogram.js";
import { Nothing } from "./page-overview.js";
import { useRange } from "./range.js";
import { get, here, set } from "./state.js";
import { t } from "./strings.js";
import { halves, number, Safe } from "./text.js";
import { Result, Table } from "./table.js";
import { shown, zoneName } from "./time.js";

const ROWS = 50;
export const STORES = ["log", "quarantine", "passthrough", "journal"];
const SHOWN = {
  log: ["it_actor", "eventName", "it_resource", "it_outcome", "it_reason", "sourceIpAddress"], quarantine: ["it_quarantine_reason", "it_quarantine_detail", "it_origin"],
  passthrough: ["__topic__", "it_origin"], journal: ["eventName", "it_actor"],
};
const SAMPLES = ["it_outcome: failure", "it_action: admin", "eventName: Delete*", "it_family: platform", "userIdentity.type: root-account", "* | select it_actor, count(1) as n group by it_actor order by n desc limit 20"];

function Columns({ chosen, columns }) {
  const change = (name, on) => set({ cols: (on ? [...chosen, name] : chosen.filter((c) => c !== name)).join(",") }, { replace: true });
  return html`<details class="columns"><summary data-test="columns">${t("search.columns")}</summary><div class="panel" role="group" aria-label=${t("search.columns")}>
    ${columns.map((c) => html`<label key=${c.name} title=${c.about}><input type="checkbox" checked=${chosen.includes(c.name)} disabled=${chosen.length === 1 && chosen.includes(c.name)}
      onChange=${(e) => change(c.name, e.target.checked)} /> ${c.name}</label>`)}</div></details>`;
}

function List({ q, range, store, turn, columns, total, done }) {
  const offset = Math.max(0, Number(get("page")) || 0) * ROWS, order = get("order", "new");
  const chosen = get("cols") ? get("cols").split(",").filter((name) => columns.some((c) => c.name === name)) : SHOWN[store];
  const url = range && chosen.length ? path("/api/search", { q: halves(q)[0] || "*", from: range.from, to: range.to, store: store === "log" ? null : store, offset: offset || null, limit: ROWS, order: order === "new" ? null : order, columns: chosen.join(",") }) : null;
  const call = useCall(url, turn), rows = call.data?.rows || [], event = get("event");
  useEffect(() => { if (url && call.url === url) done(); }, [url, call.url, range]);
  const list = [
    { key: "time", title: `${t("col.time")} (${zoneName()})`, cell: (row) => html`<time>${shown(row.time_us)}</time>` },
    ...chosen.map((name) => ({ key: name, title: name, cell: (row) => (row.columns[name] === undefined ? html`<span class="null">·</span>` : html`<span class=${name === "it_outcome" ? `outcome-${row.columns[name]}` : ""}><${Safe} text=${row.columns[name]} most=${120} /></span>`) })),
  ];
  const at = offset / ROWS, more = total === undefined ? rows.length === ROWS : offset + rows.length < total;
  return html`<section class="card" aria-label=${t("search.list")}><div class="row spread">
      <p class="hint">${rows.length ? t("search.rows", { from: number(offset + 1), to: number(offset + rows.length), total: total === undefined ? "…" : number(total) }) : ""}</p>
      <div class="row"><button class="small" onClick=${() => set({ order: order === "new" ? "old" : null, page: null })} data-test="order">${order === "new" ? t("search.newest") : t("search.oldest")}</button>
        <${Columns} chosen=${chosen} columns=${columns} /></div></div>
    <${Told} call=${call}><${Table} columns=${list} rows=${rows} rowKey=${(row) => row.seq} caption=${t("search.list")} test="rows"
      onOpen=${(row) => set({ event: `${store}:${row.seq}` })} selected=${(row) => event === `${store}:${row.seq}`} /><//>
    <nav class="pager row" aria-label=${t("search.pages")}><button disabled=${at === 0} onClick=${() => set({ page: at > 1 ? at - 1 : null })}>${t("search.before")}</button>
      <span>${number(at + 1)}</span><button disabled=${!more} onClick=${() => set({ page: at + 1 })} data-test="next">${t("search.after")}</button></nav>
    <${ApiCall} url=${url} took=${call.data?.took_ms} cli=${query(halves(q)[0] || "*", store)} /></section>`;
}

export function Search({ turn, refresh, columns }) {
  const q = get("q", "*") || "*", store = STORES.includes(get("store")) ? get("store") : "log", [search, sql] = halves(q);
  const range = useRange(turn, { store: store === "log" ? null : store });
  const of = { from: range?.from, to: range?.to, store: store === "log" ? null : store };
  const pieces = { q: search || "*", ...of, buckets: 80 }, url = range && path("/api/histogram", pieces), counts = useCall(url, turn);
  // The list and the counts first; what has to look at every event waits for them.
  const [listed, tell] = useState(null), calm = range && listed === url && (counts.url === url);
  const failedUrl = calm && store === "log" ? path("/api/histogram", { ...pieces, failures: 1 }) : null, failed = useCall(failedUrl, turn);
  const tableUrl = range && sql ? path("/api/table", { q, ...of }) : null, table = useCall(tableUrl, turn);
  const submit = (text) => { if (text === q) refresh(); else set({ q: text || null, page: null, event: null }); };
  return html`<div class="page"><h1 class="sr">${t("nav.search")}</h1>
    <div class="row ask"><label class="store"><span class="sr">${t("search.store")}</span><select value=${store} onChange=${(e) => set({ store: e.target.value === "log" ? null : e.target.value, page: null, event: null, cols: null, open: null })} data-test="store">
        ${STORES.map((name) => html`<option value=${name} selected=${name === store}>${t(`store.${name}`)}</option>`)}</select></label>
      <${QueryBox} value=${q} columns=${columns} submit=${submit} /></div>
    ${q === "*" && store === "log" && html`<p class="samples"><span>${t("search.samples")}</span> ${SAMPLES.map((text) => html`<a data-own href=${here({ q: text, page: null })}><code>${text}</code></a> `)}</p>`}
    <div class="card"><${Told} call=${counts}>${counts.data && html`<${Histogram} data=${counts.data} parts=${store === "log"} failed=${failed.url === failedUrl ? failed.data : null} />`}<//>
      ${counts.data?.total === 0 && html`<${Nothing} />`}
      <${ApiCall} url=${url} took=${counts.data?.took_ms} cli=${query(`${search || "*"} | select count(1)`, store)} /></div>
    ${tableUrl && html`<section class="card" aria-label=${t("search.result")}><h2>${t("search.result")}</h2><${Told} call=${table}>${table.data && html`<${Result} data=${table.data} caption=${t("search.result")} test="result" />
      ${table.data.cut && html`<p class="hint">${t("cut", { n: number(table.data.rows.length) })}</p>`}`}<//>
      <${ApiCall} url=${tableUrl} took=${table.data?.took_ms} cli=${query(q, store)} /></section>`}
    <div class="beside"><${Fields} q=${q} range=${calm ? range : null} store=${store} turn=${turn} columns=${columns} />
      <${List} q=${q} range=${range} store=${store} turn=${turn} columns=${columns} total=${counts.data?.complete ? counts.data.total : undefined} done=${() => tell(url)} /></div></div>`;
}
