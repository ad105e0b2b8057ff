"use strict";
// A contact sheet that draws only the rows in view, so that tens of thousands of pictures scroll.

const $ = (id) => document.getElementById(id);
const CELL = 104, TEXT = 46, SPARE = 3;
const RETRY = 2000, PATIENCE = 20000; // milliseconds

const state = {
  entries: [], emotions: [], decisions: {}, shown: [], reason: "", stage: "open", emotion: "",
  here: 0, anchor: 0, columns: 1, undo: [],
};
const drawn = new Map();
async function start() {
  const data = await (await fetch("api/entries")).json();
  Object.assign(state, { entries: data.entries, emotions: data.emotions, decisions: data.decisions });
  $("name").textContent = data.name;
  for (const [i, emotion] of data.emotions.entries()) {
    $("emotion").append(new Option(emotion, emotion));
    const button = document.createElement("button");
    button.dataset.act = "relabel";
    button.dataset.emotion = emotion;
    button.append(Object.assign(document.createElement("kbd"), { textContent: i + 1 }), emotion);
    $("relabel").append(button);
  }
  filter();
  $("grid").focus();
}

function reasons() {
  const names = new Map();
  for (const entry of state.entries) {
    const key = `${entry.state}|${entry.reason}`;
    const known = names.get(key) || { title: entry.title, left: entry.state === "left out", count: 0 };
    known.count += 1;
    names.set(key, known);
  }
  return names;
}

function drawReasons() {
  const buttons = [["", { title: "everything", count: state.entries.length }], ...reasons()];
  $("reasons").replaceChildren(...buttons.map(([key, { title, left, count }]) => {
    const button = document.createElement("button");
    button.dataset.reason = key;
    button.setAttribute("aria-pressed", key === state.reason);
    button.append(left ? `left out: ${title.toLowerCase()}` : title);
    button.append(Object.assign(document.createElement("b"), { textContent: count.toLocaleString("en") }));
    return button;
  }));
}

function filter() {
  state.shown = [];
  state.entries.forEach((entry, row) => {
    if (state.reason && `${entry.state}|${entry.reason}` !== state.reason) return;
    if (state.emotion && entry.emotion !== state.emotion) return;
    const decided = entry.id in state.decisions;
    if (state.stage === "open" && decided) return;
    if (state.stage === "decided" && !decided) return;
    state.shown.push(row);
  });
  state.here = state.anchor = 0;
  drawReasons();
  for (const button of $("states").children) {
    button.setAttribute("aria-pressed", button.dataset.state === state.stage);
  }
  $("empty").hidden = state.shown.length > 0;
  $("grid").scrollTop = 0;
  redraw();
}

function redraw() {
  for (const cell of drawn.values()) cell.remove();
  drawn.clear();
  layout();
}

function layout() {
  const width = $("grid").clientWidth - 2 * parseFloat(getComputedStyle($("grid")).paddingLeft);
  state.columns = Math.max(1, Math.floor(width / CELL));
  state.side = Math.floor(width / state.columns);
  state.tall = state.side + TEXT;
  $("sheet").style.height = `${Math.ceil(state.shown.length / state.columns) * state.tall + 12}px`;
  draw();
}

function draw() {
  const top = Math.max(0, Math.floor($("grid").scrollTop / state.tall) - SPARE);
  const rows = Math.ceil($("grid").clientHeight / state.tall) + 2 * SPARE;
  const first = top * state.columns;
  const last = Math.min(state.shown.length, (top + rows) * state.columns);
  for (const [at, cell] of drawn) {
    if (at < first || at >= last) { cell.remove(); drawn.delete(at); }
  }
  for (let at = first; at < last; at++) {
    if (!drawn.has(at)) drawn.set(at, $("sheet").appendChild(makeCell(at)));
    paint(at);
  }
  detail();
}

