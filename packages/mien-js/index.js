// Faces and their expressions in a browser. See README.md, and index.d.ts for the types.
import { startEngine } from "./dist/js/engine.js";

// Starts a worker and loads the model into it.
export async function load({ base } = {}) {
  const engine = base ? startFrom(base) : startEngine(new URL("./dist/", import.meta.url));
  await engine.loaded;
  return {
    analyze: async (image, { minFace } = {}) => {
      const { faces } = await engine.analyze(await readable(image), minFace);
      return faces;
    },
    classify: async (crops) => {
      const { label, ballot } = await engine.classify(crops);
      return { label, ballot };
    },
    close: engine.close,
  };
}

let shared = null;

// The faces of one picture, by a model that is loaded on the first call and kept.
export async function analyze(image, options) {
  shared ??= load().catch((error) => {
    shared = null; // so that the next call tries again
    throw error;
  });
  return (await shared).analyze(image, options);
}

// The worker has to come from the folder that the files are served from, also in a bundle.
function startFrom(base) {
  const folder = new URL(base, document.baseURI);
  return startEngine(folder, new URL("js/local-worker.js", folder));
}

async function readable(image) {
  if (image instanceof Blob || image instanceof ImageBitmap) return image;
  if (image instanceof HTMLImageElement) await image.decode();
  return createImageBitmap(image);
}
