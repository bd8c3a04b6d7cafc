// Uses the page as people do, in Chromium: node check.mjs URL [FOLDER FOR PICTURES]
//
// The page comes from the server at URL, the answers of the API from `answers.mjs`.

import assert from "node:assert/strict";

import { answer } from "./answers.mjs";
import { browser, check, click, complaints, count, elsewhere, end, focused, open, picture, quiet, scheme, size, text, url } from "./visit.mjs";

/** What the page asked for. */
const asked = [];
/** Gives code and body of an answer that is not the usual one; the code 0 is a connection that is refused. */
let unusual = null;
let wantedToken = null;

browser.on("Fetch.requestPaused", ({ requestId, request }) => {
  const question = new URL(request.url);
  asked.push(question.pathname + question.search);
  const [code, body] = wantedToken !== null && request.headers.Authorization !== `Bearer ${wantedToken}`
    ? [401, { error: "Unauthorized", message: "a token is needed that this server knows", code: 401 }]
    : unusual?.(question) ?? [200, answer(question)];
  const fulfilled = { requestId, responseCode: code, responseHeaders: [{ name: "Content-Type", value: "application/json" }], body: Buffer.from(JSON.stringify(body ?? {})).toString("base64") };
  const sent = code === 0 ? browser.send("Fetch.failRequest", { requestId, errorReason: "ConnectionRefused" }) : browser.send("Fetch.fulfillRequest", fulfilled);
  // A request that the page has given up is no longer there.
  sent.catch(() => {});
});
await browser.send("Fetch.enable", { patterns: [{ urlPattern: "*/api/v1/*" }] });
await size(1360, 900);
await scheme("light");

await check("all files together are below 250 kB", async () => {
  await open("");
  const files = await browser.value("performance.getEntriesByType('resource').filter((one) => !one.name.includes('/api/')).length");
  const bytes = await browser.value("[...performance.getEntriesByType('resource'), ...performance.getEntriesByType('navigation')].filter((one) => !one.name.includes('/api/')).reduce((sum, one) => sum + one.transferSize, 0)");
  const paint = await browser.value("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null");
  console.log(`        ${files} files and the page, ${bytes} bytes transferred, first paint after ${paint?.toFixed(0)} ms`);
  assert.ok(files > 10 && bytes > 10000 && bytes < 250000);
});

await check("the energy, its mean power and the nodes are told in people's units", async () => {
  const tiles = await text(".tiles");
  assert.match(tiles, /Energy\s+[\d.,]+ kWh/);
  assert.match(tiles, /Mean power\s+[\d.,]+ kW/);
  assert.match(tiles, /2 of 3\s+cpu-02 silent/);
  assert.ok(await count(".plot canvas"));
  await picture("energy light");
});

await check("power is divided by domain, consumer or node", async () => {
  assert.match(await text(".legend"), /GPUs[\s\S]*package[\s\S]*dram/);
  await click("[data-key='split consumer']");
  await browser.until("/train-llm|checkout|all else/.test(document.querySelector('.legend').innerText)");
  assert.match(await text(".legend"), /all else/);
  await quiet();
  await picture("energy by consumer");
  await click("[data-key='split node']");
  await browser.until("/gpu-01/.test(document.querySelector('.legend').innerText)");
  assert.equal(await count(".legend tbody tr"), 3);
});

await check("a click in the legend hides an area, and the link remembers it", async () => {
  await click("[data-key='legend/gpu-01']");
  await browser.until("document.querySelector(\"[data-key='legend/gpu-01']\").ariaPressed === 'false'");
  assert.match(await browser.value("location.hash"), /hide=gpu-01/);
  await click("[data-key='legend/gpu-01']");
  await browser.until("!location.hash.includes('hide')");
});

await check("each joule of the legend is in the sum, and watts are joules by time", async () => {
  await open("#/energy?from=2026-03-01T00:00:00.000Z&to=2026-03-01T04:00:00.000Z&split=node");
  const of = answer(new URL(`${url}api/v1/energy?from=2026-03-01T00:00:00.000Z&to=2026-03-01T04:00:00.000Z&by=node&step=60s`));
  const titles = await browser.value("[...document.querySelectorAll('.legend tbody [title$=\" J\"]')].map((one) => Number(one.title.replace(/[^\\d.]/g, '')))");
  assert.ok(Math.abs(titles.reduce((a, b) => a + b) - of.joules) < 1);
  await browser.value("document.querySelector('.values summary').click()");
  await browser.until("document.querySelectorAll('.values tbody tr').length === 238");
});

