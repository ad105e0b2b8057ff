// Where the faces of a picture are: mien.infer.levels, boxes and detect in JavaScript.
// `n` is config.json's "detector": the numbers are Python's own.
import { round, shrink } from "./resample.js";

const SCORE = 14; // a face is an array of 15: left, top, right, bottom, five landmarks, score

export function scales(height, width, minFace, n) {
  const long = Math.max(height, width);
  const own = minFace > n.seen ? n.seen / minFace : 1;
  const finest = Math.max(Math.min(2, Math.max(own, n.least / minFace)), n.small / long);
  const base = n.baseSide / long;
  if (finest * long <= n.whole) return [finest];
  const steps = Math.ceil(Math.log(finest / base) / Math.log(n.step));
  return Array.from({ length: steps + 1 }, (_, i) => base * (finest / base) ** (i / steps));
}

function parts(side, n) {
  if (side <= n.tile) return [[0, side]];
  const count = Math.ceil((side - n.shared) / (n.tile - n.shared));
  const length = Math.ceil((side - n.shared) / count) + n.shared;
  return Array.from({ length: count }, (_, i) => {
    const start = Math.min(i * (length - n.shared), side - length);
    return [start, start + length];
  });
}

// Candidates of one run, in pixels of what the network saw.
export function decode(raw, height, width, n, from = n.threshold[1]) {
  const least = Math.log(from / (1 - from));
  const [move, grow] = n.units;
  const found = [];
  let at = 0;
  for (const [stride, ...sides] of n.levels)
    for (let y = stride / 2; y < height; y += stride)
      for (let x = stride / 2; x < width; x += stride)
        for (const side of sides) {
          const row = raw.subarray(at, (at += 15));
          if (row[0] < least) continue;
          const centre = [x + row[1] * move * side, y + row[2] * move * side];
          const half = [3, 4].map((k) => (side * Math.exp(Math.min(row[k] * grow, 4))) / 2);
          const face = [centre[0] - half[0], centre[1] - half[1], centre[0] + half[0], centre[1] + half[1]];
          for (let k = 5; k < 15; k += 2) face.push(x + row[k] * move * side, y + row[k + 1] * move * side);
          face.push(1 / (1 + Math.exp(-row[0])));
          found.push(face);
        }
  return found;
}

export function overlaps(a, b) {
  const wide = Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0]));
  const tall = Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]));
  const area = (box) => (box[2] - box[0]) * (box[3] - box[1]);
  const shared = wide * tall;
  return [shared / (area(a) + area(b) - shared), shared / Math.min(area(a), area(b))];
}

// Weighted non-maximum suppression, best first.
export function merge(candidates, n) {
  let rest = [...candidates].sort((a, b) => b[SCORE] - a[SCORE]);
  const merged = [];
  while (rest.length) {
    const best = rest[0];
    const shares = rest.map((other) => overlaps(best, other));
    const same = rest.filter((_, i) => i === 0 || shares[i][0] >= n.overlap);
    const total = same.reduce((sum, face) => sum + face[SCORE], 0);
    const face = best.map((_, k) => same.reduce((sum, f) => sum + (f[SCORE] / total) * f[k], 0));
    face[SCORE] = best[SCORE];
    merged.push(face);
    rest = rest.filter((_, i) => i > 0 && shares[i][0] < n.overlap && shares[i][1] < n.inside);
  }
  return merged;
}

// Degrees by which a face is turned clockwise.
export function roll(face) {
  const x = (face[10] + face[12] - face[4] - face[6]) / 2;
  const y = (face[11] + face[13] - face[5] - face[7]) / 2;
  return (Math.atan2(-x, y) * 180) / Math.PI;
}

// Turns an image by quarters, counter-clockwise, as np.rot90 does.
function turn(image, quarters) {
  let out = image;
  for (let q = 0; q < quarters; q++) {
    const { data, width, height } = out;
    const next = { data: new Uint8ClampedArray(data.length), width: height, height: width, channels: 3 };
    for (let y = 0; y < width; y++)
      for (let x = 0; x < height; x++) {
        const from = (x * width + width - 1 - y) * 3;
        next.data.set(data.subarray(from, from + 3), (y * height + x) * 3);
      }
    out = next;
  }
  return out;
}

