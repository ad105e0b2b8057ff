// The camera: one frame at a time to the engine, the next when its answer is there.
import { overlaps } from "./detect.js";

const LONG_SIDE = 640;
const KEEP = 0.55; // share of a face's earlier scores in what is shown; calms the bars

let stream = null;
let starting = false; // from the click to the answer to the browser's question
let stops = 0;

export function running() {
  return stream !== null || starting;
}

export function asking() {
  return starting;
}

export async function start(session, video) {
  if (running()) return;
  const before = stops;
  starting = true;
  let given;
  try {
    given = await navigator.mediaDevices.getUserMedia({
      video: { facingMode: "user", width: { ideal: 1280 } },
    });
  } finally {
    starting = false;
  }
  if (stops !== before) return release(given); // meanwhile people chose something else
  stream = given;
  video.srcObject = stream;
  try {
    await video.play();
  } catch (error) {
    if (stream !== given) return; // stopped before its first frame
    stop(session, video);
    throw error;
  }
  if (stream !== given) return;
  session.change({ live: { width: video.videoWidth, height: video.videoHeight, faces: [] }, face: 0 });
  loop(session, video);
}

export function stop(session, video) {
  stops += 1;
  release(stream);
  stream = null;
  video.srcObject = null;
  session.change({ live: null, face: 0 });
}

function release(given) {
  for (const track of given?.getTracks() ?? []) track.stop();
}

async function loop(session, video) {
  const mine = stream;
  const canvas = document.createElement("canvas");
  while (stream === mine && mine) {
    await new Promise(requestAnimationFrame);
    const blob = await grab(video, canvas);
    if (!blob || !session.engine) continue;
    try {
      const seen = await session.engine.analyze(blob, "camera.jpg");
      if (stream !== mine) return;
      const faces = smooth(session.live.faces, seen.faces);
      const face = Math.min(session.face, Math.max(0, faces.length - 1));
      session.change({ live: { width: seen.width, height: seen.height, faces }, face });
    } catch (error) {
      if (stream === mine) stop(session, video);
      session.dispatchEvent(new CustomEvent("trouble", { detail: error.message }));
    }
  }
}

// The frame as it is shown: mirrored, as people know themselves.
function grab(video, canvas) {
  const { videoWidth: width, videoHeight: height } = video;
  if (!width) return null;
  const scale = Math.min(1, LONG_SIDE / Math.max(width, height));
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const pen = canvas.getContext("2d");
  pen.setTransform(-1, 0, 0, 1, canvas.width, 0);
  pen.drawImage(video, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.9));
}

// Each face keeps its place in the list and part of its scores from frame to frame.
export function smooth(before, now) {
  const rest = [...now];
  const kept = before.flatMap((old) => {
    const at = rest.findIndex((face) => overlaps(old.box, face.box)[0] > 0.3);
    if (at < 0) return [];
    const [face] = rest.splice(at, 1);
    const mix = (a, b) => KEEP * a + (1 - KEEP) * b;
    const mixed = (group) =>
      Object.fromEntries(Object.entries(face[group]).map(([k, v]) => [k, mix(old[group][k], v)]));
    return [{
      ...face,
      votes: mixed("votes"),
      label: mixed("label"),
      unclear: mix(old.unclear, face.unclear),
      box: face.box.map((value, k) => mix(old.box[k], value)),
    }];
  });
  return [...kept, ...rest];
}