await check("the arrow keys read the values of the plot", async () => {
  await browser.value("document.querySelector('.plot').focus()");
  await browser.press("Home");
  const first = await text(".legend thead");
  await browser.press("ArrowRight");
  assert.notEqual(await text(".legend thead"), first);
  await browser.press("Escape");
  assert.match(await text(".legend thead"), /Latest/i);
});

await check("a drag over the plot looks closer, and the back button goes back", async () => {
  const { x, y, width, height } = await browser.box(".plot .u-over");
  await browser.drag(x + width * 0.25, x + width * 0.5, y + height / 2);
  await browser.until("Math.abs(Date.parse(new URLSearchParams(location.hash.split('?')[1]).get('from')) - Date.parse('2026-03-01T01:00:00Z')) < 120000", 'the range begins at its first quarter');
  await quiet();
  assert.equal(await browser.value("document.querySelector('.custom').hidden"), false);
  await browser.value("history.back()");
  await browser.until("location.hash.includes('01T04')");
});

await check("the way leads from a node to a pod and to what is inside, and back", async () => {
  await open("#/energy");
  await click("section[aria-label='Top consumers'] .row[href*='node=cpu-01']");
  await browser.until("document.querySelector('.crumbs').innerText.includes('cpu-01') && document.querySelectorAll('.row[href*=kubepods]').length >= 9");
  assert.match(await text("section[aria-label='Top consumers'] tbody"), /shop|platform/);
  await click("[data-key=more]");
  await browser.until("document.querySelectorAll('.row[href*=kubepods]').length > 10");
  const pod = "kubepods-burstable-pod5f3a1c00";
  await click(`.row[href*='${pod}']`);
  await browser.until("/pod checkout/.test(document.querySelector('.crumbs').innerText) && document.querySelectorAll('section[aria-label=\"Top consumers\"] .row').length === 2");
  assert.match(await text("section[aria-label='Top consumers'] tbody"), /app[\s\S]*sidecar/);
  await quiet();
  await picture("pod");
  await browser.value("document.querySelector(\"[data-key='rank process']\").focus()");
  await browser.press("Enter");
  await browser.until("/pid \\d+/.test(document.querySelector('section[aria-label=\"Top consumers\"] tbody')?.innerText)");
  await quiet();
  assert.equal(await focused(), "Processes");
  await browser.value("history.back()");
  await browser.until("document.querySelectorAll('section[aria-label=\"Top consumers\"] .row').length === 2");
  await browser.press("Escape");
  await browser.until("document.querySelector('.crumbs').innerText.endsWith('cpu-01')");
  await browser.press("Escape");
  await browser.until("document.querySelector('.crumbs').innerText === 'All nodes'");
});

await check("processes and GPUs are ranked, and a GPU shows its processes", async () => {
  await click("[data-key='rank process']");
  await browser.until("/pid \\d+/.test(document.querySelector('section[aria-label=\"Top consumers\"] tbody').innerText)");
  await click("[data-key='rank gpu']");
  await browser.until("document.querySelectorAll('.row[href*=gpu]').length === 8");
  await click(".row[href*='gpu']");
  await browser.until("/GPU 0000/.test(document.querySelector('.crumbs').innerText) && /pid/.test(document.querySelector('section[aria-label=\"Top consumers\"]').innerText)");
});

await check("tables are walked with arrows, opened with Enter and sorted by headings", async () => {
  await open("#/gpus");
  await browser.value("document.querySelector('tbody .row').focus()");
  const first = await focused();
  await browser.press("ArrowDown");
  assert.notEqual(await focused(), first);
  await browser.press("Home");
  assert.equal(await focused(), first);
  const table = await text("tbody");
  assert.match(table, /\d %/);
  assert.match(table, /°C/);
  assert.match(table, /of 79\.6 GiB/);
  await click("[data-key='GPUs/power']");
  await browser.until("document.querySelector('[aria-sort]').ariaSort === 'descending' && location.hash.includes('sort=-power')");
  await quiet();
  await picture("gpus light");
  await browser.value("document.querySelector('tbody .row').focus()");
  await browser.press("Enter");
  await browser.until("location.hash.startsWith('#/energy') && location.hash.includes('of=gpu')");
});

await check("nodes say whether they are live", async () => {
  await open("#/nodes");
  assert.equal(await count(".state.good"), 2);
  assert.match(await text("tbody"), /cpu-02[\s\S]*silent/);
  await picture("nodes light");
});

await check("the pipeline tells lag, drops, what waits and what is wrong", async () => {
  await open("#/pipeline");
  assert.match(await text(".problems"), /influx\.lan/);
  assert.match(await text("tbody"), /308,823[\s\S]*308,000 on disk[\s\S]*rejected: 200[\s\S]*11 min/);
  await picture("pipeline light");
});

