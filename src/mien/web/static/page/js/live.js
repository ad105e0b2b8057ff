// The camera: one frame at a time to the engine, the next when its answer is there.
import { overlaps } from "./detect.js";
import { inReadingOrder } from "./group.js";
import { t } from "./strings.js";
import { remember } from "./timeline.js";

const LONG_SIDE = 640;
const KEEP = 0.55; // share of a face's earlier scores in what is shown; calms the bars

let stream = null;
let starting = false; // from the click to the answer to the browser's question
let stops = 0;
let named = 0; // faces that got an id here

export function running() {
  return stream !== null || starting;
}

export function asking() {
  return starting;
}

export async function start(session, video) {
  if (running()) return;
  if (!navigator.mediaDevices) throw new Error(t("noCameraHere"));
  const before = stops;
  starting = true;
  let given;
  try {
    given = await navigator.mediaDevices.getUserMedia({
      video: { facingMode: "user", width: { ideal: 1280 } },
    });
  } catch (error) {
    throw new Error(t("noCamera", { error: error.message }));
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
    throw new Error(t("noCamera", { error: error.message }));
  }
  if (stream !== given) return;
  const size = { width: video.videoWidth, height: video.videoHeight };
  session.change({ live: { ...size, faces: [] }, face: 0, history: [] });
  loop(session, video);
}

export function stop(session, video) {
  stops += 1;
  release(stream);
  stream = null;
  video.srcObject = null;
  session.change({ live: null, face: 0, history: [] });
}

function release(given) {
  for (const track of given?.getTracks() ?? []) track.stop();
}

// The frame of now at its full size, as a picture.
export async function snapshot(video, name) {
  const blob = await grab(video, document.createElement("canvas"), Infinity);
  return blob && new File([blob], `${name}.jpg`, { type: blob.type });
}

async function loop(session, video) {
  const mine = stream;
  const canvas = document.createElement("canvas");
  let socket; // undefined: not tried yet; null: there is none
  while (stream === mine && mine) {
    await new Promise(requestAnimationFrame);
    const blob = await grab(video, canvas);
    if (!blob || !session.engine) continue;
    try {
      socket ??= socket === undefined ? await session.engine.stream?.() ?? null : null;
      const seen = await read(session, socket, blob, canvas).catch((error) => {
        if (!socket) throw error;
        socket = null; // a stream that breaks off leaves the other way
      });
      if (stream !== mine) break;
      if (!seen) continue;
      show(session, seen);
    } catch (error) {
      if (stream === mine) stop(session, video);
      session.dispatchEvent(new CustomEvent("trouble", { detail: error.message }));
    }
  }
  socket?.close();
}

// Maps come with whole answers alone. A frame that the service dropped has none.
async function read(session, socket, blob, { width, height }) {
  if (!socket || session.maps) return session.engine.analyze(blob, "camera.jpg");
  const answer = await socket.send(blob);
  return answer.dropped ? null : { width, height, faces: answer.faces };
}

function show(session, seen) {
  const before = session.live.faces;
  const chosen = before[session.face]?.id;
  const faces = inReadingOrder(smooth(before, seen.faces));
  const at = faces.findIndex(({ id }) => id === chosen);
  session.change({
    live: { width: seen.width, height: seen.height, faces },
    face: at >= 0 ? at : Math.min(session.face, Math.max(0, faces.length - 1)),
    history: remember(session.history, faces),
  });
}

// The frame as it is shown: mirrored, as people know themselves.
function grab(video, canvas, long = LONG_SIDE) {
  const { videoWidth: width, videoHeight: height } = video;
  if (!width) return null;
  const scale = Math.min(1, long / Math.max(width, height));
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const pen = canvas.getContext("2d");
  pen.setTransform(-1, 0, 0, 1, canvas.width, 0);
  pen.drawImage(video, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.9));
}

// Each face keeps its id and part of its scores from frame to frame. Ids that the service gives
// stay; other faces are known again by their boxes.
export function smooth(before, now) {
  const rest = [...before];
  return now.map((face) => {
    const same = (old) =>
      face.id === undefined ? overlaps(old.box, face.box)[0] > 0.3 : old.id === face.id;
    const at = rest.findIndex(same);
    if (at < 0) return { ...face, id: face.id ?? `here-${++named}` };
    const [old] = rest.splice(at, 1);
    const mix = (a, b) => KEEP * a + (1 - KEEP) * b;
    const mixed = (group) =>
      Object.fromEntries(Object.entries(face[group]).map(([k, v]) => [k, mix(old[group][k], v)]));
    return {
      ...face,
      id: old.id,
      expression: mixed("expression"),
      votes: mixed("votes"),
      label: mixed("label"),
      unclear: mix(old.unclear, face.unclear),
      box: face.box.map((value, k) => mix(old.box[k], value)),
    };
  });
}
