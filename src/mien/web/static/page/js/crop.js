// From a photo to 48x48 grey crops: mien.infer.crop in JavaScript.
// `n` is config.json's "crop". A matrix is [a, b, c, d, e, f]: x = a u + b v + c, y = d u + e v + f.
import { resize, round } from "./resample.js";

// Least squares over rotation, one scale and shift that take points to others.
export function similarity(source, target) {
  const [a, b] = [mean(source), mean(target)];
  let [real, imaginary, size] = [0, 0, 0];
  source.forEach(([x, y], i) => {
    const [u, v] = [x - a[0], y - a[1]];
    const [s, w] = [target[i][0] - b[0], target[i][1] - b[1]];
    real += u * s + v * w;
    imaginary += u * w - v * s;
    size += u * u + v * v;
  });
  return [real / size, imaginary / size];
}

function mean(points) {
  return [0, 1].map((k) => points.reduce((sum, point) => sum + point[k], 0) / points.length);
}

// Takes pixels of a crop to pixels of the picture; small rolls are left as FER-2013 leaves them.
export function placement({ box, landmarks }, n) {
  let [frame, points] = [n.frame, landmarks];
  const range = (k) => {
    const values = landmarks.map((point) => point[k]);
    return Math.max(...values) - Math.min(...values);
  };
  if (Math.max(range(0), range(1)) < 1) {
    frame = [n.box.slice(0, 2), n.box.slice(2)];
    points = [box.slice(0, 2), box.slice(2)];
  }
  const [real, imaginary] = similarity(frame, points);
  const roll = Math.atan2(imaginary, real);
  const [from, to] = n.roll.map((degrees) => (degrees * Math.PI) / 180);
  const share = Math.min(1, Math.max(0, (to - Math.abs(roll)) / (to - from)));
  const kept = roll - roll * share * share * (3 - 2 * share);
  const scale = Math.hypot(real, imaginary);
  const [c, s] = [scale * Math.cos(kept), scale * Math.sin(kept)];
  const [p, f] = [mean(points), mean(frame)];
  return [c, -s, p[0] - c * f[0] + s * f[1], s, c, p[1] - s * f[0] - c * f[1]];
}

export function grey(image) {
  const { data, width, height } = image;
  const out = new Uint8ClampedArray(width * height);
  for (let i = 0; i < out.length; i++)
    out[i] = 0.299 * data[3 * i] + 0.587 * data[3 * i + 1] + 0.114 * data[3 * i + 2];
  return { data: out, width, height, channels: 1 };
}

// Reads a crop out of an RGB image: area averaging down, then one affine.
export function warp(image, matrix, side) {
  const [a, b, c, d, e, f] = matrix;
  const corners = [[0, 0], [side, 0], [0, side], [side, side]].map(([u, v]) => [
    a * u + b * v + c,
    d * u + e * v + f,
  ]);
  const scale = Math.hypot(a, d);
  const margin = 2 * Math.max(scale, 1);
  const low = [0, 1].map((k) => Math.floor(Math.min(...corners.map((p) => p[k])) - margin));
  const high = [0, 1].map((k) => Math.ceil(Math.max(...corners.map((p) => p[k])) + margin));
  let part = region(image, low, high);
  let shrunk = [1, 1];
  if (scale > 1) {
    const width = Math.max(1, round(part.width / scale));
    const height = Math.max(1, round(part.height / scale));
    shrunk = [width / part.width, height / part.height];
    part = resize(part, width, height, "box");
  }
  return affine(
    part,
    [
      a * shrunk[0], b * shrunk[0], (c - low[0]) * shrunk[0],
      d * shrunk[1], e * shrunk[1], (f - low[1]) * shrunk[1],
    ],
    side,
  );
}

// Grey pixels between two corners; beyond the picture its edge is repeated.
function region(image, low, high) {
  const [width, height] = [high[0] - low[0], high[1] - low[1]];
  const out = new Uint8ClampedArray(width * height * 3);
  for (let y = 0, at = 0; y < height; y++) {
    const v = Math.min(image.height - 1, Math.max(0, y + low[1]));
    for (let x = 0; x < width; x++) {
      const u = Math.min(image.width - 1, Math.max(0, x + low[0]));
      const from = (v * image.width + u) * 3;
      for (let ch = 0; ch < 3; ch++) out[at++] = image.data[from + ch];
    }
  }
  return grey({ data: out, width, height });
}

// Pillow's Image.transform(AFFINE, BICUBIC), whose cubic has a = -1 and cuts fractions off.
function affine(image, [a, b, c, d, e, f], side) {
  const { data, width, height } = image;
  const out = new Uint8Array(side * side);
  const between = (v1, v2, v3, v4, t) =>
    v2 + t * (v3 - v1 + t * (2 * (v1 - v2) + v3 - v4 + t * (v2 - v1 - v3 + v4)));
  const clamp = (value, top) => Math.min(top, Math.max(0, value));
  for (let v = 0; v < side; v++)
    for (let u = 0; u < side; u++) {
      const x = a * (u + 0.5) + b * (v + 0.5) + c - 0.5;
      const y = d * (u + 0.5) + e * (v + 0.5) + f - 0.5;
      const [left, top] = [Math.floor(x), Math.floor(y)];
      const rows = [-1, 0, 1, 2].map((dy) => {
        const from = clamp(top + dy, height - 1) * width;
        const [p, q, r, s] = [-1, 0, 1, 2].map((dx) => data[from + clamp(left + dx, width - 1)]);
        return between(p, q, r, s, x - left);
      });
      out[v * side + u] = clamp(between(...rows, y - top), 255);
    }
  return out;
}
