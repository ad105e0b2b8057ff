// Thumbnails, where there is more than one picture.
import { el, replace } from "./dom.js";
import { report } from "./say.js";
import { top } from "./scores.js";

export function renderStrip(session) {
  const { pictures, config } = session;
  const strip = document.getElementById("strip");
  strip.hidden = pictures.length < (session.live ? 1 : 2);
  replace(strip, ...pictures.map((picture, i) => item(session, picture, i, config.emotions)));
}

function item(session, picture, i, emotions) {
  const done = picture.status === "done" || picture.status === "failed";
  const dots = picture.faces.slice(0, 5).map((face) => {
    const { colour } = emotions[top(face, session.head, emotions)];
    return el("i", { style: { "--colour": face.is_unclear ? "var(--unclear)" : colour } });
  });
  return el(
    "li",
    {},
    el(
      "button",
      {
        type: "button",
        class: picture.status,
        "data-key": `strip-${i}`,
        "aria-current": i === session.current && !session.live ? "true" : null,
        "aria-label": done ? report(picture, emotions) : picture.name,
        onclick: () => session.choose(i),
      },
      picture.status === "failed" ? el("span", { class: "bang", "aria-hidden": "true" }, "!") : el("img", { src: picture.url, alt: "" }),
      el("span", { class: "dots" }, ...dots),
    ),
  );
}
