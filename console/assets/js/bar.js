// What is always on the screen: pages, theme, language, and the trust bar.
import { html, useEffect, useState } from "../vendor/htm/standalone.module.js";
import { useCall } from "./api.js";
import { RangePicker, ZoneSwitch } from "./range.js";
import { language, link, PAGES, set, theme } from "./state.js";
import { t } from "./strings.js";
import { number, Safe } from "./text.js";
import { ago } from "./time.js";

// How often trust is asked about, ms.
const EVERY = 15000;
const RANGED = ["overview", "search", "provider", "alerts"];

export function Header({ about, name, refresh, leave }) {
  const dark = theme() === "dark", zh = language() === "zh";
  return html`<header class="top"><a class="brand" data-own href=${link("overview")}><b>innertrail</b> <span><${Safe} text=${about.trail} most=${40} /></span></a>
    <nav aria-label=${t("nav.label")}>${PAGES.map((page) => html`<a data-own href=${link(page)} aria-current=${page === name ? "page" : undefined} data-test=${`nav-${page}`}>${t(`nav.${page}`)}</a>`)}</nav>
    <div class="tools">${RANGED.includes(name) && html`<${RangePicker} refresh=${refresh} />`}
      <${ZoneSwitch} />
      <button onClick=${() => set({ lang: zh ? "en" : "zh" })} lang=${zh ? "en" : "zh"} data-test="lang">${zh ? "English" : "中文"}</button>
      <button onClick=${() => set({ theme: dark ? "light" : "dark" })} aria-pressed=${dark} data-test="theme"><span aria-hidden="true">${dark ? "☀" : "☾"}</span><span class="sr">${t("theme.dark")}</span></button>
      ${leave && html`<button onClick=${leave} data-test="logout">${t("logout")}</button>`}</div></header>`;
}

function Item({ to, name, value, state, test }) {
  return html`<li><a data-own href=${`${link("integrity")}#${to}`} class=${state} data-test=${test}><span>${name}</span> <b>${value}</b></a></li>`;
}

// The last verification of this console in a few words.
export function verified(verification) {
  const { under_way: way, last } = verification || {};
  if (way) return [way.bytes_total ? `${Math.floor((100 * way.bytes_done) / way.bytes_total)} %` : "…", ""];
  if (!last) return [t("trust.never"), ""];
  const before = t("ago", { span: ago(Date.now() / 1000 - last.time_us / 1e6) });
  return last.ok ? [`${t("trust.ok")} #${number(last.records)}, ${before}`, "good"] : [`${t("trust.findings", { n: last.findings_total ?? "?" })}, ${before}`, "bad"];
}

export function TrustBar({ turn }) {
  const [beat, move] = useState(0);
  useEffect(() => {
    const each = setInterval(() => { if (!document.hidden) move((n) => n + 1); }, EVERY);
    const now = () => move((n) => n + 1);
    addEventListener("trust-changed", now);
    return () => { clearInterval(each); removeEventListener("trust-changed", now); };
  }, []);
  const call = useCall("/api/trust", turn + beat), trust = call.data;
  if (!trust) return html`<div class="trust" aria-label=${t("trust.label")}><p class=${call.error ? "bad" : "hint"}>${call.error ? call.error.message : t("loading")}</p></div>`;
  const [verify, how] = verified(trust.verification), seal = trust.seal;
  const sealed = seal ? `#${number(seal.records)}, ${t("ago", { span: ago(seal.age_seconds) })}` : t("trust.none");
  return html`<nav class="trust" aria-label=${t("trust.label")} data-test="trust"><ul>
    <${Item} to="seal" name=${t("trust.sealed")} value=${sealed} state=${seal && seal.records === trust.records ? "good" : "warn"} test="trust-sealed" />
    <${Item} to="verify" name=${t("trust.verified")} value=${verify} state=${how} test="trust-verified" />
    <${Item} to="sources" name=${t("trust.lag")} value=${trust.lag_seconds === null ? t("trust.no_source") : ago(trust.lag_seconds)} state=${trust.paused ? "bad" : ""} test="trust-lag" />
    <${Item} to="gaps" name=${t("trust.gaps")} value=${number(trust.gaps)} state=${trust.gaps ? "bad" : "good"} test="trust-gaps" />
    <${Item} to="bytes" name=${t("trust.conserved")} value=${trust.conserved ? t("yes") : t("no")} state=${trust.conserved ? "good" : "bad"} test="trust-conserved" />
    <${Item} to="state" name=${t("trust.state")} value=${trust.state ? t(`state.${trust.state}`, {}, trust.state) : "–"} state=${trust.state === "running" ? "good" : "warn"} test="trust-state" />
  </ul></nav>`;
}
