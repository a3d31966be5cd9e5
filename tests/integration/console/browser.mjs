// The console in Chromium: what a person does there, and that nothing in a log acts. Started by browser.rs, which holds the numbers that
// have to be on the screen. It must never pass when a step did not happen: each step waits for what it changes.
import { createRequire } from "node:module";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

const setup = JSON.parse(process.env.SETUP);
const require = createRequire(`${setup.modules}/`);
const { chromium } = require("playwright-core");
const axe = setup.what === "pages" ? readFileSync(require.resolve("axe-core/axe.min.js"), "utf8") : "";
const PAGES = ["overview", "search", "provider", "integrity", "alerts", "consumers"];
const number = (text) => Number(String(text).replaceAll(",", ""));

const browser = await chromium.launch({ executablePath: setup.chromium, args: ["--no-sandbox"] });
process.on("exit", () => browser.process?.()?.kill());

// A page that fails the test when it asks another host, or its console says anything of an error.
async function open(origin, { theme = "light", expects = [], bypass = false } = {}) {
  const context = await browser.newContext({ viewport: { width: 1400, height: 950 }, colorScheme: theme, locale: "en-US", timezoneId: "Asia/Shanghai", bypassCSP: bypass });
  const page = await context.newPage(), wrong = [];
  page.on("request", (request) => { if (new URL(request.url()).origin !== origin && !request.url().startsWith("data:")) wrong.push(`asks ${request.url()}`); });
  page.on("console", (message) => { if (["error", "warning"].includes(message.type()) && !expects.some((text) => message.text().includes(text))) wrong.push(`console: ${message.text()}`); });
  page.on("pageerror", (error) => wrong.push(`throws ${error.stack}`));
  page.on("dialog", (dialog) => { wrong.push(`dialog ${dialog.message()}`); dialog.dismiss(); });
  page.setDefaultTimeout(20000);
  const test = (name) => page.locator(`[data-test="${name}"]`);
  const go = (path) => page.goto(origin + path);
  const total = async (wanted) => { await page.waitForFunction((n) => document.querySelector("[data-test=total]")?.textContent.replaceAll(",", "") === String(n), wanted); };
  const parameter = (name) => new URL(page.url()).searchParams.get(name);
  const until = (name, fits) => page.waitForURL((url) => fits(url.searchParams.get(name)));
  const end = async () => { assert.deepEqual(wrong, []); await context.close(); };
  return { page, test, go, total, parameter, until, end, context };
}

// Whether something is painted on a canvas.
const painted = (canvas) => canvas.evaluate((c) => {
  const pixels = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
  let count = 0;
  for (let at = 3; at < pixels.length; at += 4) if (pixels[at]) count += 1;
  return count;
});

const steps = [];
const step = (name, run) => steps.push([name, run]);

step("log in: a wrong token is told, the right one opens, the cookie is out of reach, and log out ends it", async () => {
  const { page, test, go, end, context } = await open(setup.closed, { expects: ["401"] });
  await go("/search?from=all");
  await test("token").fill("not the token at all");
  await page.keyboard.press("Enter");
  await page.locator("#login-said:has-text('not the token')").waitFor();
  await page.screenshot({ path: `${setup.shots}/login.png` });
  await test("token").fill(setup.token);
  await test("login").click();
  await test("total").waitFor();
  const [cookie] = await context.cookies();
  assert.deepEqual([cookie.httpOnly, cookie.sameSite, await page.evaluate(() => document.cookie)], [true, "Strict", ""]);
  await test("logout").click();
  await test("token").waitFor();
  assert.equal(await test("rows").count(), 0, "what was shown is gone");
  await end();
});

step("overview: charts are drawn, and say what query says", async () => {
  const { page, test, go, total, end } = await open(setup.url);
  await go("/overview?from=all");
  await total(setup.total);
  assert.equal(number(await test("chart-pv").locator("[data-test=tile]").textContent()), setup.pv);
  const trend = test("chart-trend").locator("canvas");
  await trend.waitFor();
  assert.ok((await painted(trend)) > 300, "the line is painted");
  assert.ok((await painted(test("hist").locator("canvas"))) > 300, "the bars are painted");
  await test("chart-trend").locator("header button").click();
  const twin = test("chart-trend").locator("tbody tr");
  await twin.first().waitFor();
  const sums = await twin.evaluateAll((rows) => rows.reduce((sum, row) => sum + Number(row.cells[1].textContent.replaceAll(",", "")), 0));
  assert.equal(sums, setup.pvByHour, "the table twin has the same numbers");
  const parts = test("chart-actions").locator("tbody tr");
  await parts.first().waitFor();
  const shown = await parts.evaluateAll((rows) => rows.map((row) => [row.cells[0].textContent.trim(), Number(row.cells[2].textContent.replaceAll(",", ""))]));
  assert.deepEqual(shown, setup.actions.map((row) => [row.it_action, row.pv]));
  await test("chart-pv").locator("summary").click();
  assert.match(await test("chart-pv").locator("[data-test=call]").textContent(), /^GET \/api\/table\?q=serviceName/);
  await page.locator(".tabs a:has-text('Custody')").click();
  await test("chart-quarantined").locator("[data-test=tile]").waitFor();
  await end();
});

