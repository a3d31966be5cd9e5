// Integrity: what is sealed, what was verified, what is missing, and how the Logstore stands. Its anchors are what the trust bar leads to.
import { html, useEffect, useState } from "../vendor/htm/standalone.module.js";
import { ask, useCall } from "./api.js";
import { verified } from "./bar.js";
import { ApiCall, command, Told } from "./call.js";
import { link } from "./state.js";
import { t } from "./strings.js";
import { bytes, number, Safe } from "./text.js";
import { Table } from "./table.js";
import { ago, rfc3339, zoneName } from "./time.js";

const WAIT = 700;

function Facts({ pairs }) {
  return html`<dl class="facts">${pairs.filter(([, value]) => value !== undefined && value !== null).map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

function Verify({ told, again }) {
  const [words, how] = verified(told), [error, fail] = useState(null), way = told.under_way, last = told.last;
  useEffect(() => {
    if (!way) return undefined;
    const later = setTimeout(again, WAIT);
    return () => clearTimeout(later);
  });
  // The bar looks again at once.
  useEffect(() => { dispatchEvent(new Event("trust-changed")); }, [last?.time_us]);
  const begin = () => ask("/api/verify", { method: "POST" }).then(() => { fail(null); again(); }, fail);
  return html`<section class="card" id="verify" aria-label=${t("trust.verified")}><div class="row spread"><h2>${t("trust.verified")}</h2>
      <button class="main" onClick=${begin} disabled=${Boolean(way)} data-test="verify">${way ? t("verify.under_way") : t("verify.go")}</button></div>
    ${way && html`<progress max=${way.bytes_total || 1} value=${way.bytes_done} aria-label=${t("verify.under_way")}></progress>`}
    <p class=${how} role="status" data-test="verify-said">${words}</p>
    ${error && html`<p class="bad" role="alert">${error.message}</p>`}
    ${last?.why && html`<p class="bad"><${Safe} text=${last.why} /></p>`}
    ${last?.findings?.length > 0 && html`<${Table} caption=${t("verify.findings")} rows=${last.findings} columns=${[{ key: "kind", title: t("col.kind") }, { key: "path", title: t("col.file") }, { key: "detail", title: t("col.detail") }]} />`}
    <p class="hint">${t("verify.own_key")}</p><code class="wrap">${command("verify")}</code></section>`;
}

function Sources({ sources, paused }) {
  const rows = Object.entries(sources || {}).map(([name, source]) => ({ name, source, pause: paused?.[name] }));
  const columns = [
    { key: "name", title: t("col.source") },
    { key: "state", title: t("col.state"), cell: ({ source, pause }) => (pause ? html`<span class="bad">${pause.cause}: <${Safe} text=${pause.why} /></span>` : html`<${Safe} text=${source.state?.state ?? "–"} />`) },
    { key: "lag", title: t("trust.lag"), number: true, cell: ({ source }) => ago(source.lag_seconds) },
    { key: "newest", title: t("col.newest"), cell: ({ source }) => (source.newest_event ? rfc3339(source.newest_event) : "–") },
    { key: "records", title: t("col.records"), number: true, cell: ({ source }) => number(source.records) },
    { key: "bytes", title: t("col.bytes"), number: true, cell: ({ source }) => bytes(source.bytes_in) },
  ];
  return html`<${Table} columns=${columns} rows=${rows} caption=${t("integrity.sources")} />`;
}

export function Journal({ entries, caption, test }) {
  const columns = [
    { key: "time", title: `${t("col.time")} (${zoneName()})`, cell: (row) => rfc3339(row.time) },
    { key: "kind", title: t("col.kind"), cell: (row) => t(`kind.${row.kind}`, {}, row.kind) },
    { key: "by", title: t("col.by") },
    { key: "detail", title: t("col.detail"), wrap: true, cell: ({ time, kind, by, journal_seq: seq, ...rest }) => html`<${Safe} text=${Object.entries(rest).map(([name, value]) => `${name}=${typeof value === "object" ? JSON.stringify(value) : value}`).join("  ")} most=${300} />` },
    { key: "open", title: html`<span class="sr">${t("open")}</span>`, cell: (row) => html`<a data-own href=${link("search", { store: "journal", from: "all", to: null, event: `journal:${row.journal_seq}` })}>#${number(row.journal_seq)}</a>` },
  ];
  return html`<${Table} columns=${columns} rows=${entries} caption=${caption} test=${test} />`;
}

