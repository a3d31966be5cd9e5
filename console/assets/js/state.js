// All state is the address: what it says is shown, and what is shown can be sent to somebody else. It must never be kept anywhere else.
import { useEffect, useState } from "../vendor/htm/standalone.module.js";

// What goes from page to page.
const SHARED = ["from", "to", "lang", "theme", "tz"];
export const PAGES = ["overview", "search", "provider", "integrity", "alerts", "consumers"];

const heard = new Set();
const tell = () => heard.forEach((hear) => hear());
addEventListener("popstate", tell);

export function page() {
  const name = location.pathname.slice(1);
  return PAGES.includes(name) ? name : "overview";
}

export const get = (name, otherwise = "") => new URLSearchParams(location.search).get(name) ?? otherwise;

function address(name, changes, keep) {
  const now = new URLSearchParams(location.search), next = new URLSearchParams();
  for (const [key, value] of now) if (keep || SHARED.includes(key)) next.set(key, value);
  for (const [key, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === "") next.delete(key);
    else next.set(key, value);
  }
  const text = next.toString();
  return `/${name}${text ? `?${text}` : ""}`;
}

// Another page, with what is shared.
export const link = (name, changes = {}) => address(name, changes, false);

export function go(to, { replace = false } = {}) {
  if (to !== location.pathname + location.search) history[replace ? "replaceState" : "pushState"](null, "", to);
  tell();
}

// This page, changed.
export const set = (changes, how) => go(address(page(), changes, true), how);
export const here = (changes) => address(page(), changes, true);

// Draws again when the address changes.
export function useAddress() {
  const [, turn] = useState(0);
  useEffect(() => {
    const hear = () => turn((n) => n + 1);
    heard.add(hear);
    return () => heard.delete(hear);
  }, []);
}

// A click on a link of our own changes the address without loading anything.
export function follow(event) {
  const to = event.target.closest?.("a[data-own]");
  if (!to || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  go(to.getAttribute("href"));
}

export const theme = () => document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
export const language = () => document.documentElement.lang;

// Theme and language as the address says.
export function applied() {
  const root = document.documentElement, wanted = get("theme"), lang = get("lang");
  if (wanted === "dark" || wanted === "light") root.dataset.theme = wanted;
  else delete root.dataset.theme;
  root.lang = lang === "zh" || (!lang && navigator.language.startsWith("zh")) ? "zh" : "en";
}
