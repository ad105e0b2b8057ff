// Where each face's label stands: near its box, on no other label, and on as little face as can be.
import { nameOf } from "./say.js";
import { outOfTen, percent, top } from "./scores.js";
import { t } from "./strings.js";

const GAP = 5;
const RINGS = 40; // of the search for a free place, in label heights

// What a label says, from its longest form to its shortest.
export function wordings(face, number, head, emotions) {
  const emotion = emotions[top(face, head, emotions)];
  const share = face[head][emotion.id];
  const before = number === null ? [] : [String(number)];
  const score = head === "votes" ? `${outOfTen(share)}/10` : percent(share);
  const name = face.is_unclear ? t("unclearTag") : nameOf(emotion);
  const long = face.is_unclear ? [...before, name] : [...before, name, score];
  const forms = [long, [...before, name], number === null ? [name] : before];
  return forms.map((parts) => parts.join(" "));
}

// `boxes` are [left, top, right, bottom], `sizes` each face's [[width, height], …] from its largest
// label to its smallest, `frame` is [width, height]; `first` is placed before the others.
// Gives for each face {form, x, y, width, height}.
export function placeLabels(boxes, sizes, frame, first = 0) {
  const placed = [];
  const out = [];
  const order = boxes.map((_, i) => i).sort((a, b) => (b === first) - (a === first));
  for (const i of order) {
    const place = best(i, boxes, sizes[i], frame, placed) ?? anywhere(i, boxes, sizes[i], frame, placed);
    placed.push(rect(place));
    out[i] = place;
  }
  return out;
}

const rect = ({ x, y, width, height }) => [x, y, x + width, y + height];

function best(i, boxes, sizes, frame, placed) {
  for (const [form, [width, height]] of sizes.entries()) {
    const last = form === sizes.length - 1;
    let found = null;
    around(boxes[i], width, height).forEach(([x, y], rank) => {
      const place = { form, x: clamp(x, frame[0] - width), y, width, height };
      if (y < 0 || y + height > frame[1]) return;
      if (placed.some((other) => shared(rect(place), other) > 0)) return;
      const area = width * height;
      const others = boxes.reduce(
        (sum, box, k) => sum + (k === i ? 0 : shared(rect(place), box)), 0) / area;
      const own = shared(rect(place), boxes[i]) / Math.max(area, 1);
      const cost = 4 * others + own + 0.01 * rank;
      if (!last && (others > 0.15 || (own > 0.5 && covers(boxes[i], height)))) return;
      if (!found || cost < found.cost) found = { ...place, cost };
    });
    if (found) return found;
  }
  return null;
}

// Whether a label inside a box would hide much of the face.
function covers(box, height) {
  return height > 0.2 * (box[3] - box[1]);
}

// Places around and inside a box, the best first.
function around([left, top, right, bottom], width, height) {
  const [x, y] = [(left + right - width) / 2, (top + bottom - height) / 2];
  const above = top - height - GAP;
  const below = bottom + GAP;
  const beside = [right + GAP, left - width - GAP];
  return [
    [left, above], [x, above], [right - width, above],
    [left, below], [x, below], [right - width, below],
    ...[top, y, bottom - height].flatMap((level) => beside.map((side) => [side, level])),
    [left + GAP, top + GAP], [left + GAP, bottom - height - GAP],
  ];
}

// The free place nearest to a box for its smallest label; on the box itself where there is none.
function anywhere(i, boxes, sizes, frame, placed) {
  const form = sizes.length - 1;
  const [width, height] = sizes[form];
  const [left, top] = boxes[i];
  for (let ring = 0; ring < RINGS; ring++)
    for (let turn = 0; turn < 8 * Math.max(1, ring); turn++) {
      const angle = (2 * Math.PI * turn) / (8 * Math.max(1, ring));
      const x = clamp(left + ring * height * Math.cos(angle), frame[0] - width);
      const y = clamp(top + ring * height * Math.sin(angle), frame[1] - height);
      const place = { form, x, y, width, height };
      if (!placed.some((other) => shared(rect(place), other) > 0)) return place;
    }
  return { form, x: clamp(left, frame[0] - width), y: clamp(top, frame[1] - height), width, height };
}

const clamp = (value, high) => Math.max(0, Math.min(value, high));

function shared(a, b) {
  const wide = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const tall = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  return wide > 0 && tall > 0 ? wide * tall : 0;
}

// Measures text as it will be drawn: [width, height] with the label's padding.
const pen = new OffscreenCanvas(1, 1).getContext("2d");
export const FAMILY = getComputedStyle(document.documentElement).getPropertyValue("--font");

export function labelSize(text, size) {
  pen.font = `650 ${size}px ${FAMILY}`;
  return [Math.ceil(pen.measureText(text).width + size * 1.1), Math.round(size * 1.6)];
}
