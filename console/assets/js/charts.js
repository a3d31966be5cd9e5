// Charts of dashboards: each asks its own call, shows it, and can be read as the table that it is drawn from.
import { html, useEffect, useRef, useState } from "../vendor/htm/standalone.module.js";
import { path, useCall } from "./api.js";
import { ApiCall, query, Told } from "./call.js";
import { axes, bars, line, palette, Plot } from "./plot.js";
import { link } from "./state.js";
import { t } from "./strings.js";
import { halves, narrowed, number, plain, Safe } from "./text.js";
import { Result, Table } from "./table.js";

const HOUR = /^(\d{4})-(\d\d)-(\d\d)(?: (\d\d):(\d\d)(?::(\d\d))?)?$/;
const MOST_POINTS = 4000;

function moment(text) {
  const found = HOUR.exec(text || "");
  if (!found) return null;
  const [, year, month, day, hour = 0, minute = 0, second = 0] = found.map(Number);
  return Date.UTC(year, month - 1, day, hour || 0, minute || 0, second || 0) / 1000;
}

// Rows with a time in front as series: by column, or by the values of the one column that is neither time nor count.
function series(data, display) {
  const index = (name) => data.columns.findIndex((c) => c.name === name);
  const x = index(display.xAxis[0]), ys = display.yAxis.map(index).filter((at) => at >= 0);
  if (x < 0 || ys.length === 0) return null;
  const by = data.columns.findIndex((_, at) => at !== x && !ys.includes(at));
  const names = new Map(), points = new Map();
  for (const row of data.rows) {
    const at = moment(row[x]);
    if (at === null) return null;
    if (!points.has(at)) points.set(at, new Map());
    for (const y of ys) {
      const name = by >= 0 ? String(row[by] ?? "NULL") : data.columns[y].name;
      if (!names.has(name)) names.set(name, names.size);
      points.get(at).set(name, Number(row[y]) || 0);
    }
  }
  const times = [...points.keys()].sort((a, b) => a - b);
  if (!times.length) return { times: [], list: [], step: 3600 };
  const step = Math.max(times.slice(1).reduce((least, at, n) => Math.min(least, at - times[n]), Infinity), 1);
  const whole = [];
  // What has no row has no events: a count of nothing is 0, not a gap.
  if (Number.isFinite(step) && (times[times.length - 1] - times[0]) / step <= MOST_POINTS) {
    for (let at = times[0]; at <= times[times.length - 1]; at += step) whole.push(at);
  } else whole.push(...times);
  const list = [...names.keys()].map((name) => ({ name, values: whole.map((at) => points.get(at)?.get(name) ?? 0) }));
  return { times: whole, list, step: Number.isFinite(step) ? step : 3600 };
}

function Series({ data, chart, label }) {
  const found = series(data, chart.display);
  if (!found) return html`<${Result} data=${data} caption=${label} />`;
  if (!found.times.length) return html`<p class="hint">${t("table.none")}</p>`;
  const stacked = chart.type !== "line";
  const make = () => {
    const { times, list, step } = found;
    const scales = { x: { time: true }, y: { range: (_, __, most) => [0, Math.max(most, 1) * 1.05] } };
    if (stacked) scales.x.range = [times[0], times[times.length - 1] + step];
    if (!stacked) return { options: { series: [{}, ...list.map((s, at) => line(s.name, at))], axes: axes(step), scales }, data: [times, ...list.map((s) => s.values)] };
    // The highest sum is drawn first, so that each piece stands on those below.
    const sums = [];
    list.forEach((s, at) => sums.push(s.values.map((v, n) => v + (at ? sums[at - 1][n] : 0))));
    const order = list.map((_, at) => list.length - 1 - at);
    return { options: { series: [{}, ...order.map((at) => bars(list[at].name, palette(at)))], axes: axes(step), scales }, data: [times, ...order.map((at) => sums[at])] };
  };
  const sum = (s) => s.values.reduce((a, b) => a + b, 0);
  return html`<${Plot} make=${make} deps=${[data]} height=${150} label=${`${label}: ${found.list.map((s) => plain(s.name)).join(", ")}`} />
    <ul class="legend">${found.list.slice(0, 8).map((s, at) => html`<li><i class=${`key key-${(at % 8) + 1}`} aria-hidden="true"></i><${Safe} text=${s.name} most=${40} />
      ${stacked && html` <b>${number(sum(s))}</b>`}</li>`)}</ul>`;
}

