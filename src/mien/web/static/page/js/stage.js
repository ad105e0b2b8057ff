// The picture with its boxes.
import { el, replace } from "./dom.js";
import { drawMap } from "./maps.js";
import { nameOf, tag } from "./say.js";
import { outOfTen, percent, top } from "./scores.js";
import { t } from "./strings.js";

const CROWD = 6; // with more faces than this, only the chosen one carries its name

const $ = (id) => document.getElementById(id);

export function renderStage(session) {
  const { shown, live, config } = session;
  const readable = shown && shown.status !== "failed";
  $("empty").hidden = Boolean(shown);
  $("toolbar").hidden = !shown;
  $("photo").hidden = !readable;
  $("image").hidden = Boolean(live);
  $("video").hidden = !live;
  $("frame").classList.toggle("busy", shown?.status === "working" || shown?.status === "waiting");
  $("maps").hidden = !config.cam;
  $("maps").setAttribute("aria-pressed", String(session.maps));
  $("camera").querySelector("span").textContent = t(live ? "stop" : "camera");
  $("camera").querySelector("use").setAttribute("href", live ? "#i-stop" : "#i-camera");
  notice(session);
  if (!readable) return;
  if (!live && $("image").src !== shown.url) $("image").src = shown.url;
  $("image").alt = live ? "" : shown.name;
  const ratio = shown.width ? shown.width / shown.height : 4 / 3;
  if (shown.width || live) $("photo").style.setProperty("--ratio", String(ratio));
  replace($("boxes"), ...shown.faces.map((face, i) => box(session, face, i)));
  drawMap(session, $("map"));
}

function notice(session) {
  const { shown, live } = session;
  let text = "";
  if (!session.engine && shown) text = t("loading");
  else if (shown?.status === "failed") text = t("failed", { source: shown.name, error: shown.error });
  else if (live && !shown.faces.length && shown.width) text = t("liveNone");
  else if (shown?.status === "working" || shown?.status === "waiting") text = t("working");
  else if (shown?.status === "done" && !shown.faces.length) text = t("none");
  else if (shown?.status === "done" && shown.hidden) text = t("cannotShow");
  $("notice").textContent = text;
  $("notice").hidden = !text;
  $("notice").classList.toggle("error", shown?.status === "failed");
}

function box(session, face, i) {
  const { shown, config, head } = session;
  const at = top(face, head, config.emotions);
  const emotion = config.emotions[at];
  const share = face[head][emotion.id];
  const [left, above, right, below] = face.box;
  const part = (value, whole) => `${(100 * value) / whole}%`;
  const chosen = i === session.face;
  const short = head === "votes" ? `${outOfTen(share)}/10` : percent(share);
  const words = face.is_unclear ? t("unclearTag") : nameOf(emotion);
  const label = el(
    "span",
    { class: "tag" },
    el("b", {}, words),
    face.is_unclear ? null : el("span", {}, short),
  );
  return el(
    "button",
    {
      type: "button",
      class: `box${above < shown.height * 0.07 ? " low" : ""}${face.is_unclear ? " unclear" : ""}`,
      "data-key": `box-${i}`,
      "aria-pressed": String(chosen),
      "aria-label": `${t("face", { i: i + 1, n: shown.faces.length })}: ${tag(face, head, config.emotions)}`,
      style: {
        left: part(left, shown.width),
        top: part(above, shown.height),
        width: part(right - left, shown.width),
        height: part(below - above, shown.height),
        "--colour": face.is_unclear ? "var(--unclear)" : emotion.colour,
      },
      onclick: () => session.change({ face: i, mapOf: null }),
    },
    chosen || shown.faces.length <= CROWD ? label : null,
  );
}
