// Runs the detector and the model with onnxruntime-web, away from the page's own thread.
import * as ort from "../ort/ort.wasm.min.mjs";
import { placement, warp } from "./crop.js";
import { detect } from "./detect.js";
import { reasons } from "./reasons.js";
import { mixed, votesFromBallot } from "./scores.js";

let config, detector, model;

const kinds = {
  async load(base) {
    ort.env.wasm.wasmPaths = new URL("ort/", base).href;
    ort.env.wasm.numThreads = 1; // more would need headers that a static host may not send
    config = await (await fetch(new URL("config.json", base))).json();
    detector = await ort.InferenceSession.create(new URL(config.files.detector, base).href);
    model = await ort.InferenceSession.create(new URL(config.files.model, base).href);
  },

  async analyze({ image: given, minFace }) {
    const image = await decode(given);
    const found = await detect(image, search, config.detector, minFace);
    const { side } = config.crop;
    const places = found.map((face) => placement(face, config.crop));
    const crops = places.map((place) => warp(image, place, side));
    const { width, height } = image;
    if (!found.length) return { width, height, faces: [] };
    const scores = await kinds.classify(joined(crops));
    const faces = found.map((face, i) => ({
      ...face,
      detected: true,
      reasons: reasons(face, crops[i], places[i], side, config.reasons),
      ...expression(scores, i),
    }));
    return { width, height, faces };
  },

  async classify(crops) {
    const side = config.crop.side;
    const count = crops.length / (side * side);
    const faces = new ort.Tensor("uint8", crops, [count, side, side]);
    const out = await model.run({ faces });
    const rows = (tensor) => {
      const size = tensor.data.length / count;
      return Array.from({ length: count }, (_, i) => [...tensor.data.subarray(i * size, (i + 1) * size)]);
    };
    return {
      label: rows(out.label),
      ballot: rows(out.ballot),
      cam: out.cam && { rows: rows(out.cam), shape: out.cam.dims.slice(1) },
    };
  },
};

function joined(crops) {
  const all = new Uint8Array(crops.length * crops[0].length);
  crops.forEach((crop, i) => all.set(crop, i * crop.length));
  return all;
}

function expression({ label, ballot, cam }, i) {
  const { votes, unclear } = votesFromBallot(ballot[i], config.ballot);
  const reading = mixed(label[i], votes, config.bundle.expression, config.tiny);
  const named = (values) => Object.fromEntries(config.emotions.map((e, k) => [e.id, values[k]]));
  return {
    expression: named(reading),
    votes: named(votes),
    label: named(label[i]),
    ballot: Object.fromEntries(config.ballot.options.map((option, k) => [option, ballot[i][k]])),
    unclear,
    is_unclear: unclear >= config.bundle.unclear_threshold,
    top: config.emotions[reading.indexOf(Math.max(...reading))].id,
    cam: cam && nested(cam.rows[i], cam.shape),
  };
}

function nested(flat, [maps, height, width]) {
  return Array.from({ length: maps }, (_, m) =>
    Array.from({ length: height }, (_, y) =>
      flat.slice((m * height + y) * width, (m * height + y + 1) * width),
    ),
  );
}

async function search({ data, width, height }) {
  const pictures = new ort.Tensor("uint8", new Uint8Array(data.buffer), [1, height, width, 3]);
  const out = await detector.run({ pictures });
  return out.anchors.data;
}

// An upright RGB image on white; the browser's decoder, without its colour management.
async function decode(given) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(given, { colorSpaceConversion: "none" });
  } catch {
    const words = "not a picture that this browser reads; convert it to JPEG or PNG";
    throw Object.assign(new Error(words), { code: "picture" });
  }
  const { width, height } = bitmap;
  const canvas = new OffscreenCanvas(width, height);
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.fillStyle = "white";
  pen.fillRect(0, 0, width, height);
  pen.drawImage(bitmap, 0, 0);
  bitmap.close();
  const rgba = pen.getImageData(0, 0, width, height).data;
  const data = new Uint8ClampedArray(width * height * 3);
  for (let i = 0, at = 0; i < rgba.length; i += 4) {
    data[at++] = rgba[i];
    data[at++] = rgba[i + 1];
    data[at++] = rgba[i + 2];
  }
  return { data, width, height, channels: 3 };
}

onmessage = async ({ data: { id, kind, value } }) => {
  try {
    postMessage({ id, result: await kinds[kind](value) });
  } catch (error) {
    postMessage({ id, error: error.message ?? String(error), code: error.code });
  }
};
