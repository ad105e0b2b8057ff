// The picture with its boxes and their labels.
import { el, replace } from "./dom.js";
import { labelSize, placeLabels, wordings } from "./labels.js";
import { drawMap } from "./maps.js";
import { tag } from "./say.js";
import { top } from "./scores.js";
import { t } from "./strings.js";

const NARROW = 480; // CSS pixels; pictures that are narrower have smaller labels

const $ = (id) => document.getElementById(id);

export function renderStage(session) {
  const { shown, live, config } = session;
  const readable = shown && shown.status !== "failed";
  keepFocus(Boolean(shown));
  $("empty").hidden = Boolean(shown);
  $("toolbar").hidden = !shown;
  $("photo").hidden = !readable;
  $("image").hidden = Boolean(live) || Boolean(shown?.hidden);
  $("video").hidden = !live;
  $("frame").classList.toggle("busy", shown?.status === "working" || shown?.status === "waiting");
  $("maps").hidden = !config.cam;
  $("maps").setAttribute("aria-pressed", String(session.maps));
  $("snapshot").hidden = !live;
  $("picture").hidden = Boolean(live) || !shown?.faces.length || Boolean(shown.hidden);
  $("camera").querySelector("span").textContent = t(live ? "stop" : "camera");
  $("camera").querySelector("use").setAttribute("href", live ? "#i-stop" : "#i-camera");
  notice(session);
  if (!readable) return;
  if (!live && $("image").src !== shown.url) $("image").src = shown.url;
  $("image").alt = live ? "" : shown.name;
  const ratio = shown.width ? shown.width / shown.height : 4 / 3;
  if (shown.width || live) $("photo").style.setProperty("--ratio", String(ratio));
  replace($("boxes"), ...shown.faces.map((face, i) => box(session, face, i)), ...labels(session));
  drawMap(session, $("map"));
}

// What had the focus goes away with the empty page, or with the picture.
function keepFocus(full) {
  const active = document.activeElement;
  if (full && $("empty").contains(active)) $("frame").focus({ preventScroll: true });
  if (!full && ($("toolbar").contains(active) || active === $("frame")))
    requestAnimationFrame(() => $("empty").querySelector("button").focus({ preventScroll: true }));
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

export function colourOf(face, head, emotions) {
  return face.is_unclear ? null : emotions[top(face, head, emotions)].colour;
}

function box(session, face, i) {
  const { shown, config, head } = session;
  const [left, above, right, below] = face.box;
  const part = (value, whole) => `${(100 * value) / whole}%`;
  const chosen = i === session.face;
  return el("button", {
    type: "button",
    class: `box${face.is_unclear ? " unclear" : ""}`,
    "data-key": `box-${i}`,
    "aria-pressed": String(chosen),
    tabindex: chosen ? "0" : "-1", // the arrow keys reach the others
    "aria-label": `${t("face", { i: i + 1, n: shown.faces.length })}: ${tag(face, head, config.emotions)}`,
    style: {
      left: part(left, shown.width),
      top: part(above, shown.height),
      width: part(right - left, shown.width),
      height: part(below - above, shown.height),
      "--colour": colourOf(face, head, config.emotions) ?? "var(--unclear)",
    },
    onclick: () => session.change({ face: i, mapOf: null }),
  });
}

function labels(session) {
  const { shown, config, head } = session;
  const { clientWidth: width, clientHeight: height } = $("boxes");
  if (!width || !shown.width) return [];
  const [x, y] = [width / shown.width, height / shown.height];
  const boxes = shown.faces.map(({ box: b }) => [b[0] * x, b[1] * y, b[2] * x, b[3] * y]);
  const several = shown.faces.length > 1;
  const texts = shown.faces.map((face, i) =>
    wordings(face, several ? i + 1 : null, head, config.emotions),
  );
  const letter = (i) => (width < NARROW ? 11 : 13) + (i === session.face ? 1 : 0);
  const sizes = texts.map((forms, i) => forms.map((text) => labelSize(text, letter(i))));
  return placeLabels(boxes, sizes, [width, height], session.face).map((place, i) =>
    el(
      "span",
      {
        class: `tag${i === session.face ? " chosen" : ""}`,
        "aria-hidden": "true", // the box says it
        style: {
          left: `${place.x}px`,
          top: `${place.y}px`,
          width: `${place.width}px`,
          height: `${place.height}px`,
          "font-size": `${letter(i)}px`,
          "--colour": colourOf(shown.faces[i], head, config.emotions) ?? "var(--unclear)",
        },
        onclick: () => session.change({ face: i, mapOf: null }),
      },
      texts[i][place.form],
    ),
  );
}
