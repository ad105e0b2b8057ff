// Faces of one picture together: their order, and how many show what.
import { nameOf } from "./say.js";
import { outOfTen, top } from "./scores.js";
import { t } from "./strings.js";

const MAJORITY = 5; // of ten: with no more votes than this for any emotion, people would disagree

// Faces as people count them: rows from top to bottom, each from left to right.
export function inReadingOrder(faces) {
  const middle = ({ box }) => (box[1] + box[3]) / 2;
  const height = ({ box }) => box[3] - box[1];
  const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
  const rows = [];
  for (const face of [...faces].sort((a, b) => middle(a) - middle(b))) {
    const row = rows.at(-1);
    const reach = row && mean([...row, face].map(height)) / 2;
    if (row && middle(face) - mean(row.map(middle)) < reach) row.push(face);
    else rows.push([face]);
  }
  return rows.flatMap((row) => row.sort((a, b) => a.box[0] + a.box[2] - b.box[0] - b.box[2]));
}

export function isSplit(face, emotions) {
  const share = face.votes[emotions[top(face, "votes", emotions)].id];
  return !face.is_unclear && outOfTen(share) <= MAJORITY;
}

// "6 faces: 4 happy, 1 neutral, people would disagree on 1"; nothing for fewer than two.
export function summary(faces, head, emotions) {
  if (faces.length < 2) return "";
  const counts = emotions.map(() => 0);
  let [split, unclear] = [0, 0];
  for (const face of faces)
    if (face.is_unclear) unclear++;
    else if (head !== "label" && isSplit(face, emotions)) split++;
    else counts[top(face, head, emotions)]++;
  const order = emotions.map((_, i) => i).sort((a, b) => counts[b] - counts[a]);
  const parts = order
    .filter((i) => counts[i])
    .map((i) => t("groupCount", { n: counts[i], name: nameOf(emotions[i]) }));
  if (split) parts.push(t("groupSplit", { n: split }));
  if (unclear) parts.push(t("groupUnclear", { n: unclear }));
  return t("group", { n: faces.length, counts: parts.join(", ") });
}
