// Provider access: what Alibaba Cloud's own people and systems did with what is the customer's, and why they say they did.
import { html } from "../vendor/htm/standalone.module.js";
import { path, useCall } from "./api.js";
import { ApiCall, query, Told } from "./call.js";
import { Chart } from "./charts.js";
import { Nothing } from "./page-overview.js";
import { useRange } from "./range.js";
import { get, link, set } from "./state.js";
import { t } from "./strings.js";
import { number, Safe } from "./text.js";
import { Table } from "./table.js";
import { shown, zoneName } from "./time.js";

const ROWS = 50, PLATFORM = "it_family: platform";
const top = (title, column) => ({
  title, type: "pie", search: { store: "log", query: `${PLATFORM} | select coalesce(${column}, 'unknown') as ${column}, count(1) as events group by 1 order by events desc, 1 limit 12` },
  display: { xAxis: [column], yAxis: ["events"], width: 8, height: 6, displayName: title },
});
const TOPS = [top("reasons", "it_reason"), top("countries", "it_country"), top("operations", "eventName")];

export function Provider({ turn, fields }) {
  const range = useRange(turn, { q: PLATFORM }), at = Math.max(0, Number(get("page")) || 0);
  const url = range && path("/api/provider", { from: range.from, to: range.to, offset: at * ROWS || null, limit: ROWS });
  const call = useCall(url, turn), data = call.data, event = get("event");
  const columns = [
    { key: "time", title: `${t("col.time")} (${zoneName()})`, cell: (row) => html`<time>${shown(row.time_us)}</time>` },
    { key: "class", title: t("provider.class"), cell: (row) => html`<b><${Safe} text=${t(`reason.${row.columns.it_reason}`, {}, row.columns.it_reason ?? "–")} /></b>` },
    { key: "why", title: t("col.reason"), wrap: true, cell: (row) => html`<${Safe} text=${row.columns.EventDescription ?? "–"} most=${200} />` },
    { key: "by", title: t("provider.by"), cell: (row) => (row.by === "person" ? html`<span class="chip warn">${t("provider.person")}</span>` : row.by === "system" ? html`<span class="chip">${t("provider.system")}</span>` : "–") },
    { key: "country", title: t("provider.country"), cell: (row) => html`<${Safe} text=${row.columns.it_country ?? "–"} />` },
    { key: "told", title: t("provider.notified"), cell: (row) => (row.notified === null ? "–" : row.notified ? html`<span class="good">${t("yes")}</span>` : t("no")) },
    { key: "what", title: t("provider.what"), cell: (row) => html`<${Safe} text=${row.columns.eventName} most=${80} />` },
    { key: "where", title: t("provider.resource"), cell: (row) => html`<${Safe} text=${row.columns.it_resource ?? "–"} most=${80} />` },
  ];
  return html`<div class="page"><h1>${t("nav.provider")}</h1><p class="lead">${t("provider.lead")}</p>
    <div class="grid">${TOPS.map((chart) => html`<${Chart} key=${chart.title} chart=${chart} range=${range} turn=${turn} fields=${fields} />`)}</div>
    <section class="card" aria-label=${t("nav.provider")}><p class="count"><b data-test="provider-total">${data ? number(data.total) : "…"}</b> ${t("hist.events")}</p>
      <${Told} call=${call}>${data && html`<${Table} columns=${columns} rows=${data.rows} rowKey=${(row) => row.seq} caption=${t("nav.provider")} test="provider"
        onOpen=${(row) => set({ event: `log:${row.seq}` })} selected=${(row) => event === `log:${row.seq}`} />`}<//>
      ${data?.total === 0 && html`<${Nothing} />`}
      <nav class="pager row" aria-label=${t("search.pages")}><button disabled=${at === 0} onClick=${() => set({ page: at > 1 ? at - 1 : null })}>${t("search.before")}</button><span>${number(at + 1)}</span>
        <button disabled=${!data || (at + 1) * ROWS >= data.total} onClick=${() => set({ page: at + 1 })}>${t("search.after")}</button>
        <a data-own href=${link("search", { q: PLATFORM })}>${t("provider.in_search")}</a></nav>
      <${ApiCall} url=${url} took=${data?.took_ms} cli=${query(PLATFORM)} /></section></div>`;
}