// A face of an image that `turn` turned, in pixels of the one of this width and height.
export function turnedBack(face, quarters, height, width) {
  const moves = [(x, y) => [x, y], (x, y) => [width - y, x], (x, y) => [width - x, height - y], (x, y) => [y, height - x]];
  const out = [];
  for (let k = 0; k < SCORE; k += 2) out.push(...moves[quarters](face[k], face[k + 1]));
  const [a, b, c, d] = out;
  out.splice(0, 4, Math.min(a, c), Math.min(b, d), Math.max(a, c), Math.max(b, d));
  return [...out, face[SCORE]];
}

// A black image of a size, with another laid on it at a corner that may be outside.
function framed(image, width, height, left, top) {
  const data = new Uint8ClampedArray(width * height * 3);
  const [from, to] = [Math.max(0, -left), Math.min(image.width, width - left)];
  for (let y = Math.max(0, -top); y < Math.min(image.height, height - top); y++)
    data.set(
      image.data.subarray((y * image.width + from) * 3, (y * image.width + Math.max(from, to)) * 3),
      ((y + top) * width + left + from) * 3,
    );
  return { data, width, height, channels: 3 };
}

const resized = (image, width, height) =>
  width === image.width && height === image.height
    ? image
    : shrink(image, width, height, width < image.width ? "box" : "bicubic");
const scaled = (image, scale) =>
  resized(image, Math.max(1, round(image.width * scale)), Math.max(1, round(image.height * scale)));
const moved = (face, shift, stretch) =>
  face.map((value, k) => (k < SCORE ? (value + shift[k % 2]) * stretch[k % 2] : value));

// One run; `run(canvas)` runs the graph on {data, width, height} of RGB bytes: its rows.
async function look(image, run, n, least) {
  const onGrid = (side) => Math.ceil(side / n.grid) * n.grid;
  const canvas = framed(image, onGrid(image.width), onGrid(image.height), 0, 0);
  return decode(await run(canvas), canvas.height, canvas.width, n, least);
}

async function search(image, run, n, minFace) {
  const { width, height } = image;
  const found = [];
  let seen = image;
  for (const scale of scales(height, width, minFace, n).reverse()) {
    const [w, h] = [width, height].map((side) => Math.max(1, round(side * scale)));
    seen = resized(seen, w, h);
    const half = n.shared / 2;
    for (const [top, bottom] of parts(h, n))
      for (const [left, right] of parts(w, n)) {
        const part = framed(seen, right - left, bottom - top, -left, -top);
        for (const face of await look(part, run, n)) {
          const [x, y] = [(face[0] + face[2]) / 2 + left, (face[1] + face[3]) / 2 + top];
          if ((left && x < left + half) || (right < w && x >= right - half)) continue;
          if ((top && y < top + half) || (bottom < h && y >= bottom - half)) continue;
          found.push(moved(face, [left, top], [width / w, height / h]));
        }
      }
  }
  const faces = merge(found, n);
  if (faces.length) return faces;
  const [side, inside] = n.margin;
  const inner = scaled(seen, inside / Math.max(seen.width, seen.height));
  const [left, top] = [(side - inner.width) >> 1, (side - inner.height) >> 1];
  const alone = merge(await look(framed(inner, side, side, left, top), run, n), n);
  return alone.map((face) => moved(face, [-left, -top], [width / inner.width, height / inner.height]));
}

function looksTurned(faces, n) {
  const area = (face) => (face[2] - face[0]) * (face[3] - face[1]);
  const largest = [...faces].sort((a, b) => area(b) - area(a)).slice(0, n.largest);
  const rolled = largest.filter((face) => Math.abs(roll(face)) >= n.upright).length;
  const score = largest.reduce((sum, face) => sum + face[SCORE], 0) / largest.length;
  return !largest.length || rolled / largest.length >= 0.5 || score < n.sure;
}

