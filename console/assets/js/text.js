// Log text for people. It is hostile: whatever would hide, reorder or act is shown as what it is, and all of it goes into text nodes.
import { html } from "../vendor/htm/standalone.module.js";

// Controls, direction marks, invisible and tag characters, line separators: the same set as on a terminal.
const UNSAFE = new RegExp("[\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u061c\\u115f\\u1160\\u180e\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ufeff"
  + "\\ufff9-\\ufffb]|[\\u{1d173}-\\u{1d17a}]|[\\u{e0000}-\\u{e007f}]|[\\ud800-\\udfff]", "gu");

const escaped = (c) => ({ "\n": "\\n", "\t": "\\t", "\r": "\\r" })[c] || `\\u{${c.codePointAt(0).toString(16)}}`;

// The same text, harmless, as one string.
export const plain = (text) => String(text).replace(UNSAFE, escaped);

// As JSON would write it, so that a raw event stays JSON when it is copied from the screen.
const inJson = (c) => Array.from({ length: c.length }, (_, at) => `\\u${c.charCodeAt(at).toString(16).padStart(4, "0")}`).join("");

// The same as nodes, in which what was escaped looks escaped. `lines`: line feeds and tabs stay, for raw text; `json`: it is JSON.
export function Safe({ text, most = 400, lines = false, json = false }) {
  if (text === null || text === undefined) return html`<span class="null">NULL</span>`;
  const whole = String(text);
  const cut = whole.length > most ? whole.slice(0, most) : whole;
  const parts = [];
  let from = 0;
  for (const found of cut.matchAll(UNSAFE)) {
    if (lines && (found[0] === "\n" || found[0] === "\t")) continue;
    if (found.index > from) parts.push(cut.slice(from, found.index));
    parts.push(html`<span class="esc">${json ? inJson(found[0]) : escaped(found[0])}</span>`);
    from = found.index + found[0].length;
  }
  parts.push(cut.slice(from));
  if (cut.length < whole.length) parts.push("…");
  return html`<bdi class="safe">${parts}</bdi>`;
}

// 12,345 in both languages.
export const number = (n) => (n === null || n === undefined ? "–" : Number(n).toLocaleString("en-US", { maximumFractionDigits: 2 }));

export function bytes(n) {
  if (n === null || n === undefined) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0, left = Number(n);
  while (left >= 1024 && at < units.length - 1) { left /= 1024; at += 1; }
  return `${left.toFixed(at ? 1 : 0)} ${units[at]}`;
}

const quoted = (value) => `"${String(value).replace(/[\\"]/g, (c) => `\\${c}`)}"`;

// Search and SQL of a question: cut at the first bar outside of quotes.
export function halves(question) {
  let inside = false;
  for (let at = 0; at < question.length; at += 1) {
    const c = question[at];
    if (c === "\\") at += 1;
    else if (c === "\"") inside = !inside;
    else if (c === "|" && !inside) return [question.slice(0, at).trim(), question.slice(at + 1).trim()];
  }
  return [question.trim(), ""];
}

// A question narrowed to a value of a field, or to everything else. `and` binds tighter than `not`, so `not` gets its parentheses.
export function narrowed(question, field, value, exclude) {
  const [search, sql] = halves(question);
  const name = /^[A-Za-z_][\w.]*$/.test(field) ? field : quoted(field);
  let term = value === null ? `${name}: *` : `${name}: ${quoted(value)}`;
  if ((value === null) !== exclude) term = `(not ${term})`;
  const outside = search.replace(/"(\\.|[^"\\])*"/g, "").replace(/\([^()]*\)/g, "");
  const own = /\b(or|not)\b/i.test(outside) ? `(${search})` : search;
  const both = !own || own === "*" ? term : `${own} and ${term}`;
  return sql ? `${both} | ${sql}` : both;
}
