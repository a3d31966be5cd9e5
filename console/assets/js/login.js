// The token, once; what is kept of it is the session's cookie, which no script can read.
import { html, useEffect, useRef, useState } from "../vendor/htm/standalone.module.js";
import { ask } from "./api.js";
import { t } from "./strings.js";

export function Login({ entered }) {
  const [error, fail] = useState(null), [busy, work] = useState(false), input = useRef(null);
  useEffect(() => { document.title = `${t("login.title")} · innertrail`; input.current?.focus(); }, []);
  const submit = async (event) => {
    event.preventDefault();
    work(true);
    try {
      await ask("/api/login", { method: "POST", body: { token: input.current.value } });
      entered();
    } catch (refused) {
      fail(refused);
      work(false);
      input.current?.select();
    }
  };
  return html`<main class="alone"><h1>innertrail</h1><form onSubmit=${submit}>
    <label>${t("login.label")}<input ref=${input} type="password" name="token" autocomplete="current-password" required aria-describedby="login-said" data-test="token" /></label>
    <button class="main" disabled=${busy} data-test="login">${t("login.go")}</button>
    <p id="login-said" role="alert" class="bad">${error && t(`login.${error.code}`, {}, error.message)}</p></form></main>`;
}
