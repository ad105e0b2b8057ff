// The last minute of the camera: how the scores of the chosen face went.
import { nameOf } from "./say.js";
import { t } from "./strings.js";

const SPAN = 60_000; // milliseconds
const BREAK = 1500; // a face that was away for longer has a gap

// Frames are {time, faces}; drops what is older than the span.
export function remember(history, faces, time = performance.now()) {
  const seen = new Map(faces.map(({ id, expression, votes, label }) => [id, { expression, votes, label }]));
  const kept = history.filter((frame) => time - frame.time <= SPAN);
  return [...kept, { time, seen }];
}

export function drawTimeline(session, canvas, now = performance.now()) {
  const { history, chosen, head, config } = session;
  const { clientWidth, clientHeight } = canvas;
  const sharp = Math.min(2, devicePixelRatio || 1);
  canvas.width = clientWidth * sharp;
  canvas.height = clientHeight * sharp;
  const pen = canvas.getContext("2d");
  const points = history
    .filter(({ seen }) => seen.has(chosen?.id))
    .map(({ time, seen }) => ({ time, shares: seen.get(chosen.id)[head] }));
  canvas.setAttribute("aria-label", told(points, config.emotions));
  const x = (time) => Math.round(canvas.width * (1 - (now - time) / SPAN)); // no seams
  points.forEach((point, i) => {
    const next = points[i + 1];
    if (!next || next.time - point.time > BREAK) return;
    const width = Math.max(1, x(next.time) - x(point.time));
    let [from, to] = [canvas.height, canvas.height];
    for (const { id, colour } of config.emotions) {
      const [a, b] = [point.shares[id] * canvas.height, next.shares[id] * canvas.height];
      pen.fillStyle = colour;
      pen.beginPath();
      pen.moveTo(x(point.time), from);
      pen.lineTo(x(point.time), from - a);
      pen.lineTo(x(point.time) + width, to - b);
      pen.lineTo(x(point.time) + width, to);
      pen.fill();
      [from, to] = [from - a, to - b];
    }
  });
}

function told(points, emotions) {
  if (!points.length) return t("timelineEmpty");
  const sums = emotions.map(({ id }) => points.reduce((sum, { shares }) => sum + shares[id], 0));
  const most = emotions[sums.indexOf(Math.max(...sums))];
  return t("timelineOf", { name: nameOf(most) });
}