function makeCell(at) {
  const entry = state.entries[state.shown[at]];
  const cell = document.createElement("div");
  cell.className = "cell";
  cell.id = `cell-${at}`;
  cell.dataset.at = at;
  cell.setAttribute("role", "option");
  cell.title = entry.id;
  cell.style.cssText = `width:${state.side}px;left:${(at % state.columns) * state.side}px;`
    + `top:${Math.floor(at / state.columns) * state.tall + 8}px`;
  const image = new Image(48, 48);
  image.style.height = "auto";
  image.src = `api/crop/${entry.sha256}.png`;
  image.alt = entry.emotion;
  const label = document.createElement("span");
  label.textContent = entry.suggestion ? `${entry.emotion} → ${entry.suggestion}?` : entry.emotion || "—";
  const why = document.createElement("small");
  why.textContent = state.reason ? entry.score.toFixed(2) : entry.title.toLowerCase();
  cell.append(image, label, why);
  return cell;
}

function paint(at) {
  const cell = drawn.get(at);
  if (!cell) return;
  const decision = state.decisions[state.entries[state.shown[at]].id];
  const [from, to] = span();
  cell.setAttribute("aria-selected", at >= from && at <= to);
  cell.classList.toggle("here", at === state.here);
  cell.classList.toggle("done", Boolean(decision));
  cell.querySelector("i")?.remove();
  if (decision) {
    const badge = document.createElement("i");
    badge.className = decision.action;
    badge.textContent = decision.emotion || decision.action;
    cell.append(badge);
  }
}

function detail() {
  const entry = state.entries[state.shown[state.here]];
  $("detail").style.visibility = entry ? "" : "hidden";
  const decided = Object.keys(state.decisions).length;
  $("progress").textContent = `${state.shown.length.toLocaleString("en")} shown, `
    + `${decided.toLocaleString("en")} decided`;
  if (!entry) return;
  const decision = state.decisions[entry.id];
  $("large").src = `api/crop/${entry.sha256}.png`;
  $("large").alt = entry.emotion;
  $("d-label").textContent = entry.emotion || "none";
  $("d-why").textContent = entry.title + (entry.detail ? `: ${entry.detail}` : "");
  $("d-score").textContent = entry.score.toFixed(2);
  $("d-split").textContent = entry.split || entry.state;
  $("d-decision").textContent = decision ? `${decision.action} ${decision.emotion}` : "none yet";
  $("d-file").textContent = entry.id;
  $("grid").setAttribute("aria-activedescendant", `cell-${state.here}`);
}

const span = () => [Math.min(state.here, state.anchor), Math.max(state.here, state.anchor)];

function move(to, extend) {
  if (!state.shown.length) return;
  const before = span();
  state.here = Math.max(0, Math.min(state.shown.length - 1, to));
  if (!extend) state.anchor = state.here;
  const top = Math.floor(state.here / state.columns) * state.tall;
  const grid = $("grid");
  if (top < grid.scrollTop) grid.scrollTop = top;
  if (top + state.tall + 8 > grid.scrollTop + grid.clientHeight) {
    grid.scrollTop = top + state.tall + 8 - grid.clientHeight;
  }
  const after = span();
  for (const at of drawn.keys()) {
    if ((at >= before[0] && at <= before[1]) || (at >= after[0] && at <= after[1])) paint(at);
  }
  draw();
}

// The last word on each picture that the server has not confirmed: every save sends all of it.
const unsaved = new Map();
let again = 0;

async function save() {
  clearTimeout(again);
  const changes = [...unsaved.values()];
  let trouble = "";
  try {
    if (changes.length) await send(changes);
  } catch (error) {
    trouble = error.message;
    again = setTimeout(() => queue([]), RETRY);
  }
  $("problem").hidden = !trouble;
  $("problem").textContent = trouble && `Not saved, ${unsaved.size.toLocaleString("en")} of the `
    + `decisions: ${trouble}. It is tried again; is mien data review still running?`;
}

