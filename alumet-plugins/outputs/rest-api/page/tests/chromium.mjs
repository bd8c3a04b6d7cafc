// Drives Chromium over a pipe, with the DevTools protocol: https://chromedevtools.github.io/devtools-protocol/

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const FLAGS = [
  "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--force-color-profile=srgb",
];

/** A browser with one tab. */
export class Browser {
  #process;
  #profile = mkdtempSync(join(tmpdir(), "alumet-page-"));
  #waiting = new Map();
  #listeners = [];
  #next = 1;
  #session;

  static async start(program) {
    const browser = new Browser();
    browser.#process = spawn(program, [...FLAGS, `--user-data-dir=${browser.#profile}`, "about:blank"], { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
    process.on("exit", () => browser.#process.kill());
    browser.#process.on("error", (error) => browser.#fail(error));
    browser.#process.on("exit", () => browser.#fail(new Error("Chromium has ended")));
    let text = "";
    browser.#process.stdio[4].setEncoding("utf8").on("data", (part) => {
      text += part;
      const messages = text.split("\0");
      text = messages.pop();
      for (const message of messages) browser.#take(JSON.parse(message));
    });
    const { targetInfos } = await browser.send("Target.getTargets");
    const { targetId } = targetInfos.find((one) => one.type === "page");
    browser.#session = (await browser.send("Target.attachToTarget", { targetId, flatten: true })).sessionId;
    for (const domain of ["Page", "Runtime", "Network", "Log", "Accessibility"]) await browser.send(`${domain}.enable`);
    return browser;
  }

  #fail(error) {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  #take({ id, method, params, result, error }) {
    if (id === undefined) return this.#listeners.filter((one) => one.method === method).forEach(({ hear }) => hear(params));
    const { resolve, reject } = this.#waiting.get(id) ?? {};
    this.#waiting.delete(id);
    if (error) reject?.(new Error(error.message));
    else resolve?.(result);
  }

  send(method, params = {}) {
    const id = this.#next++;
    this.#process.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId: this.#session })}\0`);
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  on(method, hear) {
    this.#listeners.push({ method, hear });
  }

  /** What an expression gives in the page. */
  async value(expression) {
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(`${exceptionDetails.exception?.description ?? exceptionDetails.text} in ${expression}`);
    return result.value;
  }

  /** Waits until an expression is true in the page. */
  async until(expression, what = expression) {
    const deadline = Date.now() + 15000;
    while (!(await this.value(expression).catch(() => false))) {
      if (Date.now() > deadline) throw new Error(`it never came to this: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
  }

  /** Presses a key, as a user does. */
  async press(key, modifiers = 0) {
    const text = key.length === 1 ? key : key === "Enter" ? "\r" : undefined;
    const code = { Tab: 9, Enter: 13, Escape: 27, ArrowLeft: 37, ArrowUp: 38, ArrowRight: 39, ArrowDown: 40, Home: 36, End: 35 }[key] ?? key.toUpperCase().charCodeAt(0);
    await this.send("Input.dispatchKeyEvent", { type: "keyDown", key, text, windowsVirtualKeyCode: code, modifiers });
    await this.send("Input.dispatchKeyEvent", { type: "keyUp", key, windowsVirtualKeyCode: code, modifiers });
  }

  async #mouse(type, x, y, buttons) {
    await this.send("Input.dispatchMouseEvent", { type, x, y, button: buttons ? "left" : "none", buttons, clickCount: buttons ? 1 : 0 });
  }

  /** The rectangle of what a selector finds, in view. */
  async box(selector) {
    return this.value(`(() => { const one = document.querySelector(${JSON.stringify(selector)}); one.scrollIntoView({ block: "center" }); return one.getBoundingClientRect().toJSON(); })()`);
  }

  async click(selector) {
    const { x, y, width, height } = await this.box(selector);
    for (const [type, buttons] of [["mouseMoved", 0], ["mousePressed", 1], ["mouseReleased", 1]]) await this.#mouse(type, x + width / 2, y + height / 2, buttons);
  }

  async hover(x, y) {
    await this.#mouse("mouseMoved", x, y, 0);
  }

  async drag(fromX, toX, y) {
    await this.#mouse("mouseMoved", fromX, y, 0);
    await this.#mouse("mousePressed", fromX, y, 1);
    await this.#mouse("mouseMoved", (fromX + toX) / 2, y, 1);
    await this.#mouse("mouseMoved", toX, y, 1);
    await this.#mouse("mouseReleased", toX, y, 1);
  }

  /** A picture of the whole page, as PNG. */
  async picture() {
    const { data } = await this.send("Page.captureScreenshot", { format: "png", captureBeyondViewport: true });
    return Buffer.from(data, "base64");
  }

  async stop() {
    const ended = new Promise((resolve) => this.#process.on("exit", resolve));
    await this.send("Browser.close");
    await ended;
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }
}