step("search: drag to zoom and back, and the same with the keyboard alone", async () => {
  const { page, test, go, total, until, parameter, end } = await open(setup.url);
  await go("/search?from=all");
  await total(setup.total);
  const box = await test("hist").locator(".u-over").boundingBox();
  await page.mouse.move(box.x + 2, box.y + 40);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width / 4, box.y + 42, { steps: 8 });
  await page.mouse.up();
  await until("to", (to) => /^\d{10}$/.test(to ?? ""));
  const [from, to] = [Number(parameter("from")), Number(parameter("to"))];
  assert.ok(to > from && to - from < 86400 * 7, `${from} to ${to}`);
  await page.waitForFunction((n) => Number(document.querySelector("[data-test=total]").textContent.replaceAll(",", "")) < n, setup.total);
  await page.goBack();
  await total(setup.total);
  await test("hist").focus();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Shift+ArrowRight");
  const said = await page.locator("#hist-where").textContent();
  assert.match(said, /UTC: \d/);
  await page.keyboard.press("Escape");
  assert.match(await page.locator("#hist-where").textContent(), /Drag to zoom/);
  await page.keyboard.press("Home");
  await page.keyboard.press("Shift+ArrowRight");
  const counted = number((await page.locator("#hist-where").textContent()).split("UTC: ")[1].split(", failures")[0]);
  await page.keyboard.press("Enter");
  await until("from", (now) => /^\d{10}$/.test(now ?? ""));
  await total(counted);
  await test("hist-table").click();
  const rows = await test("hist-rows").locator("tbody tr").evaluateAll((all) => all.reduce((sum, row) => sum + Number(row.cells[1].textContent.replaceAll(",", "")), 0));
  assert.equal(rows, counted, "the histogram's table has the same numbers");
  await end();
});

step("search: filter by a value, exclude it, complete a field, run SQL", async () => {
  const { page, test, go, total, until, end } = await open(setup.url);
  await go("/search?from=all");
  await total(setup.total);
  const value = test("value-eventName").first();
  assert.ok((await value.textContent()).includes(setup.top.v));
  await value.click();
  await until("q", (q) => q === `eventName: "${setup.top.v}"`);
  await total(setup.top.n);
  await go("/search?from=all");
  await test("exclude-eventName").first().click();
  await until("q", (q) => q === `(not eventName: "${setup.top.v}")`);
  await total(setup.total - setup.top.n);
  await test("question").fill("");
  await test("question").pressSequentially("it_outc");
  await page.locator("#offers [role=option]").first().waitFor();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  assert.equal(await test("question").inputValue(), "it_outcome: ");
  await test("question").pressSequentially("failure");
  await page.keyboard.press("Enter");
  await total(setup.failures);
  await test("question").fill("* | select count(1) as n");
  await test("ask").click();
  await test("result").locator("tbody td").first().waitFor();
  assert.equal(number(await test("result").locator("tbody td").first().textContent()), setup.total);
  await end();
});

step("an error of a question is told with its place", async () => {
  const { page, go, end } = await open(setup.url, { expects: ["400"] });
  await go("/search?from=all&q=a%20and%20(b");
  await page.locator("[role=alert]:has-text('line 1, column 7')").first().waitFor();
  await end();
});

step("an event: opened and closed with the keyboard, raw, explained, proven, and in the address", async () => {
  const { page, test, go, until, end } = await open(setup.url);
  await go("/search?from=all");
  await test("rows").locator("tbody tr").nth(3).waitFor();
  await test("rows").locator("tbody tr").first().focus();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await until("event", (event) => /^log:\d+$/.test(event ?? ""));
  await test("drawer").locator(".pairs tr").nth(5).waitFor();
  assert.ok(await test("drawer").evaluate((drawer) => drawer === document.activeElement), "the drawer has the focus");
  await page.locator("#tab-columns").focus();
  await page.keyboard.press("ArrowRight");
  const raw = JSON.parse(await test("raw").textContent());
  assert.ok(raw.eventId || raw.EventID);
  await page.keyboard.press("ArrowRight");
  await test("drawer").locator(".pairs th:has-text('decode')").first().waitFor();
  await page.keyboard.press("ArrowRight");
  assert.match(await test("proof").textContent(), /^c2sp\.org\/tlog-proof@v1\nindex \d+\n/);
  assert.match(await test("proof-said").textContent(), /hashes lead to the signed root/);
  await page.reload();
  await test("proof").waitFor();
  await test("rows").locator("tbody tr").nth(3).waitFor();
  await page.keyboard.press("Escape");
  await until("event", (event) => event === null);
  assert.equal(await page.evaluate(() => document.activeElement.tagName), "TR", "the focus is in the list again");
  await end();
});

