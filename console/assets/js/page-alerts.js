// Alerts: what fired and what was resolved, as the journal has it, and the rules with what to do.
import { html } from "../vendor/htm/standalone.module.js";
import { path, useCall } from "./api.js";
import { ApiCall, command, Told } from "./call.js";
import { useRange } from "./range.js";
import { get, link, set } from "./state.js";
import { t } from "./strings.js";
import { number, Safe } from "./text.js";
import { Table } from "./table.js";
import { rfc3339, zoneName } from "./time.js";

const ROWS = 100;

const Level = ({ level }) => html`<span class=${`chip level-${level}`}>${t(`level.${level}`, {}, level ?? "–")}</span>`;

function Fired({ entries, rules }) {
  const resolved = new Map(entries.filter((e) => e.kind === "alert_resolved").map((e) => [e.alert, e]));
  const fired = entries.filter((e) => e.kind === "alert_fired"), alone = entries.filter((e) => e.kind === "alert_resolved" && !fired.some((f) => f.alert === e.alert));
  const columns = [
    { key: "time", title: `${t("col.time")} (${zoneName()})`, cell: (row) => html`<${Safe} text=${rfc3339(row.event_time ?? row.time)} />` },
    { key: "level", title: t("alerts.level"), cell: (row) => html`<${Level} level=${row.level} />` },
    { key: "title", title: t("alerts.alert"), wrap: true, cell: (row) => html`<b><${Safe} text=${row.title ?? row.rule} /></b> <small><a href=${`#rule-${row.rule}`}><${Safe} text=${row.rule} /></a></small>` },
    { key: "who", title: t("alerts.who"), cell: (row) => html`<${Safe} text=${row.actor ?? row.key ?? "–"} />` },
    { key: "what", title: t("provider.what"), cell: (row) => html`<${Safe} text=${row.event_name ?? "–"} />` },
    { key: "where", title: t("provider.resource"), cell: (row) => html`<${Safe} text=${row.resource ?? "–"} />` },
    { key: "state", title: t("col.state"), cell: (row) => (row.kind === "alert_resolved" || resolved.has(row.alert) ? html`<span class="good">${t("alerts.resolved")}</span> <${Safe} text=${(resolved.get(row.alert) ?? row).why ?? ""} />` : t("alerts.told")) },
    { key: "remedy", title: t("alerts.remedy"), wrap: true, cell: (row) => html`<${Safe} text=${rules.get(row.rule)?.remedy ?? "–"} />` },
    { key: "open", title: html`<span class="sr">${t("open")}</span>`, cell: (row) => (row.seq === undefined ? null : html`<button class="small" onClick=${() => set({ event: `${row.store ?? "log"}:${row.seq}` })}>#${number(row.seq)}</button>`) },
  ];
  return html`<${Table} columns=${columns} rows=${[...fired, ...alone]} rowKey=${(row) => row.journal_seq} caption=${t("nav.alerts")} test="alerts" />`;
}

const LEVELS = ["critical", "high", "medium", "low", "informational"];

function Rules({ rules }) {
  const sorted = [...rules].sort((a, b) => LEVELS.indexOf(a.level) - LEVELS.indexOf(b.level) || a.name.localeCompare(b.name));
  const columns = [
    { key: "level", title: t("alerts.level"), cell: (rule) => html`<${Level} level=${rule.level} />` },
    { key: "title", title: t("alerts.rule"), wrap: true, cell: (rule) => html`<div id=${`rule-${rule.name}`}><b>${rule.title}</b><br /><code>${rule.name}</code></div>` },
    { key: "what", title: t("alerts.what"), wrap: true, cell: (rule) => rule.description },
    { key: "remedy", title: t("alerts.remedy"), wrap: true, cell: (rule) => rule.remedy },
    { key: "harmless", title: t("alerts.harmless"), wrap: true, cell: (rule) => html`<ul class="plain">${(rule.falsepositives || []).map((text) => html`<li>${text}</li>`)}</ul>` },
  ];
  return html`<${Table} columns=${columns} rows=${sorted} rowKey=${(rule) => rule.name} caption=${t("alerts.rules")} test="rules" />`;
}

export function Alerts({ turn }) {
  const range = useRange(turn, { store: "journal" }), at = Math.max(0, Number(get("page")) || 0);
  const url = range && path("/api/alerts", { from: range.from, to: range.to, offset: at * ROWS || null, limit: ROWS }), call = useCall(url, turn), data = call.data;
  const rules = new Map((data?.rules || []).map((rule) => [rule.name, rule]));
  return html`<div class="page"><h1>${t("nav.alerts")}</h1><${Told} call=${call}>${data && html`
    <section class="card" aria-label=${t("alerts.fired")}><h2>${t("alerts.fired")} <small>${number(data.total)}</small></h2>
      ${data.total ? html`<${Fired} entries=${data.entries} rules=${rules} />` : html`<p class="hint" data-test="no-alerts">${t("alerts.none")} <a data-own href=${link("alerts", { from: "all", to: null })}>${t("range.show_all")}</a></p><code class="wrap">${command("alerts backtest")}</code>`}
      ${data.total > ROWS && html`<nav class="pager row" aria-label=${t("search.pages")}><button disabled=${at === 0} onClick=${() => set({ page: at > 1 ? at - 1 : null })}>${t("search.before")}</button><span>${number(at + 1)}</span>
        <button disabled=${(at + 1) * ROWS >= data.total} onClick=${() => set({ page: at + 1 })}>${t("search.after")}</button></nav>`}</section>
    <section class="card" aria-label=${t("alerts.rules")}><h2>${t("alerts.rules")} <small>${number(data.rules.length)}</small></h2><${Rules} rules=${data.rules} /></section>`}<//>
    <${ApiCall} url=${url} cli="innertrail alerts list" /></div>`;
}