async function send(changes) {
  const answer = await fetch("api/decisions", {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ changes }),
    signal: AbortSignal.timeout(PATIENCE), // a server that hangs is trouble too, and is said
  });
  if (answer.ok) {
    for (const change of changes) if (unsaved.get(change.id) === change) unsaved.delete(change.id);
    return;
  }
  const { detail } = await answer.json().catch(() => ({}));
  const refused = new Error(typeof detail === "string" ? detail : `the answer was ${answer.status}`);
  if (answer.status >= 500 || changes.length === 1) throw refused;
  // One change that is refused must not keep the others out of the file.
  const half = changes.length >> 1;
  let trouble = null;
  for (const part of [changes.slice(0, half), changes.slice(half)]) {
    await send(part).catch((error) => { trouble = error; });
  }
  if (trouble) throw trouble;
}

// One save after the other, so that the file ends with the last word.
let last = Promise.resolve();
function queue(changes) {
  for (const change of changes) {
    if (change.action) state.decisions[change.id] = { action: change.action, emotion: change.emotion || "" };
    else delete state.decisions[change.id];
    unsaved.set(change.id, change);
  }
  draw();
  last = last.then(save);
}

function decide(action, emotion) {
  const [from, to] = span();
  const chosen = [...new Set(state.shown.slice(from, to + 1))].map((row) => state.entries[row]);
  const changes = chosen
    .map((entry) => ({ id: entry.id, action, emotion: action === "accept" ? entry.suggestion : emotion }))
    .filter((change) => action !== "accept" || change.emotion)
    .map((change) => (action === "accept" ? { ...change, action: "relabel" } : change));
  if (!changes.length) return;
  state.undo.push({ here: state.here, changes: changes.map(({ id }) => ({ id, action: "", ...state.decisions[id] })) });
  queue(changes);
  if (from === to) move(state.here + 1);
  else { state.anchor = state.here; move(to + 1); }
}

function undo() {
  const step = state.undo.pop();
  if (!step) return;
  queue(step.changes);
  const id = step.changes[0].id;
  const at = state.shown.findIndex((row) => state.entries[row].id === id);
  if (at >= 0) move(at);
}

function act(name, emotion) {
  if (name === "undo") undo();
  else if (name === "clear") decide("", "");
  else decide(name, emotion);
}

document.addEventListener("keydown", (event) => {
  if (event.target.tagName === "SELECT" || event.altKey || event.metaKey) return;
  if (event.ctrlKey && event.key !== "z") return;
  const page = Math.max(1, Math.floor($("grid").clientHeight / state.tall)) * state.columns;
  const steps = {
    ArrowLeft: -1, ArrowRight: 1, ArrowUp: -state.columns, ArrowDown: state.columns,
    PageUp: -page, PageDown: page, Home: -state.shown.length, End: state.shown.length,
  };
  const keys = { k: "keep", d: "drop", a: "accept", u: "undo", z: "undo", c: "clear" };
  const key = event.key.toLowerCase();
  if (event.key in steps) move(state.here + steps[event.key], event.shiftKey);
  else if (key in keys && (key !== "z" || event.ctrlKey)) act(keys[key]);
  else if (/^[1-7]$/.test(key)) act("relabel", state.emotions[key - 1]);
  else if (key === "f") {
    const all = ["", ...reasons().keys()];
    state.reason = all[(all.indexOf(state.reason) + 1) % all.length];
    filter();
  } else return;
  event.preventDefault();
});
$("grid").addEventListener("scroll", () => requestAnimationFrame(draw), { passive: true });
$("sheet").addEventListener("click", (event) => {
  const cell = event.target.closest(".cell");
  if (cell) move(Number(cell.dataset.at), event.shiftKey);
});
$("actions").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) { act(button.dataset.act, button.dataset.emotion); $("grid").focus(); }
});
$("reasons").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) { state.reason = button.dataset.reason; filter(); $("grid").focus(); }
});
$("states").addEventListener("click", (event) => {
  if (event.target.dataset.state) { state.stage = event.target.dataset.state; filter(); $("grid").focus(); }
});
$("emotion").addEventListener("change", (event) => { state.emotion = event.target.value; filter(); });
addEventListener("beforeunload", (event) => { if (unsaved.size) event.preventDefault(); });
new ResizeObserver(redraw).observe($("grid"));
start();
