// The frame: which page, who may look, and what every page has around it. It must never draw anything of the Logstore before it may.
import { html, render, useEffect, useState } from "../vendor/htm/standalone.module.js";
import { ask, useCall } from "./api.js";
import { Header, TrustBar } from "./bar.js";
import { dataDir } from "./call.js";
import { Drawer } from "./drawer.js";
import { Login } from "./login.js";
import { Alerts } from "./page-alerts.js";
import { Consumers } from "./page-consumers.js";
import { Integrity } from "./page-integrity.js";
import { Overview } from "./page-overview.js";
import { Provider } from "./page-provider.js";
import { Search } from "./page-search.js";
import { applied, follow, get, page, useAddress } from "./state.js";
import { t } from "./strings.js";

const VIEWS = { overview: Overview, search: Search, provider: Provider, integrity: Integrity, alerts: Alerts, consumers: Consumers };

function Inside({ about, leave }) {
  const [turn, move] = useState(0), columns = useCall("/api/columns");
  const name = page(), View = VIEWS[name], all = columns.data?.columns || [];
  const fields = all.map((c) => c.name);
  useEffect(() => { document.title = `${t(`nav.${name}`)} · innertrail · ${about.trail}`; });
  return html`<div class="frame"><a class="skip" href="#main">${t("skip")}</a>
    <${Header} about=${about} name=${name} refresh=${() => move((n) => n + 1)} leave=${leave} />
    <${TrustBar} turn=${turn} />
    <div class="under"><main id="main" tabindex="-1"><${View} key=${name} turn=${turn} refresh=${() => move((n) => n + 1)} columns=${all} fields=${fields} /></main>
      ${get("event") && html`<${Drawer} key="drawer" event=${get("event")} fields=${fields} />`}</div></div>`;
}

function App() {
  useAddress();
  applied();
  const [about, tell] = useState(null), [error, fail] = useState(null);
  const look = () => ask("/api/about").then((told) => { dataDir(told.data_dir); tell(told); fail(null); }, fail);
  useEffect(() => {
    look();
    const out = () => tell((known) => (known ? { ...known, in: false } : known));
    addEventListener("wants-login", out);
    document.addEventListener("click", follow);
    return () => { removeEventListener("wants-login", out); document.removeEventListener("click", follow); };
  }, []);
  if (error) return html`<main class="alone"><h1>innertrail</h1><p class="bad" role="alert">${error.message}</p><button onClick=${look}>${t("refresh")}</button></main>`;
  if (!about) return html`<p class="hint wait" aria-busy="true">${t("loading")}</p>`;
  if (about.login && !about.in) return html`<${Login} entered=${look} />`;
  return html`<${Inside} about=${about} leave=${about.login ? () => ask("/api/logout", { method: "POST" }).then(look, fail) : null} />`;
}

render(html`<${App} />`, document.getElementById("app"));
