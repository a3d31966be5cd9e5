// One event: its columns, its raw bytes, what each room did with it, and what proves it.
import { html, useEffect, useRef } from "../vendor/htm/standalone.module.js";
import { path, useCall } from "./api.js";
import { ApiCall, command, Told } from "./call.js";
import { get, link, set } from "./state.js";
import { t } from "./strings.js";
import { narrowed, number, Safe } from "./text.js";
import { shown, zoneName } from "./time.js";

const TABS = ["columns", "raw", "explain", "proof"];
// In the order in which an event goes through them.
const ROOMS = ["source", "decode", "classify", "redact", "route"];
const place = ([name]) => (ROOMS.includes(name) ? ROOMS.indexOf(name) : ROOMS.length);

// Laid out for reading where nothing is lost by that: a number that is not written as JavaScript writes it stays as it came.
function pretty(raw) {
  try {
    const text = JSON.stringify(JSON.parse(raw), null, 2), bare = (json) => json.replace(/"(\\.|[^"\\])*"/g, "").replace(/\s/g, "");
    return { text: bare(text) === bare(raw) ? text : raw, json: true };
  } catch {
    return { text: raw, json: false };
  }
}

function Pairs({ pairs, label, actions }) {
  return html`<table class="pairs"><caption class="sr">${label}</caption><tbody>${pairs.map(([name, value]) => html`<tr key=${name}><th scope="row">${name}</th>
    <td class="wrap">${value !== null && typeof value === "object" ? html`<pre class="inline"><${Safe} text=${JSON.stringify(value, null, 1)} most=${20000} lines=${true} /></pre>` : html`<${Safe} text=${value} most=${4000} />`}</td>
    ${actions && html`<td class="acts">${actions(name, value)}</td>`}</tr>`)}</tbody></table>`;
}

// `it_time` is microseconds: people get the time.
const readable = (name, value) => (name === "it_time" ? `${shown(value)} ${zoneName()}` : value);

function Columns({ data, fields }) {
  const to = (name, value, exclude) => link("search", { q: narrowed(get("q", "*") || "*", name, value, exclude), store: data.store === "log" ? null : data.store, event: get("event"), cols: get("cols") });
  const actions = (name, value) => (typeof value === "string" && fields.includes(name) ? html`
    <a data-own href=${to(name, value, false)} title=${t("field.filter")} aria-label=${`${t("field.filter")}: ${name}`} data-test=${`only-${name}`}>+</a>
    <a data-own href=${to(name, value, true)} title=${t("field.exclude")} aria-label=${`${t("field.exclude")}: ${name}`}>−</a>` : null);
  return html`<${Pairs} label=${t("event.columns")} actions=${actions} pairs=${Object.entries(data.columns).map(([n, v]) => [n, readable(n, v)])} />`;
}

function Proof({ data }) {
  const id = data.columns.eventId;
  return html`<p class=${data.proof ? "good" : "bad"} data-test="proof-said">${data.proof ? t("event.proven", { seq: number(data.seq), size: number(data.tree_size), hashes: data.proof_hashes }) : html`${t("event.not_proven")} <${Safe} text=${data.not_proven} />`}</p>
    ${data.proof && html`<pre tabindex="0" aria-label=${t("event.proof")} data-test="proof"><${Safe} text=${data.proof} most=${20000} lines=${true} /></pre>`}
    <${Pairs} label=${t("event.kept")} pairs=${Object.entries(data.kept)} />
    ${id && html`<p class="hint"><code class="wrap">${command(`proof '${String(id).replaceAll("'", "'\\''")}'`)}</code></p>`}`;
}

function Body({ data, tab, fields }) {
  if (tab === "raw") {
    const { text, json } = data.raw === undefined ? { text: data.raw_hex, json: false } : pretty(data.raw);
    return html`<pre tabindex="0" aria-label=${t("event.raw")} data-test="raw"><${Safe} text=${text} most=${1000000} lines=${true} json=${json} /></pre>`;
  }
  if (tab === "explain") {
    return html`<${Rooms} data=${data} /><${Judged} data=${data} />`;
  }
  return tab === "proof" ? html`<${Proof} data=${data} />` : html`<${Columns} data=${data} fields=${fields} />`;
}