await check("a key does what the help says", async () => {
  await open("#/energy");
  for (const [key, hash] of [["2", "#/nodes"], ["3", "#/gpus"], ["4", "#/pipeline"], ["1", "#/energy"]]) {
    await browser.press(key);
    await browser.until(`location.hash.startsWith('${hash}')`);
  }
  await quiet();
  await browser.press("b");
  await browser.until("location.hash.includes('split=consumer')");
  await browser.press("-");
  await browser.until("location.hash.includes('from=now-7200s')");
  await browser.press("+");
  await browser.until("!location.hash.includes('7200s')");
  await browser.press(",");
  await browser.until("/from=20.*to=20/.test(location.hash)");
  await browser.press(".");
  await browser.press("n");
  await browser.until("document.activeElement.tagName === 'SELECT'");
  await browser.value("document.activeElement.blur()");
  await browser.press("?");
  await browser.until("document.querySelector('dialog[open] .keys') !== null");
  await picture("help");
  await browser.press("Escape");
  await browser.until("document.querySelector('dialog') === null");
});

await check("time, node and refresh are chosen with controls", async () => {
  await open("#/energy");
  const choose = (label, value) => browser.value(`(() => { const one = [...document.querySelectorAll('#toolbar label')].find((label) => label.textContent.startsWith('${label}')).querySelector('select'); one.value = '${value}'; one.dispatchEvent(new Event('change')); })()`);
  await choose("Time", "6h");
  await browser.until("location.hash.includes('from=now-6h')");
  await choose("Node", "gpu-01");
  await browser.until("location.hash.includes('node=gpu-01') && document.querySelector('.crumbs').innerText.includes('gpu-01')");
  assert.ok(asked.some((one) => /\/energy\?from=20.*&to=now&node=gpu-01/.test(one)));
  await choose("Refresh", "2");
  await quiet();
  asked.length = 0;
  await browser.until("location.hash.includes('every=2')");
  while (asked.filter((one) => one.includes("/energy?")).length < 4) await new Promise((resolve) => setTimeout(resolve, 50));
  await choose("Refresh", "0");
  await choose("Time", "custom");
  await browser.until("!document.querySelector('.custom').hidden && document.querySelector('.custom input').value !== ''");
  await browser.value("(() => { const [from, to] = document.querySelectorAll('.custom input'); from.value = '2026-02-01T10:00:00'; to.value = '2026-02-01T12:00:00'; document.querySelector('.custom button').click(); })()");
  await browser.until("location.hash.includes('from=2026-02-01')");
});

await check("a link restores the view", async () => {
  await open("#/energy?from=now-1d&every=0&node=cpu-01&split=consumer&rank=process&sort=name&n=20");
  const before = await text("main");
  const hash = await browser.value("location.hash");
  assert.equal(await count("section[aria-label='Top consumers'] tbody tr"), 20);
  await open(hash);
  assert.equal((await text("main")).slice(0, 20), before.slice(0, 20));
  assert.equal(await browser.value("document.querySelector('[data-key=\"split consumer\"]').ariaCurrent"), "true");
  assert.equal(await browser.value("document.querySelector('[aria-sort]').innerText"), "Name ↑".slice(0, 4));
  await open("#/nonsense?from=yesterday&split=colour&every=often&n=-3&of=x");
  assert.match(await text(".tiles"), /in 1 h/);
});

await check("dark mode follows the system until something is chosen", async () => {
  await open("#/energy");
  const background = () => browser.value("getComputedStyle(document.body).backgroundColor");
  const light = await background();
  await scheme("dark");
  await browser.until(`getComputedStyle(document.body).backgroundColor !== '${light}'`);
  assert.ok(await count(".plot canvas"));
  await picture("energy dark");
  await browser.press("d");
  assert.equal(await background(), light);
  await open("#/energy");
  assert.equal(await background(), light, "the choice outlives the page");
  await browser.press("d");
  await browser.press("d");
  await browser.until("document.documentElement.dataset.theme === undefined");
  await scheme("light");
});

await check("at 360 pixels everything is there and nothing sticks out", async () => {
  await size(360, 740, true);
  for (const tab of ["energy", "nodes", "gpus", "pipeline"]) {
    await open(`#/${tab}`);
    assert.equal(await browser.value("document.documentElement.scrollWidth"), 360, tab);
    await picture(`phone ${tab}`);
  }
  await size(1360, 900);
});

