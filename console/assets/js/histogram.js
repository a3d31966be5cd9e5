// Counts by time, to be dragged over or walked along: arrows move, shift and arrows extend, Enter zooms, Escape takes it back.
import { html, useEffect, useRef, useState } from "../vendor/htm/standalone.module.js";
import { axes, bars, color, Plot } from "./plot.js";
import { set } from "./state.js";
import { t } from "./strings.js";
import { number } from "./text.js";
import { shown, tick, zoneName } from "./time.js";
import { Table } from "./table.js";

const zoom = (from, to) => set({ from: Math.floor(from), to: Math.max(Math.ceil(to), Math.floor(from) + 1), page: null });

// `parts`: failures are shown too; `failed` brings them, which takes longer to count, and is drawn into the picture that is there: somebody
// may be dragging over it.
export function Histogram({ data, failed, parts = false }) {
  const plot = useRef(null), [cursor, move] = useState(null), [twin, show] = useState(false);
  const { bounds, counts, interval } = data, failures = failed?.failures?.length === counts.length ? failed.failures : null;
  const make = () => {
    const series = [{}, bars(t("hist.events"), color("--series-1"))];
    const values = [bounds.slice(0, -1), counts];
    if (parts) { series.push(bars(t("hist.failures"), color("--series-fail"))); values.push(failures ?? counts.map(() => 0)); }
    const options = {
      series, axes: axes(interval), scales: { x: { time: true, range: [bounds[0], bounds[bounds.length - 1]] }, y: { range: (_, __, most) => [0, Math.max(most, 1) * 1.08] } },
      cursor: { y: false, points: { show: false }, drag: { x: true, y: false, setScale: false } },
      hooks: { setSelect: [(u) => {
        const { left, width } = u.select;
        if (width > 3) zoom(u.posToVal(left, "x"), u.posToVal(left + width, "x"));
      }] },
    };
    return { options, data: values };
  };
  useEffect(() => { if (parts && failures && plot.current) plot.current.setData([bounds.slice(0, -1), counts, failures], false); }, [failures]);
  const last = counts.length - 1;
  const paint = (next) => {
    const u = plot.current;
    if (u && next) {
      const left = u.valToPos(bounds[Math.min(next.a, next.b)], "x"), right = u.valToPos(bounds[Math.max(next.a, next.b) + 1], "x");
      u.setSelect({ left, width: Math.max(right - left, 1), top: 0, height: u.bbox.height / devicePixelRatio }, false);
    } else if (u) u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    move(next);
  };
  const onKeyDown = (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -last - 1, End: last + 1 }[event.key];
    if (step !== undefined) {
      event.preventDefault();
      const clamp = (n) => Math.min(Math.max(n, 0), last);
      if (!cursor) return paint({ a: step > 0 ? 0 : last, b: step > 0 ? 0 : last });
      const b = clamp(cursor.b + step);
      return paint({ a: event.shiftKey ? cursor.a : b, b });
    }
    if (event.key === "Enter" && cursor) { event.preventDefault(); zoom(bounds[Math.min(cursor.a, cursor.b)], bounds[Math.max(cursor.a, cursor.b) + 1]); paint(null); }
    if (event.key === "Escape" && cursor) { event.stopPropagation(); paint(null); }
    return undefined;
  };
  const sum = (list) => list.slice(Math.min(cursor.a, cursor.b), Math.max(cursor.a, cursor.b) + 1).reduce((a, b) => a + b, 0);
  const where = cursor && `${shown(bounds[Math.min(cursor.a, cursor.b)] * 1e6)} – ${shown(bounds[Math.max(cursor.a, cursor.b) + 1] * 1e6)} ${zoneName()}: ${number(sum(counts))}`
    + (failures ? `, ${t("hist.failures")} ${number(sum(failures))}` : "");
  const rows = counts.map((n, at) => ({ at, n, failed: failures?.[at] })).filter((row) => row.n);
  const columns = [
    { key: "at", title: `${t("col.time")} (${zoneName()})`, cell: (row) => shown(bounds[row.at] * 1e6) },
    { key: "n", title: t("hist.events"), number: true, cell: (row) => number(row.n) },
  ];
  if (failures) columns.push({ key: "failed", title: t("hist.failures"), number: true, cell: (row) => number(row.failed) });
  return html`<section class="hist" aria-label=${t("hist.title")}>
    <div class="row spread"><p class="count"><b data-test="total">${number(data.total)}</b> ${t("hist.events")}
      ${failures && html` · <span class="fail-mark">${number(failures.reduce((a, b) => a + b, 0))}</span> ${t("hist.failures")}`}
      ${!data.complete && html` · <span class="bad">${t("incomplete")}</span>`}
      <span class="hint"> · ${t("hist.piece", { span: tick(bounds[0], interval) && piece(interval) })}</span></p>
      <button class="small" aria-pressed=${twin} onClick=${() => show(!twin)} data-test="hist-table">${twin ? t("chart.picture") : t("chart.table")}</button></div>
    <div class="hist-box" tabindex="0" role="application" aria-roledescription=${t("hist.title")} aria-label=${`${t("hist.title")}. ${t("hist.keys")}`}
      aria-describedby="hist-where" onKeyDown=${onKeyDown} onBlur=${() => paint(null)} data-test="hist" hidden=${twin}>
      <${Plot} make=${make} deps=${[data, parts]} height=${130} onMake=${(u) => { plot.current = u; }} /></div>
    ${twin && html`<${Table} columns=${columns} rows=${rows} caption=${t("hist.title")} test="hist-rows" />`}
    <p id="hist-where" class="hint" role="status" aria-live="polite">${where || t("hist.keys")}</p>
  </section>`;
}

function piece(seconds) {
  for (const [unit, name] of [[86400, "d"], [3600, "h"], [60, "min"]]) if (seconds % unit === 0) return `${seconds / unit} ${name}`;
  return `${seconds} s`;
}