step("log text is text: markup, escapes, direction marks", async () => {
  const { page, test, go, end } = await open(setup.url);
  await go("/search?from=all&cols=userAgent,eventName&q=alert");
  await test("rows").locator("tbody tr").first().waitFor();
  assert.match(await test("rows").textContent(), /<script>alert\(document\.cookie\)<\/script>/);
  const seen = [];
  for (const line of await page.evaluate(async () => (await (await fetch("/api/search?q=*&limit=500&columns=it_origin,userAgent")).json()).rows)) {
    if (!String(line.columns.it_origin).includes("hostile-strings")) continue;
    await go(`/search?from=all&event=log:${line.seq}&tab=raw`);
    const text = await test("raw").textContent();
    seen.push(text);
    assert.ok(!/[\u202a-\u202e\u2066-\u2069\u200b-\u200f\u001b]/.test(text), "nothing hides or reorders");
    assert.equal(await page.locator("#app script, #app img, #app iframe, #app [onerror], #app [onload]").count(), 0);
    await page.locator("#tab-columns").click();
    assert.ok(!/[\u202a-\u202e\u2066-\u2069\u001b]/.test(await test("drawer").textContent()));
  }
  assert.ok(seen.length >= 4, `${seen.length} hostile events`);
  const all = seen.join("\n");
  assert.match(all, /<script>/);
  assert.match(all, /\\u\{202e\}|\\u202e/);
  assert.match(all, /\\u\{1b\}|\\u001b/);
  await page.screenshot({ path: `${setup.shots}/hostile.png` });
  await go("/alerts?from=all");
  await test("alerts").locator("tbody tr").first().waitFor();
  const alert = await test("alerts").textContent();
  assert.match(alert, /A bucket was deleted <img src=x onerror=alert\(1\)>/);
  assert.match(alert, /ram-user:alice\\u\{202e\}/);
  await end();
});

step("language, theme, zone and range are in the address and stay", async () => {
  const { page, test, go, total, until, parameter, end } = await open(setup.url);
  await go("/search?from=all");
  await total(setup.total);
  await test("lang").click();
  await until("lang", (lang) => lang === "zh");
  await page.locator("nav a:has-text('完整性')").waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.lang), "zh");
  await test("theme").click();
  await until("theme", (theme) => theme === "dark");
  const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  assert.equal(ground, "rgb(16, 22, 28)");
  await test("zone").click();
  await until("tz", (tz) => tz === "local");
  assert.ok((await test("zone").textContent()).includes("Asia/Shanghai"));
  await test("nav-integrity").click();
  await page.locator("h1:has-text('完整性')").waitFor();
  assert.deepEqual(["lang", "theme", "tz", "from"].map(parameter), ["zh", "dark", "local", "all"]);
  await go("/search?lang=en");
  await test("range").click();
  await test("range-input").fill("no range at all");
  await page.keyboard.press("Enter");
  await page.locator("#range-help.bad").waitFor();
  await test("range-input").fill("2026-06-01 to 2026-06-03");
  await page.keyboard.press("Enter");
  await until("from", (from) => from === String(Date.UTC(2026, 5, 1) / 1000));
  assert.equal(parameter("to"), String(Date.UTC(2026, 5, 3) / 1000));
  await test("range").click();
  await test("range-input").fill("2h");
  await page.keyboard.press("Enter");
  await until("from", (from) => from === "-2h");
  await test("show-all").click();
  await total(setup.total);
  await end();
});

step("keyboard alone: from the top of the page into the list, without a trap", async () => {
  const { page, test, go, total, end } = await open(setup.url);
  await go("/search?from=all");
  await total(setup.total);
  await test("rows").locator("tbody tr").first().waitFor();
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
  const seen = new Set();
  for (let n = 0; n < 120; n += 1) {
    await page.keyboard.press("Tab");
    const where = await page.evaluate(() => {
      const at = document.activeElement, box = at.getBoundingClientRect(), outline = getComputedStyle(at).outlineStyle;
      return { name: at.closest("[data-test]")?.dataset.test ?? at.tagName, tag: at.tagName, visible: box.width > 0 && box.height > 0, outline };
    });
    assert.ok(where.visible, `${JSON.stringify(where)} has the focus and is not seen`);
    seen.add(where.name);
    if (where.tag === "TR") break;
  }
  for (const name of ["nav-overview", "range", "zone", "lang", "theme", "trust-sealed", "store", "question", "ask", "hist", "field-it_actor", "value-it_actor", "columns", "rows"]) assert.ok(seen.has(name), `${name} is not reached: ${[...seen]}`);
  await page.keyboard.press("Enter");
  await test("drawer").waitFor();
  await end();
});

