// Starts the page: reads config.json, picks the engine, joins what people do to the session.
import * as live from "./live.js";
import { renderPanel } from "./panel.js";
import { report } from "./say.js";
import { Session } from "./session.js";
import { renderStage } from "./stage.js";
import { renderStrip } from "./strip.js";
import { currentLanguage, setLanguage, t, translate } from "./strings.js";
import { renderTable, saveCsv } from "./table.js";

const $ = (id) => document.getElementById(id);
const THEMES = ["auto", "light", "dark"];

const session = new Session();
let planned = false;

function render() {
  if (planned || !session.config) return; // what comes before is drawn when it is there
  planned = true;
  requestAnimationFrame(() => {
    planned = false;
    for (const view of [renderStage, renderPanel, renderStrip, renderTable]) view(session);
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

function add(files) {
  if (!files.length) return; // pasted text, such as a token
  if (live.running()) live.stop(session, $("video"));
  session.add(files);
}

async function camera() {
  if (live.asking()) return; // a second click on a page that waits for leave
  if (live.running()) return live.stop(session, $("video"));
  try {
    await live.start(session, $("video"));
  } catch (error) {
    say(t("noCamera", { error: error.message }));
    $("promise").textContent = t("noCamera", { error: error.message });
  }
}

const actions = {
  pick: () => $("file").click(),
  camera,
  clear: () => {
    if (live.running()) live.stop(session, $("video"));
    session.clear();
  },
  save: () => saveCsv(session),
  example: async () => {
    const blob = await (await fetch("astronaut.jpg")).blob();
    add([new File([blob], "astronaut.jpg", { type: blob.type })]);
  },
};

function askToken() {
  $("token").value = "";
  $("ask").showModal();
  return new Promise((resolve) =>
    $("ask").addEventListener("close", () => resolve($("token").value), { once: true }),
  );
}

document.addEventListener("click", (event) => {
  const target = event.target.closest("[data-do], [data-language], #theme, #maps");
  if (!target) return;
  if (target.dataset.do) actions[target.dataset.do]();
  else if (target.dataset.language) {
    setLanguage(target.dataset.language);
    repaint();
  } else if (target.id === "theme") nextTheme();
  else session.change({ maps: !session.maps });
});

function takeChosen() {
  add($("file").files);
  $("file").value = "";
}
$("file").addEventListener("change", takeChosen);

let inside = 0; // dragenter and dragleave come for every element that is crossed
const veil = (by) => {
  inside = Math.max(0, inside + by);
  $("veil").hidden = !inside;
};
document.addEventListener("dragenter", () => veil(1));
document.addEventListener("dragleave", () => veil(-1));
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  veil(-inside);
  add(event.dataTransfer.files);
});
document.addEventListener("paste", (event) => add(event.clipboardData.files));

document.addEventListener("keydown", (event) => {
  if (event.target.closest("input, dialog, .scroll") || event.altKey || event.ctrlKey || event.metaKey)
    return;
  const faces = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const pictures = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (faces && session.shown) session.step(faces);
  else if (pictures && event.target.closest("#strip, #boxes")) {
    const next = session.current + pictures;
    if (session.pictures[next]) session.choose(next);
  } else return;
  event.preventDefault();
});

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
session.addEventListener("read", ({ detail }) => say(report(detail, session.config.emotions)));
session.addEventListener("trouble", ({ detail }) => say(detail));

takeChosen(); // while this script was on its way
repaint();
document.body.dataset.language = currentLanguage();
// Every listener stands before the first wait: pictures given early wait in the session.
const config = await (await fetch("config.json")).json();
session.change({ config });
const { connect } = await import(config.mode === "local" ? "./local.js" : "./served.js");
session.ready(await connect(config, askToken));
repaint();