export function Integrity({ turn }) {
  const [beat, move] = useState(0), call = useCall("/api/integrity", turn + beat), data = call.data;
  useEffect(() => { if (data && location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView(); }, [Boolean(data), location.hash]);
  return html`<div class="page"><h1>${t("nav.integrity")}</h1><${Told} call=${call}>${data && html`<${Whole} data=${data} again=${() => move((n) => n + 1)} />`}<//>
    <${ApiCall} url="/api/integrity" cli=${command("status")} /></div>`;
}

function Whole({ data, again }) {
  const { status, seal } = data, life = status.lifecycle, b = status.bytes;
  const sum = b.dedicated + b.passthrough + b.quarantine + b.duplicates + b.framing;
  const parts = ["dedicated", "passthrough", "quarantine", "duplicates", "framing"].map((name) => ({ name, n: b[name] }));
  const quarantine = Object.entries(status.quarantine).map(([reason, n]) => ({ reason, n }));
  const sinks = Object.entries(status.sinks || {}).map(([name, sink]) => ({ name, ...sink }));
  const channels = Object.entries(status.channels || {}).map(([name, channel]) => ({ name, ...channel }));
  return html`<div><div class="pair">
    <div>
    <section class="card" id="seal" aria-label=${t("trust.sealed")}><h2>${t("trust.sealed")}</h2>
      <${Facts} pairs=${[[t("col.records"), html`<b data-test="records">${number(status.records)}</b>`], [t("seal.to"), status.seal ? `#${number(status.seal.records)}` : t("trust.none")], [t("seal.signed"), status.seal ? `${rfc3339(status.seal.time)} ${zoneName()}` : null], [t("seal.key"), seal.key && html`<code class="wrap">${seal.key}</code>`]]} />
      ${seal.checkpoint ? html`<pre tabindex="0" aria-label=${t("seal.checkpoint")} data-test="checkpoint">${seal.checkpoint}</pre>` : html`<p class="bad"><${Safe} text=${seal.why} /></p>`}
      <p class="hint">${t("seal.keep")}</p><code class="wrap">${command("checkpoint")}</code></section>
    </div><div>
    <${Verify} told=${data.verification} again=${again} />
    <section class="card" id="state" aria-label=${t("trust.state")}><h2>${t("trust.state")}</h2>${life ? html`<${Facts} pairs=${[
      [t("trust.state"), t(`state.${life.state}`, {}, life.state)], [t("state.since"), rfc3339(life.since)], [t("state.retention"), life.retention_days >= 3650 ? t("state.for_ever") : t("state.days", { n: life.retention_days })],
      [t("state.pending"), life.retention_pending && `${t("state.days", { n: life.retention_pending.days })}, ${rfc3339(life.retention_pending.effective)}`],
      [t("state.account"), life.account && html`<${Safe} text=${life.account} />`], [t("state.entitlement"), life.entitlement && html`<${Safe} text=${life.entitlement} />`],
      [t("state.holds"), Object.keys(life.holds).length ? Object.entries(life.holds).map(([name, hold]) => html`<div><${Safe} text=${`${name}: ${hold.reason} (${hold.from ?? "…"} – ${hold.to ?? "…"})`} /></div>`) : t("none")],
      [t("state.kept"), status.kept?.log && `${status.kept.log.first_day} – ${status.kept.log.last_day}`]]} />` : html`<p class="hint">${t("state.never")}</p>`}</section>
    <section class="card" id="bytes" aria-label=${t("trust.conserved")}><h2>${t("trust.conserved")}</h2>
      <p class=${status.conserved ? "good" : "bad"}>${status.conserved ? t("bytes.all", { n: bytes(b.input) }) : t("bytes.missing", { n: bytes(b.input - sum) })}</p>
      <${Table} caption=${t("trust.conserved")} rows=${parts} columns=${[{ key: "name", title: t("bytes.where"), cell: (row) => t(`bytes.${row.name}`) }, { key: "n", title: t("col.bytes"), number: true, cell: (row) => number(row.n) }]} />
      ${quarantine.length > 0 && html`<h3><a data-own href=${link("search", { store: "quarantine", from: "all", to: null })}>${t("store.quarantine")}</a></h3><${Table} caption=${t("store.quarantine")} rows=${quarantine} columns=${[{ key: "reason", title: t("col.reason") }, { key: "n", title: t("col.records"), number: true, cell: (row) => number(row.n) }]} />`}</section>
    </div></div>
    <section class="card" id="sources" aria-label=${t("integrity.sources")}><h2>${t("integrity.sources")}</h2><${Sources} sources=${status.sources} paused=${life?.paused} /></section>
    ${sinks.length > 0 && html`<section class="card" id="sinks" aria-label=${t("integrity.sinks")}><h2>${t("integrity.sinks")}</h2><${Table} caption=${t("integrity.sinks")} rows=${sinks} columns=${[
      { key: "name", title: t("col.sink") }, { key: "state", title: t("col.state") }, { key: "position", title: t("col.position"), number: true, cell: (row) => `#${number(row.position)}` }, { key: "behind", title: t("col.behind"), number: true, cell: (row) => number(row.behind) }]} /></section>`}
    ${channels.length > 0 && html`<section class="card" id="channels" aria-label=${t("integrity.channels")}><h2>${t("integrity.channels")}</h2><${Table} caption=${t("integrity.channels")} test="channels" rows=${channels} columns=${[
      { key: "name", title: t("col.channel") }, { key: "kind", title: t("col.kind") },
      { key: "state", title: t("col.state"), wrap: true, cell: (row) => html`<span class=${["retrying", "refused", "failed", "unknown"].includes(row.state) ? "bad" : ""}><${Safe} text=${row.state} />${row.why ? html`: <${Safe} text=${row.why} most=${500} />` : ""}</span>` },
      { key: "told", title: t("col.told"), number: true, cell: (row) => number(row.told) }, { key: "waiting", title: t("col.waiting"), number: true, cell: (row) => number(row.waiting) },
      { key: "failed", title: t("col.failed"), number: true, cell: (row) => number(row.failed) }]} /></section>`}
    <section class="card" id="gaps" aria-label=${t("trust.gaps")}><h2>${t("trust.gaps")}</h2>${data.gaps_total ? html`<p class="bad">${t("gaps.some", { n: number(data.gaps_total) })}</p><${Journal} entries=${data.gaps} caption=${t("trust.gaps")} test="gaps" />` : html`<p class="good">${t("gaps.none")}</p>`}</section>
    <section class="card" id="journal" aria-label=${t("store.journal")}><h2>${t("store.journal")} <small>${number(data.journal_total)}</small></h2><${Journal} entries=${data.journal} caption=${t("store.journal")} test="journal" /></section></div>`;
}