// Mean score of the surest upright face of each image.
async function surest(images, quarters, run, n) {
  let total = 0;
  for (const image of images) {
    const faces = merge(await look(turn(image, quarters), run, n), n);
    total += faces.find((face) => Math.abs(roll(face)) < n.upright)?.[SCORE] ?? 0;
  }
  return total / images.length;
}

function around(image, face, n) {
  const [side, all] = n.around;
  const half = ((Math.max(face[2] - face[0], face[3] - face[1]) / side) * all) / 2;
  const [x, y] = [(face[0] + face[2]) / 2, (face[1] + face[3]) / 2];
  const [left, top, right, bottom] = [x - half, y - half, x + half, y + half].map(round);
  const part = framed(image, Math.max(1, right - left), Math.max(1, bottom - top), -left, -top);
  return resized(part, all, all);
}

// The faces that hold: doubtful ones are looked at again, each on its own.
async function confirmed(image, faces, run, n, minFace) {
  const finest = scales(image.height, image.width, minFace, n).at(-1);
  const [faintest, centred] = n.again;
  const [side, all] = n.around;
  const kept = [];
  for (const face of faces) {
    const large = Math.max(face[2] - face[0], face[3] - face[1]) * finest >= n.large[0];
    let score = face[SCORE];
    if (score < n.doubt[large ? 1 : 0]) {
      const off = (other, k) => Math.abs((other[k] + other[k + 2] - all) / 2);
      const found = await look(around(image, face, n), run, n, faintest);
      const here = found.filter((other) => Math.max(off(other, 0), off(other, 1)) < centred * side);
      score = (score + Math.max(0, ...here.map((other) => other[SCORE]))) / 2;
    }
    if (score >= n.threshold[0] - (large ? n.large[1] : 0)) kept.push([...face.slice(0, SCORE), score]);
  }
  return kept.sort((a, b) => b[SCORE] - a[SCORE]);
}

async function bestTurn(image, faces, run, n) {
  const choose = (evidence, least) => {
    const best = evidence.indexOf(Math.max(...evidence));
    return evidence[best] >= Math.max(least, evidence[0] + n.more) ? best : 0;
  };
  const all = async (images, first) => {
    const evidence = [first];
    for (const q of [1, 2, 3]) evidence.push(await surest(images, q, run, n));
    return evidence;
  };
  if (faces.length) {
    const near = faces.slice(0, n.witnesses).map((face) => around(image, face, n));
    const upright = await surest(near, 0, run, n);
    if (upright >= 1 - n.more) return 0;
    const evidence = await all(near, upright);
    if (Math.max(...evidence) >= n.told) return choose(evidence, 0);
    const surestOf = faces.slice(0, n.witnesses).map((face) => face[SCORE]);
    if (surestOf.reduce((a, b) => a + b) / surestOf.length >= n.sure) return 0;
  }
  const small = scaled(image, Math.min(1, n.turnSide / Math.max(image.width, image.height)));
  const upright = faces.length ? await surest([small], 0, run, n) : 0; // the search found none
  return choose(await all([small], upright), n.told);
}

// Faces of an RGB image, best first: [{box, landmarks, score}].
export async function detect(image, run, n, minFace = n.minFace) {
  let faces = await search(image, run, n, minFace);
  const best = looksTurned(faces, n) ? await bestTurn(image, faces, run, n) : 0;
  if (best) {
    const turned = turn(image, best);
    const held = await confirmed(turned, await search(turned, run, n, minFace), run, n, minFace);
    const upright = held.map((face) => turnedBack(face, best, image.height, image.width));
    const lone = faces.filter(
      (face) => face[SCORE] >= n.sure && upright.every((other) => overlaps(face, other)[1] < n.overlap),
    );
    faces = [...upright, ...lone].sort((a, b) => b[SCORE] - a[SCORE]);
  } else faces = await confirmed(image, faces, run, n, minFace);
  return faces.map((face) => ({
    box: face.slice(0, 4),
    landmarks: [4, 6, 8, 10, 12].map((k) => [face[k], face[k + 1]]),
    score: face[SCORE],
  }));
}