await check("every control has a name for a screen reader, and every table and plot a caption", async () => {
  for (const tab of ["energy", "nodes", "gpus", "pipeline"]) {
    await open(`#/${tab}`);
    const { nodes } = await browser.send("Accessibility.getFullAXTree");
    const roles = new Set(["button", "link", "combobox", "textbox", "table", "application", "navigation", "region"]);
    const nameless = nodes.filter((one) => !one.ignored && roles.has(one.role?.value) && !one.name?.value).map((one) => one.role.value);
    assert.deepEqual(nameless, [], tab);
  }
});

await check("the focus walks through every control in the order that is seen, and survives a refresh", async () => {
  await open("#/energy");
  const seen = [];
  for (let step = 0; step < 60; step += 1) {
    await browser.press("Tab");
    seen.push(await focused());
  }
  const order = ["Skip to the content", "Energy", "Pipeline", "Nodes", "package", "GPUs"].map((name) => seen.findIndex((one) => one.startsWith(name)));
  assert.ok(order.every((place) => place >= 0), `${seen.join(" | ")}`);
  await browser.value("document.querySelector(\"[data-key='rank process']\").focus()");
  await browser.press("Enter");
  await browser.until("location.hash.includes('rank=process')");
  await quiet();
  assert.equal(await focused(), "Processes");
});

await check("a token is asked for, kept for this tab, sent and forgotten", async () => {
  wantedToken = "secret";
  await open("#/energy");
  await browser.until("document.querySelector('dialog[open] input') !== null");
  assert.match(await text("dialog"), /a token is needed/);
  await picture("token");
  await browser.send("Input.insertText", { text: "secret" });
  await browser.press("Enter");
  await browser.until("/kWh/.test(document.querySelector('.tiles')?.innerText)");
  assert.equal(await browser.value("localStorage.length + document.cookie.length"), 0);
  const sign = () => browser.value("[...document.querySelectorAll('#toolbar button')].at(-1).click()");
  assert.match(await text("#toolbar"), /Sign out/);
  await sign();
  await browser.until("document.querySelector('dialog[open] input') !== null");
  assert.equal(await text(".tiles"), "", "what was seen is gone");
  await browser.press("Escape");
  await browser.until("document.querySelector('dialog') === null && /Sign in/.test(document.querySelector('#toolbar').innerText)");
  await sign();
  await browser.until("document.querySelector('dialog[open] input') !== null");
  wantedToken = null;
});

await check("an error of the API is told in the words of the server, and goes away", async () => {
  unusual = (question) => question.pathname.endsWith("/top") ? [422, { error: "Unprocessable Entity", message: "more than 10000 series are asked for; choose a shorter time", code: 422 }] : undefined;
  await open("#/energy");
  await browser.until("/more than 10000 series/.test(document.querySelector('section[aria-label=\"Top consumers\"] .error').innerText)");
  assert.match(await text(".tiles"), /kWh/);
  await picture("error");
  unusual = () => [0];
  await browser.press("r");
  await browser.until("/does not answer/.test(document.querySelector('section[aria-label=\"Power over time\"] .error').innerText)");
  unusual = null;
  await browser.press("r");
  await browser.until("[...document.querySelectorAll('.error')].every((one) => one.hidden)");
});

await check("where nothing is stored, the page says what to do", async () => {
  const nothing = { nodes: [], rows: [], resources: [], consumers: [], total: 0, joules: 0, from: Date.now() - 36e5, to: Date.now() };
  unusual = (question) => [200, question.pathname.endsWith("/top") ? { rows: [], others: { joules: 0, rows: 0 }, total: { joules: 0 } } : question.pathname.endsWith("/status") ? {} : nothing];
  for (const [tab, words] of [["energy", /No energy is stored[\s\S]*rapl/], ["energy?rank=cgroup", /No energy is attributed[\s\S]*energy-attribution/], ["nodes", /relay-client/], ["gpus", /nvml/], ["pipeline", /no output[\s\S]*store/]]) {
    await open(`#/${tab}`);
    assert.match(await text("main"), words);
    await picture(`empty ${tab.replace(/\?.*/, "")}`);
  }
  unusual = null;
});

await check("names are text and never markup", async () => {
  unusual = (question) => question.pathname.endsWith("/top") ? [200, { ...answer(question), rows: [{ labels: { node: "<img src=x onerror=alert(1)>" }, joules: 1, quality: "<b>" }] }] : undefined;
  await open("#/energy");
  assert.match(await text("section[aria-label='Top consumers'] tbody"), /<img src=x/);
  assert.equal(await count("main img"), 0);
  unusual = null;
});

await check("nothing is fetched from elsewhere, and the browser complains of nothing", async () => {
  assert.deepEqual(elsewhere, []);
  assert.deepEqual(complaints, []);
});

await end();
