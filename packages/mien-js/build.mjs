// Fills dist/ with the page's own worker, its model and onnxruntime-web: one source for both.
//
// Needs mien installed: `mien page` writes them. MIEN names another command (by default "mien"),
// MIEN_MODEL a model, MIEN_ORT an onnxruntime-web that is here already.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const { MIEN = "mien", MIEN_MODEL, MIEN_ORT } = process.env;
const START = ["js/engine.js", "js/local-worker.js"];
const MORE = ["config.json", "model", "ort"];

const dist = join(import.meta.dirname, "dist");
const site = mkdtempSync(join(tmpdir(), "mien-js-"));
try {
  const [command, ...before] = MIEN.split(" ");
  const options = [...(MIEN_MODEL ? ["--model", MIEN_MODEL] : []), ...(MIEN_ORT ? ["--ort", MIEN_ORT] : [])];
  execFileSync(command, [...before, "page", site, ...options], { stdio: ["ignore", "ignore", "inherit"] });
  rmSync(dist, { recursive: true, force: true });
  mkdirSync(dist);
  for (const name of [...scripts(START), ...MORE])
    cpSync(join(site, name), join(dist, name), { recursive: true });
} finally {
  rmSync(site, { recursive: true, force: true });
}

// These files and what they import, directly or not, but for onnxruntime-web.
function scripts(names) {
  const found = new Set();
  const rest = [...names];
  while (rest.length) {
    const name = rest.pop();
    if (found.has(name) || name.startsWith("ort/")) continue;
    found.add(name);
    const text = readFileSync(join(site, name), "utf8");
    for (const [, imported] of text.matchAll(/^import [^"]*"(\.[^"]+)"/gm))
      rest.push(join(dirname(name), imported));
  }
  return found;
}
