// All faces of all pictures as a table, and the same as a CSV file.
import { el, replace, saveFile } from "./dom.js";
import { nameOf, reasonsOf } from "./say.js";
import { percent, top } from "./scores.js";
import { t } from "./strings.js";

export function renderTable(session) {
  const { pictures, config } = session;
  const finished = pictures.filter(({ status }) => status === "done" || status === "failed");
  document.getElementById("results").hidden = !finished.length || Boolean(session.live);
  const titles = [t("picture"), t("number"), t("top"), ...config.emotions.map(nameOf), t("unclear"), t("hardTitle")];
  const numbers = new Set([1, ...config.emotions.map((_, i) => 3 + i), titles.length - 2]);
  const head = titles.map((title, i) =>
    el("th", { scope: "col", class: numbers.has(i) ? "number" : null }, title),
  );
  const body = pictures.flatMap((picture, at) => rowsOf(session, picture, at));
  replace(
    document.getElementById("table"),
    el("thead", {}, el("tr", {}, ...head)),
    el("tbody", {}, ...body),
  );
}

function rowsOf(session, picture, at) {
  const columns = session.config.emotions.length + 4;
  const name = (face) =>
    el(
      "th",
      { scope: "row" },
      el(
        "button",
        {
          type: "button",
          class: "link",
          "data-key": `row-${at}-${face}`,
          onclick: () => {
            session.choose(at, face);
            document.getElementById("frame").scrollIntoView({ block: "nearest", behavior: "smooth" });
          },
        },
        picture.name,
      ),
    );
  const said = (text, kind) => [
    el("tr", { class: kind }, name(0), el("td", { colspan: columns, class: "said" }, text)),
  ];
  if (picture.status === "failed") return said(`${t("error")}: ${picture.error}`, "bad");
  if (picture.status !== "done") return said("…", null);
  if (!picture.faces.length) return said(t("noFaces"), null);
  return picture.faces.map((face, i) => faceRow(session, face, i, name(i), at));
}

function faceRow(session, face, i, name, at) {
  const { emotions } = session.config;
  const best = top(face, session.head, emotions);
  const cell = (share, colour) =>
    el(
      "td",
      { class: "number", style: { "--share": `${Math.round(share * 70)}%`, "--colour": colour } },
      percent(share),
    );
  const word = face.is_unclear ? t("unclearTag") : nameOf(emotions[best]);
  const colour = face.is_unclear ? "var(--unclear)" : emotions[best].colour;
  const chosen = at === session.current && i === session.face;
  return el(
    "tr",
    { class: chosen ? "chosen" : null },
    name,
    el("td", { class: "number" }, String(i + 1)),
    el("td", { class: "word", style: { "--colour": colour } }, word),
    ...emotions.map((emotion) => cell(face[session.head][emotion.id], emotion.colour)),
    cell(face.unclear, "var(--unclear)"),
    el("td", { class: "hard" }, reasonsOf(face)),
  );
}

// The columns of `mien predict --csv`; they come with config.json.
export function toCsv(session) {
  const { config, head } = session;
  const lines = session.pictures
    .filter(({ status }) => status === "done" || status === "failed")
    .flatMap((picture) => {
      const { name, width, height, faces, error } = picture;
      const common = {
        source: name,
        model: config.bundle.name,
        head,
        model_sha256: config.bundle.sha256,
        mien_version: config.bundle.version,
      };
      if (picture.status === "failed") return [{ ...common, faces: 0, error }];
      const counted = { ...common, width, height, faces: faces.length };
      if (!faces.length) return [counted];
      return faces.map((face, i) => ({ ...counted, face: i, ...cells(face, head, config) }));
    });
  const rows = [config.columns, ...lines.map((line) => config.columns.map((name) => line[name]))];
  return rows.map((row) => row.map(quote).join(",") + "\r\n").join("");
}

function cells(face, head, config) {
  const out = {
    detector_score: face.score,
    score: face.score,
    detected: face.detected,
    top: config.emotions[top(face, head, config.emotions)].id,
    unclear: face.unclear,
    is_unclear: face.is_unclear,
    reasons: face.reasons.join(" "),
  };
  ["left", "top", "right", "bottom"].forEach((side, k) => (out[`box_${side}`] = face.box[k]));
  for (const group of ["expression", "votes", "label", "ballot"])
    for (const [key, share] of Object.entries(face[group])) out[`${group}_${key}`] = share;
  return out;
}

function quote(value) {
  if (value === undefined || value === null) return "";
  if (typeof value === "number") return String(Math.round(value * 1e4) / 1e4);
  if (typeof value === "boolean") return value ? "True" : "False";
  // a spreadsheet must not take a file name for a formula
  const text = /^'*[=+\-@\t\r\n]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function saveCsv(session) {
  saveFile(new Blob(["\ufeff", toCsv(session)], { type: "text/csv" }), "mien.csv");
}
