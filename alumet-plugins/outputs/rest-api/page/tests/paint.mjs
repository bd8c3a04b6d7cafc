// Tells how quickly the page is seen by who has never been there: node paint.mjs URL [VISITS]

import { Browser } from "./chromium.mjs";

const [url, visits = "5"] = process.argv.slice(2);
const browser = await Browser.start(process.env.CHROMIUM ?? "chromium");
let bytes = 0;
let requests = 0;
browser.on("Network.loadingFinished", ({ encodedDataLength }) => {
  bytes += encodedDataLength;
  requests += 1;
});
await browser.send("Network.setCacheDisabled", { cacheDisabled: true });
await browser.send("Emulation.setDeviceMetricsOverride", { width: 1360, height: 900, deviceScaleFactor: 1, mobile: false });

const found = [];
for (let visit = 0; visit < Number(visits); visit += 1) {
  await browser.send("Page.navigate", { url: "about:blank" });
  await browser.until("location.href === 'about:blank'");
  [bytes, requests] = [0, 0];
  await browser.send("Page.navigate", { url });
  await browser.until("document.readyState === 'complete' && performance.getEntriesByType('paint').length === 2");
  await browser.until("document.querySelectorAll('.body').length > 0 && document.querySelectorAll('[aria-busy]').length === 0");
  const [first, content, full] = await browser.value("[...['first-paint', 'first-contentful-paint'].map((name) => performance.getEntriesByName(name)[0].startTime), Math.max(...performance.getEntriesByType('resource').map((one) => one.responseEnd))]");
  found.push({ first, content, full, bytes, requests });
}
await browser.stop();

const median = (key) => found.map((one) => one[key]).sort((a, b) => a - b)[Math.floor(found.length / 2)];
const most = (key) => Math.max(...found.map((one) => one[key]));
for (const [key, name] of [["first", "first paint"], ["content", "first paint of content"], ["full", "last answer"]]) {
  console.log(`${name}: ${median(key).toFixed(0)} ms, at most ${most(key).toFixed(0)} ms`);
}
console.log(`transferred: ${(median("bytes") / 1000).toFixed(0)} kB in ${median("requests")} answers`);
