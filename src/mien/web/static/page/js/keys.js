// The keyboard: arrows between faces and pictures, Escape out of the heat map and the camera.
const TYPING = "input, textarea, dialog, .scroll";

export function listen(session, stopCamera) {
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest(TYPING)) return;
    if (handle(event, session, stopCamera)) event.preventDefault();
  });
}

function handle({ key, target }, session, stopCamera) {
  if (key === "Escape") return escape(session, stopCamera);
  const faces = { ArrowLeft: -1, ArrowRight: 1 }[key];
  const pictures = { ArrowUp: -1, ArrowDown: 1 }[key];
  // elsewhere the page scrolls by them
  const inStrip = target.closest("#strip");
  if (faces && inStrip) return step(session, faces, inStrip);
  if (pictures && target.closest(".stage")) return step(session, pictures, inStrip);
  if (!faces || !session.shown?.faces?.length) return false;
  session.step(faces);
  if (target.closest("#boxes")) focusLater("#boxes [aria-pressed=true]");
  return true;
}

function step(session, by, inStrip) {
  const next = session.current + by;
  if (session.live || !session.pictures[next]) return false;
  session.choose(next);
  if (inStrip) focusLater("#strip [aria-current=true]");
  return true;
}

function escape(session, stopCamera) {
  if (session.maps) session.change({ maps: false, mapOf: null });
  else if (session.live) stopCamera();
  else return false;
  return true;
}

// After the next drawing, which was asked for before.
function focusLater(selector) {
  requestAnimationFrame(() => document.querySelector(selector)?.focus());
}
