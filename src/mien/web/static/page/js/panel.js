// The scores of the chosen face.
import { placement } from "./crop.js";
import { el, icon, replace } from "./dom.js";
import { summary } from "./group.js";
import { whole } from "./maps.js";
import { nameOf, reasonsOf } from "./say.js";
import { outOfTen, percent, split, top } from "./scores.js";
import { t } from "./strings.js";

export function renderPanel(session) {
  const panel = document.getElementById("panel");
  panel.classList.toggle("idle", !session.chosen);
  replace(panel, ...(session.chosen ? reading(session) : guide(session)));
}

function guide({ config }) {
  const steps = ["how1", "how2", "how3"].map((key) => el("li", {}, t(key)));
  const names = config.emotions.map((emotion) =>
    el("li", { style: { "--colour": emotion.colour } }, nameOf(emotion)),
  );
  return [
    el("h2", { class: "how" }, t("howTitle")),
    el("ol", { class: "steps" }, ...steps),
    el("ul", { class: "legend" }, ...names),
  ];
}

function reading(session) {
  const { chosen: face, head, config } = session;
  const { emotions } = config;
  const best = emotions[top(face, head, emotions)];
  const share = face[head][best.id];
  const group = summary(session.shown.faces, head, emotions);
  return [
    group ? el("p", { class: "group" }, group) : null,
    pager(session),
    el(
      "div",
      { class: `verdict${face.is_unclear ? " unclear" : ""}`, style: { "--colour": best.colour } },
      crop(session),
      el("p", { class: "lead" }, lead(face, head, share)),
      el("h2", { class: "top", id: "top" }, nameOf(best)),
    ),
    head === "label" ? null : people(face, emotions),
    head === "expression" ? el("p", { class: "aside also" }, t("alsoVotes", { counts: counted(face, emotions) })) : null,
    bars(session),
    unclear(face),
    face.reasons.length ? el("p", { class: "aside hard" }, t("hard", { reasons: reasonsOf(face) })) : null,
    face.detected ? null : el("p", { class: "aside" }, t("small")),
    heads(session),
  ];
}

// The part of the picture that the model gets, in colour and as upright as it gets it.
function crop({ chosen: face, shown, live, config }) {
  const source = document.getElementById(live ? "video" : "image");
  if (shown.hidden || !(live ? source.videoWidth : source.complete && source.naturalWidth)) return null;
  const canvas = el("canvas", {
    class: "crop", width: "144", height: "144", role: "img", "aria-label": t("crop"), title: t("crop"),
  });
  const { side } = config.crop;
  const pen = canvas.getContext("2d");
  pen.imageSmoothingQuality = "high";
  pen.scale(canvas.width / side, canvas.height / side);
  const [a, b, c, d, e, f] = face.landmarks ? placement(face, config.crop) : whole(shown, side);
  const size = a * e - b * d;
  pen.transform(e / size, -d / size, -b / size, a / size, (b * f - c * e) / size, (c * d - a * f) / size);
  if (live) pen.transform(-1, 0, 0, 1, shown.width, 0); // it is shown mirrored
  pen.drawImage(source, 0, 0, shown.width, shown.height);
  return canvas;
}

function lead(face, head, share) {
  if (face.is_unclear) return t("unclearLead", { n: outOfTen(face.unclear) });
  if (head === "expression") return t("leadExpression", { p: percent(share) });
  if (head === "label") return t("leadLabel", { p: percent(share) });
  const n = outOfTen(share);
  return n === 10 ? t("leadAll") : t("lead", { n });
}

function pager(session) {
  const n = session.shown.faces.length;
  if (n < 2) return null;
  const button = (by, name) =>
    el(
      "button",
      { type: "button", class: "round", "data-key": name, "aria-label": t(name), onclick: () => session.step(by) },
      icon(by < 0 ? "i-left" : "i-right"),
    );
  const where = el("span", {}, t("face", { i: session.face + 1, n }));
  return el("div", { class: "pager" }, button(-1, "previous"), where, button(1, "next"));
}

// Ten people in the colours of their votes, most votes first.
function people(face, emotions) {
  const shares = emotions.map((emotion) => face.votes[emotion.id]);
  const counts = split(shares);
  const order = byShare(shares);
  const figures = order.flatMap((i) =>
    Array.from({ length: counts[i] }, () => icon("person", { "--colour": emotions[i].colour })),
  );
  return el("div", { class: "people", role: "img", "aria-label": counted(face, emotions) }, ...figures);
}

// "6 sad, 4 neutral"
function counted(face, emotions) {
  const shares = emotions.map((emotion) => face.votes[emotion.id]);
  const counts = split(shares);
  const named = byShare(shares).filter((i) => counts[i]);
  return named.map((i) => `${counts[i]} ${nameOf(emotions[i])}`).join(", ");
}

const byShare = (shares) => shares.map((_, i) => i).sort((a, b) => shares[b] - shares[a]);

function bars(session) {
  const { chosen: face, head, config } = session;
  const { emotions } = config;
  const order = emotions.map((_, i) => i);
  // a live view keeps its rows still
  if (!session.live) order.sort((a, b) => face[head][emotions[b].id] - face[head][emotions[a].id]);
  const best = top(face, head, emotions);
  const mapped = session.mapOf ?? best;
  const rows = order.map((i) => {
    const share = face[head][emotions[i].id];
    const parts = [
      el("span", { class: "name" }, nameOf(emotions[i])),
      el("span", { class: "track" }, el("span", { class: "fill", style: { width: `${100 * share}%` } })),
      el("span", { class: "value" }, percent(share)),
    ];
    const mapping = session.maps && face.cam;
    return el(
      "li",
      {
        class: `${i === best ? "best" : ""}${mapping && i === mapped ? " mapped" : ""}`,
        "data-emotion": emotions[i].id,
        style: { "--colour": emotions[i].colour },
      },
      mapping
        ? el(
            "button",
            {
              type: "button",
              "data-key": `bar-${emotions[i].id}`,
              "aria-pressed": String(i === mapped),
              title: t("mapOf", { name: nameOf(emotions[i]) }),
              onclick: () => session.change({ mapOf: i }),
            },
            ...parts,
          )
        : el("div", {}, ...parts),
    );
  });
  return el("ol", { class: "bars" }, ...rows);
}

function unclear(face) {
  return el(
    "div",
    { class: "bars apart", title: t("unclearHelp") },
    el(
      "div",
      { class: "unsure" },
      el("span", { class: "name" }, t("unclear")),
      el("span", { class: "track" }, el("span", { class: "fill", style: { width: `${100 * face.unclear}%` } })),
      el("span", { class: "value" }, percent(face.unclear)),
    ),
  );
}

function heads(session) {
  const button = (head) =>
    el(
      "button",
      {
        type: "button",
        "data-key": head,
        "aria-pressed": String(session.head === head),
        onclick: () => session.change({ head, mapOf: null }),
      },
      t(head),
    );
  return el("div", { class: "segments heads", role: "group", "aria-label": t("head") }, ...["expression", "votes", "label"].map(button));
}
