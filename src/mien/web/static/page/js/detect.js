// Where the faces of a picture are: mien.infer.levels, boxes and detect in JavaScript.
// `n` is config.json's "detector": the numbers are Python's own.
import { round, shrink } from "./resample.js";

export function scales(height, width, minFace, n) {
  const long = Math.max(height, width);
  const reduced = Math.max(1, long / n.searchSide);
  const smallest = Math.max(minFace, Math.min(minFace, n.minFace) * reduced);
  const base = n.baseSide / long;
  const finest = Math.min(n.sureSize / smallest, n.searchSide / long);
  if (finest <= base) return [base];
  const steps = Math.ceil(Math.log(finest / base) / Math.log(n.step));
  return Array.from({ length: steps + 1 }, (_, i) => base * (finest / base) ** (i / steps));
}

// Candidates of one pass as arrays of 17: left, top, right, bottom, six landmarks, score.
export function decode(raw, logits, width, n) {
  const least = Math.log(n.threshold / (1 - n.threshold));
  const across = Math.floor(width / n.stride);
  const found = [];
  logits.forEach((logit, anchor) => {
    if (logit < least) return;
    const x = ((anchor % across) + 0.5) * n.stride;
    const y = (Math.floor(anchor / across) + 0.5) * n.stride;
    const row = raw.subarray(anchor * 16, anchor * 16 + 16);
    const half = [row[2] / 2, row[3] / 2];
    if (half[0] <= 0 || half[1] <= 0) return;
    const face = [row[0] + x - half[0], row[1] + y - half[1], row[0] + x + half[0], row[1] + y + half[1]];
    for (let k = 4; k < 16; k += 2) face.push(row[k] + x, row[k + 1] + y);
    face.push(1 / (1 + Math.exp(-logit)));
    found.push(face);
  });
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
  let rest = [...candidates].sort((a, b) => b[16] - a[16]);
  const merged = [];
  while (rest.length) {
    const best = rest[0];
    const shares = rest.map((other) => overlaps(best, other));
    const same = rest.filter((_, i) => i === 0 || shares[i][0] >= n.overlap);
    const total = same.reduce((sum, face) => sum + face[16], 0);
    const face = best.map((_, k) => same.reduce((sum, f) => sum + (f[16] / total) * f[k], 0));
    face[16] = best[16];
    merged.push(face);
    rest = rest.filter((_, i) => i > 0 && shares[i][0] < n.overlap && shares[i][1] < n.inside);
  }
  return merged;
}

// `run(canvas)` runs the graph on {data, width, height} of RGB bytes: {raw, logits}.
async function look(image, scale, run, n, least = 0) {
  const width = Math.max(1, round(image.width * scale));
  const height = Math.max(1, round(image.height * scale));
  const seen = shrink(image, width, height, scale < 1 ? "bilinear" : "bicubic");
  const onGrid = (side) => Math.ceil(Math.max(side, least) / n.grid) * n.grid;
  const canvas = { width: onGrid(width), height: onGrid(height) };
  canvas.data = new Uint8Array(canvas.width * canvas.height * 3);
  const left = (canvas.width - width) >> 1;
  const top = (canvas.height - height) >> 1;
  for (let y = 0; y < height; y++)
    canvas.data.set(
      seen.data.subarray(y * width * 3, (y + 1) * width * 3),
      ((y + top) * canvas.width + left) * 3,
    );
  const { raw, logits } = await run(canvas);
  const stretch = [image.width / width, image.height / height];
  const shift = [left, top];
  return decode(raw, logits, canvas.width, n).map((face) =>
    face.map((value, k) => (k < 16 ? (value - shift[k % 2]) * stretch[k % 2] : value)),
  );
}

// Faces of an RGB image, best first: [{box, landmarks, score}].
export async function detect(image, run, n, minFace = n.minFace) {
  const found = [];
  for (const scale of scales(image.height, image.width, minFace, n))
    found.push(...(await look(image, scale, run, n)));
  let faces = merge(found, n);
  if (!faces.length) {
    const half = n.baseSide / 2 / Math.max(image.height, image.width);
    faces = merge(await look(image, half, run, n, n.baseSide), n);
  }
  return faces.map((face) => ({
    box: face.slice(0, 4),
    landmarks: [4, 6, 8, 10, 12, 14].map((k) => [face[k], face[k + 1]]),
    score: face[16],
  }));
}
