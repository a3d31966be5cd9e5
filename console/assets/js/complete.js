// The box for a question, with completion of fields, operators and functions.
import { html, useEffect, useRef, useState } from "../vendor/htm/standalone.module.js";
import { t } from "./strings.js";
import { halves } from "./text.js";

const OPERATORS = ["and", "or", "not"];
const WORDS = ["select", "count(1)", "count(distinct ", "count_if(", "group by", "order by", "limit", "desc", "where", "sum(", "avg(", "min(", "max(", "date_format(", "json_extract_scalar(event, '$.", "coalesce(", "as"];
const MOST = 12;

// The word in front of the caret, and what may stand in its place.
function offers(text, caret, columns) {
  const before = text.slice(0, caret), word = /[\w.]*$/.exec(before)[0];
  const [search] = halves(before), inSql = search !== before.trim();
  // Within a value nothing is known.
  if (!inSql && (/[\w.]\s*:\s*"[^"]*$/.test(before) || /:\s*[\w.]*$/.test(before))) return { word, list: [] };
  const low = word.toLowerCase();
  const fields = columns.map((c) => ({ text: c.name, about: c.about, insert: inSql ? (/^\w+$/.test(c.name) ? c.name : `"${c.name}"`) : `${c.name}: ` }));
  const others = (inSql ? WORDS : OPERATORS).map((w) => ({ text: w, about: "", insert: w.endsWith("(") || w.endsWith("$.") ? w : `${w} ` }));
  const all = [...fields, ...others].filter((o) => o.text.toLowerCase().includes(low) && o.text.toLowerCase() !== low);
  const rank = (o) => (o.text.toLowerCase().startsWith(low) ? 0 : 1);
  return { word, list: all.sort((a, b) => rank(a) - rank(b)).slice(0, MOST) };
}

export function QueryBox({ value, columns, submit }) {
  const [text, type] = useState(value), [list, offer] = useState([]), [at, move] = useState(-1);
  const input = useRef(null);
  useEffect(() => { type(value); }, [value]);
  const look = (force) => {
    const box = input.current, found = offers(box.value, box.selectionStart, columns);
    offer(found.word || force ? found.list : []);
    move(-1);
  };
  const take = (o) => {
    const box = input.current, caret = box.selectionStart, { word } = offers(box.value, caret, columns);
    const next = box.value.slice(0, caret - word.length) + o.insert + box.value.slice(caret);
    const place = caret - word.length + o.insert.length;
    box.value = next;
    type(next);
    offer([]);
    box.focus();
    box.setSelectionRange(place, place);
  };
  const onKeyDown = (event) => {
    if (event.key === " " && event.ctrlKey) { event.preventDefault(); look(true); return; }
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      if (list.length && at >= 0) take(list[at]);
      else { offer([]); submit(text.trim()); }
      return;
    }
    if (!list.length) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      move((at + (event.key === "ArrowDown" ? 1 : -1) + list.length) % list.length);
    }
    if (event.key === "Tab" && at >= 0) { event.preventDefault(); take(list[at]); }
    if (event.key === "Escape") { event.stopPropagation(); offer([]); }
  };
  return html`<form class="query" role="search" onSubmit=${(e) => { e.preventDefault(); offer([]); submit(text.trim()); }}>
    <label class="sr" for="question">${t("search.label")}</label>
    <textarea ref=${input} id="question" rows=${Math.min(6, Math.max(1, text.split("\n").length, Math.ceil(text.length / 110)))} value=${text} spellcheck=${false}
      autocomplete="off" role="combobox" aria-autocomplete="list" aria-expanded=${list.length > 0} aria-controls="offers" placeholder=${t("search.hint")}
      aria-activedescendant=${at >= 0 ? `offer-${at}` : undefined} onKeyDown=${onKeyDown} onInput=${(e) => { type(e.target.value); look(false); }}
      onBlur=${() => setTimeout(() => offer([]), 150)} data-test="question"></textarea>
    <button class="main" data-test="ask">${t("search.go")}</button>
    <ul id="offers" role="listbox" aria-label=${t("search.offers")} hidden=${!list.length}>${list.map((o, n) => html`<li id=${`offer-${n}`} role="option" aria-selected=${n === at}
      onPointerDown=${(e) => { e.preventDefault(); take(o); }}><b>${o.text}</b> <span>${o.about}</span></li>`)}</ul>
  </form>`;
}