const Rooms = ({ data }) => (data.rooms && typeof data.rooms === "object" ? html`<${Pairs} label=${t("event.explain")} pairs=${Object.entries(data.rooms).sort((a, b) => place(a) - place(b))} />` : html`<p class="hint">${t("event.no_rooms")}</p>`);

// Rules that fire or count the record, and what was told of it.
function Judged({ data }) {
  const matched = (data.rules || []).filter((rule) => rule.matched), told = Array.isArray(data.alerts) ? data.alerts : [];
  return html`<h3>${t("event.rules")}</h3>
    ${matched.length ? html`<ul class="plain" data-test="event-rules">${matched.map((rule) => html`<li><span class=${`chip level-${rule.level}`}>${t(`level.${rule.level}`, {}, rule.level)}</span> <b><${Safe} text=${rule.title} /></b>
      <code><${Safe} text=${rule.rule} /></code> ${rule.fires ? "" : t("event.counted")}<br /><${Safe} text=${rule.remedy} most=${2000} /></li>`)}</ul>` : html`<p class="hint">${t("event.no_rules")}</p>`}
    ${told.length > 0 && html`<ul class="plain" data-test="event-alerts">${told.map((alert) => html`<li>${t("event.told")} <time><${Safe} text=${alert.time} /></time> <code><${Safe} text=${alert.rule} /></code> <code><${Safe} text=${alert.alert} /></code></li>`)}</ul>`}`;
}

export function Drawer({ event: which, fields }) {
  const [store, seq] = which.split(":"), tab = TABS.includes(get("tab")) ? get("tab") : "columns";
  const url = path("/api/event", { store: store === "log" ? null : store, seq }), call = useCall(url), box = useRef(null);
  useEffect(() => {
    const before = document.activeElement;
    box.current?.focus();
    return () => { if (before?.isConnected && before !== document.body) before.focus(); else (document.querySelector("tbody tr[tabindex='0']") ?? document.getElementById("main"))?.focus(); };
  }, []);
  const close = () => set({ event: null, tab: null });
  const onKeyDown = (event) => {
    if (event.key === "Escape") { event.stopPropagation(); close(); }
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step && event.target.getAttribute("role") === "tab") {
      event.preventDefault();
      const next = TABS[(TABS.indexOf(tab) + step + TABS.length) % TABS.length];
      set({ tab: next }, { replace: true });
      box.current.querySelector(`#tab-${next}`)?.focus();
    }
  };
  const data = call.data;
  return html`<aside class="drawer" role="dialog" aria-labelledby="event-title" tabindex="-1" ref=${box} onKeyDown=${onKeyDown} data-test="drawer">
    <header class="row spread"><h2 id="event-title">${t(`store.${store}`, {}, store)} #${number(seq)}${data && html` <small><${Safe} text=${data.columns.eventName} most=${80} /></small>`}</h2>
      <button onClick=${close} data-test="close"><span aria-hidden="true">✕</span><span class="sr">${t("close")}</span></button></header>
    ${data && html`<p class="hint"><time>${shown(data.time_us)}</time> ${zoneName()} · ${t("event.received")} <time>${shown(data.received_us)}</time></p>`}
    <div role="tablist" class="tabs" aria-label=${t("event.parts")}>${TABS.map((name) => html`<button role="tab" id=${`tab-${name}`} aria-selected=${name === tab} aria-controls="event-part" tabindex=${name === tab ? 0 : -1}
      onClick=${() => set({ tab: name === "columns" ? null : name }, { replace: true })} data-test=${`tab-${name}`}>${t(`event.${name}`)}</button>`)}</div>
    <div role="tabpanel" id="event-part" aria-labelledby=${`tab-${tab}`} class="part" tabindex="0"><${Told} call=${call}>${data && html`<${Body} data=${data} tab=${tab} fields=${fields} />`}<//></div>
    <${ApiCall} url=${url} cli=${data?.columns.eventId ? command(`explain '${String(data.columns.eventId).replaceAll("'", "'\\''")}'`) : null} /></aside>`;
}
