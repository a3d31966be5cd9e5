// The range of time: which one the address says, and the picker that changes it.
import { html, useEffect, useRef, useState } from "../vendor/htm/standalone.module.js";
import { useCall, path } from "./api.js";
import { get, set } from "./state.js";
import { t } from "./strings.js";
import { seconds, shown, typed, zone, zoneName } from "./time.js";

export const DEFAULT = "-7d";
const QUICK = ["-15m", "-1h", "-4h", "-24h", "-7d", "-30d", "-90d", "all"];

// From and to in seconds; null while it is not known when the first event was. `turn` moves what is relative on.
export function useRange(turn, { store, q } = {}) {
  const from = get("from", DEFAULT), to = get("to", "now");
  const [now, move] = useState(() => Math.floor(Date.now() / 1000) + 1);
  useEffect(() => { move(Math.floor(Date.now() / 1000) + 1); }, [turn, from, to]);
  const span = useCall(from === "all" ? path("/api/span", { store, q }) : null, turn);
  if (from === "all") {
    if (span.error) return { from: 0, to: now, error: span.error };
    if (!span.data) return null;
    const { first_us: first, last_us: last } = span.data;
    if (first === null) return { from: now - 3600, to: now };
    return { from: Math.floor(first / 1e6), to: Math.floor(last / 1e6) + 1 };
  }
  const range = { from: seconds(from, now), to: seconds(to, now) };
  return range.from < range.to ? range : { from: range.to - 1, to: range.to };
}

export function said() {
  const from = get("from", DEFAULT), to = get("to", "now");
  if (from === "all") return t("range.all");
  if (from.startsWith("-") && to === "now") return t("range.last", { span: from.slice(1) });
  const end = (word) => (word === "now" ? t("range.now") : word.startsWith("-") ? word : shown(Number(word) * 1e6));
  return `${end(from)} – ${end(to)}`;
}

// Which zone times are in, always on the screen.
export function ZoneSwitch() {
  return html`<button class="zone" onClick=${() => set({ tz: zone() === "utc" ? "local" : null })} title=${t("zone.switch")} data-test="zone">
    <span class="sr">${t("zone.switch")}: </span>${zoneName()}</button>`;
}

export function RangePicker({ refresh }) {
  const [open, show] = useState(false), [text, type] = useState(""), [bad, mark] = useState(false);
  const input = useRef(null), button = useRef(null), box = useRef(null);
  useEffect(() => { if (open) input.current?.focus(); }, [open]);
  useEffect(() => {
    if (!open) return undefined;
    const away = (event) => { if (!box.current?.contains(event.target)) show(false); };
    addEventListener("pointerdown", away);
    return () => removeEventListener("pointerdown", away);
  }, [open]);
  const close = () => { show(false); button.current?.focus(); };
  const take = (range) => { set({ from: range.from === DEFAULT ? null : range.from, to: range.to === "now" ? null : range.to, page: null }); close(); };
  const submit = (event) => {
    event.preventDefault();
    const range = typed(text);
    mark(!range);
    if (range) { type(""); take(range); }
  };
  const current = get("from", DEFAULT);
  return html`<div class="range" ref=${box} onKeyDown=${(e) => { if (e.key === "Escape" && open) { e.stopPropagation(); close(); } }}>
    <button ref=${button} class="range-button" aria-expanded=${open} aria-haspopup="dialog" onClick=${() => show(!open)} data-test="range">
      <span class="sr">${t("range.label")} </span>${said()}</button>
    ${refresh && html`<button onClick=${refresh} title=${t("refresh")} data-test="refresh"><span aria-hidden="true">↻</span><span class="sr">${t("refresh")}</span></button>`}
    ${open && html`<div class="panel range-panel" role="dialog" aria-label=${t("range.label")}>
      <form onSubmit=${submit}>
        <label>${t("range.type")}
          <input ref=${input} value=${text} onInput=${(e) => type(e.target.value)} placeholder="2h · yesterday · 2026-11-23 08:00 to now"
            aria-invalid=${bad} aria-describedby="range-help" data-test="range-input" /></label>
        <p id="range-help" class=${bad ? "bad" : "hint"}>${bad ? t("range.bad") : t("range.help")}</p>
      </form>
      <ul class="quick">${QUICK.map((from) => html`<li><button aria-pressed=${current === from} onClick=${() => take({ from, to: null })} data-test=${`range${from}`}>
        ${from === "all" ? t("range.all") : t("range.last", { span: from.slice(1) })}</button></li>`)}</ul>
    </div>`}
  </div>`;
}
