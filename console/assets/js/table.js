// Tables that a keyboard walks through: arrows, Home and End move, Enter opens. They stay tables for who hears them.
import { html, useEffect, useRef, useState } from "../vendor/htm/standalone.module.js";
import { Safe, number } from "./text.js";
import { t } from "./strings.js";

// `columns`: {key, title, cell?(row), number?}. `onOpen(row)` makes rows something to walk through; `selected(row)` marks one.
export function Table({ columns, rows, onOpen, selected, caption, rowKey, test }) {
  const body = useRef(null), [at, move] = useState(0);
  const last = rows.length - 1;
  useEffect(() => { if (at > last) move(Math.max(0, last)); }, [last]);
  const focus = (next) => {
    const to = Math.min(Math.max(next, 0), last);
    move(to);
    body.current?.querySelectorAll("tr")[to]?.focus();
  };
  const onKeyDown = (event) => {
    const steps = { ArrowDown: at + 1, j: at + 1, ArrowUp: at - 1, k: at - 1, Home: 0, End: last, PageDown: at + 10, PageUp: at - 10 };
    if (event.target.closest("button, a, input")) return;
    if (event.key in steps) { event.preventDefault(); focus(steps[event.key]); }
    if (event.key === "Enter" && rows[at]) { event.preventDefault(); onOpen(rows[at], event.currentTarget.querySelectorAll("tr")[at]); }
  };
  const walks = onOpen ? { onKeyDown } : {};
  return html`<div class="scroll" tabindex=${onOpen ? undefined : "0"} role="region" aria-label=${caption}><table data-test=${test}>
    <caption class="sr">${caption}${onOpen ? `. ${t("table.keys")}` : ""}</caption>
    <thead><tr>${columns.map((c) => html`<th scope="col" class=${c.number ? "num" : ""}>${c.title}</th>`)}</tr></thead>
    <tbody ref=${body} ...${walks}>${rows.map((row, n) => html`<tr key=${rowKey ? rowKey(row) : n} tabindex=${onOpen ? (n === at ? 0 : -1) : undefined}
      class=${selected?.(row) ? "chosen" : ""} aria-current=${selected?.(row) ? "true" : undefined}
      onFocus=${onOpen ? () => move(n) : undefined}
      onClick=${onOpen ? (event) => { if (!event.target.closest("button, a") && !String(getSelection())) { move(n); onOpen(row, event.currentTarget); } } : undefined}>
      ${columns.map((c) => html`<td class=${c.number ? "num" : c.wrap ? "wrap" : ""}>${c.cell ? c.cell(row) : html`<${Safe} text=${row[c.key]} />`}</td>`)}</tr>`)}
      ${rows.length === 0 && html`<tr><td colspan=${columns.length} class="hint">${t("table.none")}</td></tr>`}
    </tbody></table></div>`;
}

// A result of SQL as it came.
export function Result({ data, caption, test }) {
  const numeric = (type) => /int|float|double|decimal|bigint|real/i.test(type);
  const columns = data.columns.map((c, at) => ({
    key: at, title: html`<${Safe} text=${c.name} most=${80} />`, number: numeric(c.type),
    cell: (row) => (numeric(c.type) && row[at] !== null ? number(row[at]) : html`<${Safe} text=${row[at]} />`),
  }));
  return html`<${Table} columns=${columns} rows=${data.rows} caption=${caption} test=${test} />`;
}
