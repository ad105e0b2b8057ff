// Pictures to try: one on which people would agree, others on which they would not.
import { el, replace } from "./dom.js";
import { t } from "./strings.js";

const SAMPLES = {
  "astronaut.jpg": "sampleAstronaut", // Eileen Collins, NASA; public domain
  "hopper.jpg": "sampleHopper", // Grace Hopper, US Navy; public domain
  "cameraman.jpg": "sampleCameraman", // scikit-image's camera.png; CC0
  "worried.jpg": "sampleWorried", // tools/draw_samples.py, as the next two
  "stern.jpg": "sampleStern",
  "group.jpg": "sampleGroup",
};

export function renderSamples(parent, add) {
  const items = Object.entries(SAMPLES).map(([file, key]) =>
    el(
      "li",
      {},
      el(
        "button",
        { type: "button", "data-sample": file, onclick: () => fetchSample(file).then((f) => add([f])) },
        el("img", { src: `samples/${file}`, alt: "", width: "72", height: "72", loading: "lazy" }),
        el("span", {}, t(key)),
      ),
    ),
  );
  replace(parent, ...items);
}

async function fetchSample(file) {
  const blob = await (await fetch(`samples/${file}`)).blob();
  return new File([blob], file, { type: blob.type });
}
