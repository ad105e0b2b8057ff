// Starts the page: reads config.json, picks the engine, joins what people do to the session.
import { savePicture } from "./annotate.js";
import { FORMS, copy } from "./copy.js";
import { el, replace } from "./dom.js";
import { summary } from "./group.js";
import { listen } from "./keys.js";
import * as live from "./live.js";
import { renderPanel } from "./panel.js";
import { renderSamples } from "./samples.js";
import { report } from "./say.js";
import { Session } from "./session.js";
import { renderStage } from "./stage.js";
import { renderStrip } from "./strip.js";
import { choose, load, preferred, t, translate } from "./strings.js";
import { renderTable, saveCsv } from "./table.js";
import { drawTimeline } from "./timeline.js";

const $ = (id) => document.getElementById(id);
const THEMES = ["auto", "light", "dark"];

const session = new Session();
let planned = false;

function renderTimeline() {
  $("history").hidden = !session.live;
  if (session.live) drawTimeline(session, $("timeline"));
}

function render() {
  if (planned || !session.config) return; // what comes before is drawn when it is there
  planned = true;
  requestAnimationFrame(() => {
    planned = false;
    for (const view of [renderStage, renderPanel, renderStrip, renderTable, renderTimeline])
      view(session);
  });
}

function say(text) {
  $("status").textContent = text;
}

function repaint() {
  translate();
  $("theme").setAttribute("aria-label", t("theme", { name: t(theme()) }));
  $("theme").title = t("theme", { name: t(theme()) });
  $("promise").textContent = session.engine?.promise() ?? t("loading");
  renderSamples($("samples"), add);
  render();
}

function theme() {
  return document.documentElement.dataset.theme ?? "auto";
}

function nextTheme() {
  const next = THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length];
  localStorage.setItem("mien.theme", next);
  if (next === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  repaint();
}

function stopCamera() {
  if (live.running()) live.stop(session, $("video"));
}

function add(files) {
  if (!files.length) return; // pasted text, such as a token
  stopCamera();
  session.add(files);
}

async function camera() {
  if (live.asking()) return; // a second click on a page that waits for leave
  if (live.running()) return stopCamera();
  try {
    await live.start(session, $("video"));
  } catch (error) {
    say(error.message);
    $("promise").textContent = error.message;
  }
}

let shots = 0;
async function snapshot() {
  const file = await live.snapshot($("video"), t("snapshotName", { n: ++shots }));
  if (!file || !session.live) return;
  session.add([file]);
  say(t("snapshotTaken"));
}

async function copyAs(button) {
  const said = await copy(FORMS[button.dataset.copy](session));
  say(said);
  button.textContent = said;
  setTimeout(() => (button.textContent = button.dataset.copy), 1600);
}

const actions = {
  pick: () => $("file").click(),
  camera,
  snapshot,
  clear: () => {
    stopCamera();
    session.clear();
  },
  save: () => saveCsv(session),
  picture: () => savePicture(session),
  theme: nextTheme,
  maps: () => session.change({ maps: !session.maps }),
};

function askToken() {
  $("token").value = "";
  $("ask").showModal();
  return new Promise((resolve) =>
    $("ask").addEventListener("close", () => resolve($("token").value), { once: true }),
  );
}

document.addEventListener("click", async ({ target }) => {
  const button = target.closest("[data-do], [data-language], [data-copy]");
  if (!button) return;
  const { language } = button.dataset;
  if (language) {
    await choose(language).catch((error) => say(t("noStart", { error: error.message })));
    repaint();
  } else if (button.dataset.copy) copyAs(button);
  else actions[button.dataset.do]();
});

function takeChosen() {
  add($("file").files);
  $("file").value = "";
}
$("file").addEventListener("change", takeChosen);

let inside = 0; // dragenter and dragleave come for every element that is crossed
const drag = (by) => {
  inside = Math.max(0, inside + by);
  document.body.classList.toggle("dragging", inside > 0);
  $("veil").hidden = !inside;
};
document.addEventListener("dragenter", () => drag(1));
document.addEventListener("dragleave", () => drag(-1));
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  drag(-inside);
  add(event.dataTransfer.files);
});
document.addEventListener("paste", (event) => add(event.clipboardData.files));
listen(session, stopCamera);

$("image").addEventListener("error", () => {
  if (session.shown) session.shown.hidden = true;
  render();
});
$("image").addEventListener("load", () => {
  const { naturalWidth: width, naturalHeight: height } = $("image");
  $("photo").style.setProperty("--ratio", String(width / height));
  render();
});
new ResizeObserver(render).observe($("frame"));

session.addEventListener("change", render);
session.addEventListener("leave", stopCamera);
session.addEventListener("read", ({ detail }) => {
  const { emotions } = session.config;
  say(report(detail, emotions, summary(detail.faces, "expression", emotions)));
});
session.addEventListener("trouble", ({ detail }) => say(detail));

takeChosen(); // while this script was on its way
// Every listener stands before the first wait: pictures given early wait in the session.
try {
  const answer = await fetch("config.json");
  if (!answer.ok) throw new Error(`config.json: ${answer.status}`);
  const config = await answer.json();
  const languages = Object.entries(config.languages).map(([tag, name]) =>
    el("button", { type: "button", "data-language": tag, lang: tag }, name),
  );
  replace($("languages"), ...languages);
  await load(preferred(config.languages));
  session.change({ config });
  repaint();
  const { connect } = await import(config.mode === "local" ? "./local.js" : "./served.js");
  session.ready(await connect(config, askToken));
  repaint();
  // so that it opens without a network from now on
  if (config.mode === "local") navigator.serviceWorker?.register("sw.js").catch(() => {});
} catch (error) {
  const said = t("noStart", { error: error.message }) || error.message;
  say(said);
  $("promise").textContent = said;
  if (!session.engine) session.fail(said);
}
