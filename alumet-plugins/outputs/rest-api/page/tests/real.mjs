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
  assert.match(await text(".legend"), /python3[\s\S]*250 W[\s\S]*app[\s\S]*30 W[\s\S]*job 7[\s\S]*20 W[\s\S]*web-1[\s\S]*10 W[\s\S]*all else\s+230 W/);
});

const reaches = (words) => browser.until(`/${words}/.test(document.querySelector('.crumbs').innerText)`);

for (const [width, height, mobile] of [[1360, 900, false], [360, 740, true]]) {
  await size(width, height, mobile);
  const on = mobile ? " on a phone" : "";

  await check(`the way leads from a node to a pod, its container and the processes in it, and back${on}`, async () => {
    await open("#/energy?from=now-35m&to=now-1m");
    await click(`${ranking} .row[href*='node=n1']`);
    await browser.until(`/web-1/.test(document.querySelector("${ranking}").innerText)`);
    await click(`${ranking} .row[href*='pod1.slice']:not([href*='app.scope'])`);
    await reaches("pod web-1$");
    await quiet();
    assert.match(await text(ranking), /app/);
    await picture(`real pod${on}`);
    await click(`${ranking} .row[href*='app.scope']`);
    await reaches("n1[^]*pod web-1[^]*container app$");
    await quiet();
    // A container has no groups, but processes.
    assert.match(await text(ranking), /java[^]*pid 77/);
    assert.match(await text(`${ranking} tfoot`), /processes that were not seen[^]*1[45](\.\d)? W[^]*Total[^]*(29|30)(\.\d)? W/);
    await picture(`real container${on}`);
    await click(`${ranking} .row[href*='process']`);
    await reaches("container app[^]*java$");
    await quiet();
    assert.match(await text(".tiles"), /Mean power\s+1[45](\.\d)? W/);
    assert.equal(await browser.value("document.documentElement.scrollWidth"), width);
    await picture(`real process${on}`);
    await browser.press("Escape");
    await reaches("container app$");
    await browser.press("Escape");
    await reaches("pod web-1$");
    await click("[data-key='rank process']");
    // All of the pod, whichever container they are in.
    await browser.until(`/java[^]*pid 77/.test(document.querySelector("${ranking}").innerText)`);
    await browser.value("history.go(-3)");
    await reaches("java$");
    assert.deepEqual(await told(), []);
  });

  await check(`the way leads from a job to its GPUs and its processes${on}`, async () => {
    await open("#/energy?from=now-35m&to=now-1m&node=n2&rank=cgroup");
    await click(`${ranking} .row[href*='job_7']`);
    await reaches("job 7$");
    await click("[data-key='rank process']");
    // 18 W of the processor and 250 W of the GPU, but for the last seconds.
    await browser.until(`/python3[^]*26\\d W/.test(document.querySelector("${ranking}").innerText)`);
    assert.match(await text(".tiles"), /GPUs besides\s+0\.1\d+ kWh\s+by its processes/);
    await click("[data-key='gpus besides']");
    await browser.until(`/0000:65:00.0[^]*2[45]\\d W/.test(document.querySelector("${ranking}").innerText)`);
    await quiet();
    assert.deepEqual(await told(), []);
    await picture(`real job GPUs${on}`);
    await click(`${ranking} .row[href*='gpu']`);
    await reaches("GPU 0000:65:00.0$");
    await browser.until(`/python3/.test(document.querySelector("${ranking}").innerText)`);
    await click(`${ranking} .row[href*='process']`);
    await reaches("n2[^]*job 7[^]*python3$");
    await quiet();
    assert.match(await text(ranking), /0000:65:00.0[^]*2[45]\d W/);
    await browser.value("history.back()");
    await reaches("GPU 0000:65:00.0$");
  });
}
await size(1360, 900);

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