// Parts of a whole as lines of bars: lengths can be compared, angles cannot.
function Parts({ data, chart, label, fields }) {
  const value = data.columns.findIndex((c) => c.name === chart.display.yAxis[0]), name = data.columns.findIndex((_, at) => at !== value);
  if (value < 0 || name < 0) return html`<${Result} data=${data} caption=${label} />`;
  const all = data.rows.reduce((sum, row) => sum + Number(row[value] || 0), 0), most = Math.max(...data.rows.map((row) => Number(row[value] || 0)), 1);
  const field = data.columns[name].name, [search] = halves(chart.search.query);
  const columns = [
    { key: "n", title: html`<${Safe} text=${field} />`, cell: (row) => (fields.includes(field)
      ? html`<a data-own href=${link("search", { q: narrowed(search, field, row[name], false) })}><${Safe} text=${row[name]} most=${60} /></a>` : html`<${Safe} text=${row[name]} most=${60} />`) },
    { key: "bar", title: html`<span class="sr">${t("chart.part")}</span>`, cell: (row) => html`<i class="bar" aria-hidden="true" style=${{ width: `${(100 * Number(row[value])) / most}%` }}></i>` },
    { key: "v", title: html`<${Safe} text=${data.columns[value].name} />`, number: true, cell: (row) => number(row[value]) },
    { key: "p", title: "%", number: true, cell: (row) => (all ? ((100 * Number(row[value])) / all).toFixed(1) : "0") },
  ];
  return html`<div class="parts"><${Table} columns=${columns} rows=${data.rows.slice(0, 50)} caption=${label} /></div>`;
}

function Number1({ data, label }) {
  const value = data.rows[0]?.[0];
  return html`<p class="tile" data-test="tile" aria-label=${label}>${value === null || value === undefined ? "–" : number(value)}</p>`;
}

export function Chart({ chart, range, turn, fields }) {
  const box = useRef(null), [near, come] = useState(false), [twin, show] = useState(false);
  useEffect(() => {
    const watch = new IntersectionObserver((seen) => { if (seen.some((s) => s.isIntersecting)) { come(true); watch.disconnect(); } }, { rootMargin: "150px" });
    watch.observe(box.current);
    return () => watch.disconnect();
  }, []);
  const { query: q, store } = chart.search;
  const url = range && near ? path("/api/table", { q, store: store === "log" ? null : store, from: range.from, to: range.to }) : null;
  const call = useCall(url, turn), label = t(`chart.${chart.title}`, {}, chart.display.displayName);
  const drawn = ["line", "column", "bar", "area"].includes(chart.type);
  const body = () => {
    if (chart.type === "number" && !twin) return html`<${Number1} data=${call.data} label=${label} />`;
    if (drawn && !twin) return html`<${Series} data=${call.data} chart=${chart} label=${label} />`;
    if (chart.type === "pie" && !twin) return html`<${Parts} data=${call.data} chart=${chart} label=${label} fields=${fields} />`;
    return html`<${Result} data=${call.data} caption=${label} test="twin" />`;
  };
  const { width, height } = chart.display;
  return html`<article ref=${box} class=${`chart w-${width} ${chart.type === "number" ? "is-number" : ""} h-${height}`} data-test=${`chart-${chart.title}`} aria-busy=${call.loading}>
    <header class="row spread"><h3>${label}</h3>
      ${chart.type !== "table" && html`<button class="small" aria-pressed=${twin} onClick=${() => show(!twin)} title=${twin ? t("chart.picture") : t("chart.table")}>
        <span aria-hidden="true">${twin ? "◔" : "▤"}</span><span class="sr">${twin ? t("chart.picture") : t("chart.table")}: ${label}</span></button>`}</header>
    <div class="chart-body"><${Told} call=${call}>${call.data && body()}<//></div>
    ${call.data?.cut && html`<p class="hint">${t("cut", { n: number(call.data.rows.length) })}</p>`}
    <${ApiCall} url=${url} took=${call.data?.took_ms} cli=${query(q, store)} />
  </article>`;
}
