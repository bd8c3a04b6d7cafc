// Looks at every view with what the API really answers: node real.mjs URL [FOLDER FOR PICTURES]

import assert from "node:assert/strict";

import { browser, check, click, complaints, count, elsewhere, end, open, picture, quiet, size, text } from "./visit.mjs";

const told = () => browser.value("[...document.querySelectorAll('.error')].filter((one) => !one.hidden).map((one) => one.innerText)");
const ranking = "section[aria-label='Top consumers']";

await size(1360, 900);

await check("every view is drawn from the API's own answers", async () => {
  const splits = ["domain", "consumer", "node"].map((split) => `energy?split=${split}`);
  const ranks = ["node", "cgroup", "process", "gpu"].map((rank) => `energy?rank=${rank}`);
  for (const view of [...splits, ...ranks, "nodes", "gpus"]) {
    await open(`#/${view}`);
    assert.deepEqual(await told(), [], view);
    assert.equal(await count(".empty"), 0, view);
    await picture(`real ${view.replace(/\W/g, " ")}`);
  }
});

await check("joules and watts are what was measured", async () => {
  // 100 W of the processors' packages and 20 W of memory on each of two nodes, and a GPU of 300 W.
  await open("#/energy?from=now-35m&to=now-1m");
  assert.match(await text(".tiles"), /Mean power\s+5(3\d|4\d) W/);
  // Samples are 10 s apart and steps are not a multiple of that; the power is even all the same.
  await browser.value("document.querySelector('.values summary').click()");
  const powers = await browser.value("[...document.querySelectorAll('.values tbody tr')].slice(1).map((row) => row.cells[1].innerText)");
  assert.deepEqual([...new Set(powers)], ["300 W"]);
  assert.match(await text(".legend"), /GPUs\s+300 W[\s\S]*package\s+200 W[\s\S]*dram\s+40 W/);
  await open("#/energy?from=now-35m&to=now-1m&split=consumer");
  assert.match(await text(".legend"), /python3[\s\S]*250 W[\s\S]*app[\s\S]*30 W[\s\S]*web-1[\s\S]*10 W[\s\S]*all else\s+250 W/);
});

await check("the way leads from a node to a pod and its containers", async () => {
  await open("#/energy");
  await click(`${ranking} .row[href*='node=n1']`);
  await browser.until(`/web-1/.test(document.querySelector("${ranking}").innerText)`);
  await click(`${ranking} .row[href*='pod1.slice']:not([href*='app.scope'])`);
  await browser.until("/pod web-1/.test(document.querySelector('.crumbs').innerText)");
  await quiet();
  assert.match(await text(ranking), /app[\s\S]*container/);
  assert.deepEqual(await told(), []);
  await picture("real pod");
});

await check("a GPU shows what it does and who uses it", async () => {
  await open("#/gpus");
  assert.match(await text("tbody"), /87 %[\s\S]*300 W[\s\S]*of 80 GiB[\s\S]*61 °C/);
  await click("tbody .row");
  await browser.until(`/python3/.test(document.querySelector("${ranking}")?.innerText)`);
});

await check("nothing is fetched from elsewhere, and the browser complains of nothing", async () => {
  assert.deepEqual(elsewhere, []);
  assert.deepEqual(complaints, []);
});

await end();
