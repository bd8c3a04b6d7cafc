// A browser on the page, and a list of what must be true there.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { Browser } from "./chromium.mjs";

export const [url, pictures] = process.argv.slice(2);
export const browser = await Browser.start(process.env.CHROMIUM ?? "chromium");
/** What the browser complained of: exceptions, and what the security policy forbade. */
export const complaints = [];
/** Addresses of other servers that were asked. */
export const elsewhere = [];
let failures = 0;

browser.on("Log.entryAdded", ({ entry }) => entry.source !== "network" && complaints.push(entry.text));
browser.on("Runtime.exceptionThrown", ({ exceptionDetails }) => complaints.push(exceptionDetails.exception?.description ?? exceptionDetails.text));
browser.on("Network.requestWillBeSent", ({ request }) => new URL(request.url).origin !== new URL(url).origin && !request.url.startsWith("data:") && elsewhere.push(request.url));

export const text = (selector) => browser.value(`document.querySelector(${JSON.stringify(selector)})?.innerText ?? ""`);
export const count = (selector) => browser.value(`document.querySelectorAll(${JSON.stringify(selector)}).length`);
export const focused = () => browser.value("document.activeElement.innerText || document.activeElement.id || document.activeElement.tagName");
export const size = (width, height, mobile = false) => browser.send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile });
export const scheme = (value) => browser.send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value }] });

/** Waits until all parts of the page have their answers. */
export const quiet = () => browser.until("document.querySelectorAll('.body').length > 0 && document.querySelectorAll('[aria-busy]').length === 0", "all parts have their answers");

export async function click(selector) {
  await quiet();
  await browser.click(selector);
}

/** Opens a view anew. */
export async function open(hash) {
  await browser.send("Page.navigate", { url: "about:blank" });
  await browser.until("location.href === 'about:blank'");
  await browser.send("Page.navigate", { url: url + hash });
  await browser.until("location.href !== 'about:blank' && document.readyState === 'complete'");
  await quiet();
}

/** Keeps a picture, if a folder for them was named. */
export async function picture(name) {
  if (pictures === undefined) return;
  mkdirSync(pictures, { recursive: true });
  writeFileSync(join(pictures, `${name}.png`), await browser.picture());
}

export async function check(sentence, run) {
  try {
    await run();
    console.log(`ok      ${sentence}`);
  } catch (error) {
    failures += 1;
    console.log(`FAILED  ${sentence}\n        ${error.message.split("\n").join("\n        ")}`);
    await picture(`failed ${failures}`);
  }
}

export async function end() {
  await browser.stop();
  process.exitCode = failures > 0 ? 1 : 0;
}
