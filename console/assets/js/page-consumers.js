// Consumers: who reads the Logstore, and how far each has come.
import { html } from "../vendor/htm/standalone.module.js";
import { useCall } from "./api.js";
import { ApiCall, command, Told } from "./call.js";
import { t } from "./strings.js";
import { bytes, number, Safe } from "./text.js";
import { Table } from "./table.js";
import { shown, zoneName } from "./time.js";

const time = (us) => (us ? html`<time>${shown(us)}</time>` : "–");

function Sinks({ sinks }) {
  const rows = Object.entries(sinks || {}).map(([name, sink]) => ({ name, ...sink }));
  const columns = [
    { key: "name", title: t("col.sink") },
    { key: "state", title: t("col.state"), wrap: true, cell: (row) => html`<${Safe} text=${row.state} /> <small class="bad"><${Safe} text=${row.why ?? ""} /></small>` },
    { key: "position", title: t("col.position"), number: true, cell: (row) => `#${number(row.position)}` },
    { key: "behind", title: t("col.behind"), number: true, cell: (row) => html`<span class=${row.behind ? "warn" : "good"}>${number(row.behind)}</span>` },
    { key: "sent", title: t("consumers.sent"), number: true, cell: (row) => number(row.sent) },
    { key: "sent_bytes", title: t("col.bytes"), number: true, cell: (row) => bytes(row.sent_bytes) },
    { key: "retried", title: t("consumers.retried"), number: true, cell: (row) => number(row.retried) },
    { key: "parked", title: t("consumers.parked"), number: true, cell: (row) => number(row.parked) },
    { key: "missed", title: t("consumers.missed"), number: true, cell: (row) => number(row.missed) },
    { key: "last", title: `${t("consumers.answer")} (${zoneName()})`, cell: (row) => time(row.last_answer_us) },
  ];
  return html`<${Table} columns=${columns} rows=${rows} caption=${t("integrity.sinks")} test="sinks" />`;
}

function Own({ groups }) {
  const columns = [
    { key: "name", title: t("consumers.group"), cell: (row) => html`<${Safe} text=${row.name} />` },
    { key: "store", title: t("search.store"), cell: (row) => t(`store.${row.store}`, {}, row.store ?? "–") },
    { key: "position", title: t("col.position"), number: true, cell: (row) => (row.position === null || row.position === undefined ? "–" : `#${number(row.position)}`) },
    { key: "behind", title: t("col.behind"), number: true, cell: (row) => number(row.behind) },
    { key: "consumer", title: t("consumers.consumer"), cell: (row) => html`<${Safe} text=${row.consumer ?? row.why ?? "–"} />` },
    { key: "updated", title: `${t("consumers.updated")} (${zoneName()})`, cell: (row) => time(row.updated_us) },
  ];
  return html`<${Table} columns=${columns} rows=${groups} caption=${t("consumers.own")} test="groups" />`;
}

function Api({ groups }) {
  const rows = groups.flatMap((group) => {
    const shards = Object.entries(group.checkpoints || {});
    return shards.length ? shards.map(([shard, at]) => ({ group, shard, at })) : [{ group, shard: "–", at: {} }];
  });
  const columns = [
    { key: "name", title: t("consumers.group"), cell: (row) => html`<${Safe} text=${row.group.name} />` },
    { key: "store", title: t("search.store"), cell: (row) => t(`store.${row.group.store}`, {}, row.group.store) },
    { key: "shard", title: t("consumers.shard"), cell: (row) => row.shard },
    { key: "cursor", title: t("consumers.cursor"), cell: (row) => html`<code><${Safe} text=${row.at.cursor ?? row.group.why ?? "–"} /></code>` },
    { key: "consumer", title: t("consumers.consumer"), cell: (row) => html`<${Safe} text=${row.at.consumer || "–"} />` },
    { key: "updated", title: `${t("consumers.updated")} (${zoneName()})`, cell: (row) => time(row.at.updated_us) },
  ];
  return html`<${Table} columns=${columns} rows=${rows} caption=${t("consumers.api")} test="api-groups" />`;
}

export function Consumers({ turn }) {
  const call = useCall("/api/consumers", turn), data = call.data;
  return html`<div class="page"><h1>${t("nav.consumers")}</h1><${Told} call=${call}>${data && html`
    <section class="card" aria-label=${t("integrity.sinks")}><h2>${t("integrity.sinks")}</h2><p class="hint">${t("consumers.newest", { n: number(data.records) })}</p><${Sinks} sinks=${data.sinks} /></section>
    <section class="card" aria-label=${t("consumers.own")}><h2>${t("consumers.own")}</h2><${Own} groups=${data.groups.own} /></section>
    <section class="card" aria-label=${t("consumers.api")}><h2>${t("consumers.api")}</h2><${Api} groups=${data.groups.api} /></section>
    ${data.mirror && html`<section class="card" aria-label=${t("consumers.mirror")}><h2>${t("consumers.mirror")}</h2><dl class="facts">${Object.entries(data.mirror).filter(([, value]) => value !== null).map(([name, value]) => html`
      <div><dt>${name}</dt><dd><${Safe} text=${typeof value === "object" ? JSON.stringify(value) : value} /></dd></div>`)}</dl></section>`}`}<//>
    <${ApiCall} url="/api/consumers" cli=${command("status")} /></div>`;
}