step("provider access, integrity, alerts and consumers show what is there", async () => {
  const { page, test, go, end } = await open(setup.url);
  await go("/provider?from=all");
  await page.waitForFunction((n) => document.querySelector("[data-test=provider-total]")?.textContent === String(n), setup.platform);
  await test("provider").locator("tbody tr").first().waitFor();
  assert.match(await test("provider").textContent(), /person/);
  await test("provider").locator("tbody tr").first().click();
  await test("drawer").waitFor();
  await go("/integrity");
  assert.equal(number(await test("records").textContent()), setup.total);
  assert.match(await test("checkpoint").textContent(), new RegExp(`\\n${setup.total}\\n`));
  await test("verify").click();
  await page.locator("[data-test=verify-said].good").waitFor();
  await test("trust-verified").locator("b:has-text('good to')").waitFor({ timeout: 5000 });
  assert.match(await test("gaps").textContent(), /the cursor expired/);
  assert.ok((await test("journal").locator("tbody tr").count()) >= 4);
  await test("trust-gaps").click();
  assert.equal(new URL(page.url()).hash, "#gaps");
  await go("/alerts?from=all");
  assert.match(await test("alerts").textContent(), /resolved/);
  assert.ok((await test("rules").locator("tbody tr").count()) > 20);
  await go("/consumers");
  await test("groups").locator("tr:has-text('siem-reader')").waitFor();
  await test("sinks").waitFor();
  await end();
});

step("axe finds nothing serious on any page, in either theme", async () => {
  for (const theme of ["light", "dark"]) {
    // axe itself is put into the page, which the policy would rightly refuse.
    const { page, test, go, end } = await open(setup.url, { theme, bypass: true });
    const addresses = [...PAGES.map((name) => [name, `/${name}?from=all`]), ["event", "/search?from=all&event=log:3"], ["zh", "/overview?from=all&lang=zh"]];
    for (const [name, address] of addresses) {
      await go(address);
      await page.locator("main h1").waitFor({ state: "attached" });
      await page.waitForLoadState("networkidle");
      if (name === "search") await test("range").click();
      await page.waitForTimeout(250);
      await page.screenshot({ path: `${setup.shots}/${name}-${theme}.png` });
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
      const serious = violations.filter((v) => ["serious", "critical"].includes(v.impact));
      assert.deepEqual(serious.map((v) => [v.id, v.nodes.slice(0, 3).map((n) => `${n.html} ${n.failureSummary}`)]), [], `${name} in ${theme}`);
    }
    await end();
  }
});

step("motion is left out for who asks for none", async () => {
  const { page, test, go, end } = await open(setup.url);
  await page.emulateMedia({ reducedMotion: "reduce" });
  await go("/search?from=all&event=log:3");
  assert.equal(await test("drawer").evaluate((drawer) => getComputedStyle(drawer).animationName), "none");
  await end();
});

// How long until the newest figures are on the screen and everything can be used.
async function speed() {
  const took = [];
  for (const address of ["/", "/?from=all", "/search?from=all", "/integrity"]) {
    const { page, test, go, end } = await open(setup.url);
    const begun = Date.now();
    await go(address);
    await test("trust").waitFor();
    if (address === "/integrity") await test("records").waitFor();
    else await page.waitForFunction((n) => document.querySelector("[data-test=total]") && (n === null || document.querySelector("[data-test=total]").textContent.replaceAll(",", "") === String(n)), address === "/" ? null : setup.total);
    if (address.startsWith("/search")) await test("rows").locator("tbody tr").nth(5).waitFor();
    took.push([address, Date.now() - begun]);
    await end();
  }
  console.log(`usable after, ms, over ${setup.total} events: ${took.map(([address, ms]) => `${address} ${ms}`).join(", ")}`);
  assert.ok(took[0][1] <= setup.limit_ms, `the first page took ${took[0][1]} ms, at most ${setup.limit_ms} are allowed`);
}

if (setup.what === "speed") await speed();
for (const [name, run] of setup.what === "pages" ? steps : []) {
  if (setup.only && !name.includes(setup.only)) continue;
  const begun = Date.now();
  try {
    await run();
  } catch (error) {
    console.error(`FAILED: ${name}\n${error.stack}`);
    process.exit(1);
  }
  console.log(`ok: ${name} (${Date.now() - begun} ms)`);
}
await browser.close();
console.log("everything as expected");
