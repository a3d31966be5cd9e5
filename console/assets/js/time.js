// Times: what people type, what the address says, what is shown, and in which zone. It must never show a time without its zone near by.
import { get } from "./state.js";

const UNITS = { s: 1, m: 60, h: 3600, d: 86400, w: 604800 };

export const zone = () => (get("tz") === "local" ? "local" : "utc");
export const zoneName = () => (zone() === "utc" ? "UTC" : Intl.DateTimeFormat().resolvedOptions().timeZone);

const two = (n) => String(n).padStart(2, "0");

// The parts of a moment in the zone that is shown.
function parts(ms) {
  const at = new Date(ms), utc = zone() === "utc";
  const of = (name) => (utc ? at[`getUTC${name}`]() : at[`get${name}`]());
  return [of("FullYear"), of("Month") + 1, of("Date"), of("Hours"), of("Minutes"), of("Seconds"), at.getUTCMilliseconds()];
}

// 2026-11-23 08:00:00, with milliseconds where there are some.
export function shown(us) {
  if (us === null || us === undefined) return "–";
  const [year, month, day, hour, minute, second, ms] = parts(us / 1000);
  return `${year}-${two(month)}-${two(day)} ${two(hour)}:${two(minute)}:${two(second)}${ms ? `.${String(ms).padStart(3, "0")}` : ""}`;
}

// As short as a piece of this many seconds allows, for axes.
export function tick(seconds, step) {
  const [year, month, day, hour, minute, second] = parts(seconds * 1000);
  if (step >= 86400) return `${year}-${two(month)}-${two(day)}`;
  if (step >= 60) return `${two(month)}-${two(day)} ${two(hour)}:${two(minute)}`;
  return `${two(hour)}:${two(minute)}:${two(second)}`;
}

export const rfc3339 = (text) => { const ms = Date.parse(text); return Number.isNaN(ms) ? String(text) : shown(ms * 1000); };

// 90 s, 12 min, 3 h, 5 d
export function ago(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 0) return "0 s";
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

function day(offset) {
  const [year, month, date] = parts(Date.now() + offset * 86400000);
  return moment(`${year}-${two(month)}-${two(date)}`);
}

// Seconds of `2026-11-23`, `2026-11-23 08:00`, or a number of seconds, in the zone that is shown; an explicit zone is kept.
export function moment(text) {
  const found = text.trim();
  if (/^\d{9,11}$/.test(found)) return Number(found);
  const form = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.\d+)?)?)?(Z|[+-]\d\d:\d\d)?$/.exec(found);
  if (!form) return null;
  const [, year, month, date, hour = 0, minute = 0, second = 0, offset] = form;
  const whole = [Number(year), Number(month) - 1, Number(date), Number(hour), Number(minute), Number(second)];
  let ms;
  if (offset) ms = Date.parse(`${year}-${month}-${date}T${two(hour)}:${two(minute)}:${two(second)}${offset}`);
  else ms = zone() === "utc" ? Date.UTC(...whole) : new Date(...whole).getTime();
  return Number.isNaN(ms) ? null : Math.floor(ms / 1000);
}

// What somebody typed, as the address says it: `2h`, `yesterday`, `today`, `all`, `A to B`, a day. Null when it is none.
export function typed(text) {
  const word = text.trim().toLowerCase();
  if (word === "all" || word === "全部") return { from: "all", to: null };
  if (word === "today" || word === "今天") return { from: day(0), to: "now" };
  if (word === "yesterday" || word === "昨天") return { from: day(-1), to: day(0) };
  const before = /^(?:last\s+|-)?(\d+)\s*([smhdw])$/.exec(word);
  if (before) return { from: `-${before[1]}${before[2]}`, to: null };
  const ends = text.trim().split(/\s+(?:to|–|—|~|至)\s+|\s*\/\s*/);
  if (ends.length === 2) {
    const from = moment(ends[0]), to = ends[1].toLowerCase() === "now" ? "now" : moment(ends[1]);
    return from !== null && to !== null && (to === "now" || from < to) ? { from, to } : null;
  }
  const one = /^\d{4}-\d\d-\d\d$/.test(word) ? moment(word) : null;
  return one === null ? null : { from: one, to: one + 86400 };
}

// Seconds that a word such as `-7d` of the address means.
export function seconds(word, now) {
  if (word === "now" || word === "") return now;
  const before = /^-(\d+)([smhdw])$/.exec(word);
  if (before) return now - Number(before[1]) * UNITS[before[2]];
  const number = Number(word);
  return Number.isFinite(number) ? Math.floor(number) : now;
}
