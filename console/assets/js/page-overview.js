// Overview: how much came when, and the dashboards that come with innertrail.
import { html } from "../vendor/htm/standalone.module.js";
import { path, useCall } from "./api.js";
import { ApiCall, query, Told } from "./call.js";
import { Chart } from "./charts.js";
import { Histogram } from "./histogram.js";
import { useRange } from "./range.js";
import { get, here, link } from "./state.js";
import { t } from "./strings.js";

export function Overview({ turn, fields }) {
  const range = useRange(turn);
  const url = range && path("/api/histogram", { from: range.from, to: range.to, buckets: 80 });
  const events = useCall(url, turn), charts = useCall("/api/charts");
  const boards = charts.data?.dashboards || [], board = boards.find((b) => b.dashboardName === get("dash")) || boards[0];
  return html`<div class="page"><h1 class="sr">${t("nav.overview")}</h1>
    <div class="card"><${Told} call=${events}>${events.data && html`<${Histogram} data=${events.data} />`}<//>
      ${events.data?.total === 0 && html`<${Nothing} />`}
      <${ApiCall} url=${url} took=${events.data?.took_ms} cli=${query("* | select count(1)")} /></div>
    <${Told} call=${charts}>${board && html`
      <nav class="tabs" aria-label=${t("dash.which")}>${boards.map((b) => html`<a data-own href=${here({ dash: b.dashboardName })} aria-current=${b === board ? "page" : undefined}>
        ${t(`dash.${b.dashboardName}`, {}, b.displayName)}</a>`)}</nav>
      <div class="grid" data-test="dashboard" key=${board.dashboardName}>${board.charts.map((chart) => html`
        <${Chart} key=${chart.title} chart=${chart} range=${range} turn=${turn} fields=${fields} />`)}</div>`}<//></div>`;
}

// Where the events are, when there are none in the range.
export function Nothing() {
  return html`<p class="note">${t("range.empty")} ${get("from") !== "all" && html`<a data-own href=${link(location.pathname.slice(1) || "overview", { from: "all", to: null, q: get("q") })} data-test="show-all">${t("range.show_all")}</a>`}</p>`;
}
