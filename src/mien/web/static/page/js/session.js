// What the page knows: the pictures, which face is chosen, and how to show it.
import { inReadingOrder } from "./group.js";

export class Session extends EventTarget {
  constructor() {
    super();
    this.config = null; // config.json, once it has come
    this.engine = null;
    this.pictures = []; // {name, blob, url, status: "waiting" | "working" | "done" | "failed", …}
    this.current = 0;
    this.face = 0;
    this.head = "expression";
    this.maps = false;
    this.mapOf = null; // index of an emotion; null: the top one
    this.live = null; // {width, height, faces} of the camera's last frame
    this.history = []; // of the camera's last minute, see timeline.js
    this.working = 0;
  }

  get shown() {
    return this.live ?? this.pictures[this.current] ?? null;
  }

  get chosen() {
    return this.shown?.faces?.[this.face] ?? null;
  }

  change(values = {}) {
    Object.assign(this, values);
    this.dispatchEvent(new Event("change"));
  }

  ready(engine) {
    this.change({ engine });
    this.#work();
  }

  // Without an engine nothing can be read: not what waits, nor what comes.
  fail(message) {
    const analyze = () => Promise.reject(new Error(message));
    if (this.config) this.ready({ atOnce: 3, promise: () => message, analyze });
  }

  // Adds pictures to read and shows the first of them, unless the camera goes on.
  add(files) {
    const added = [...files].map((blob) => ({
      name: blob.name || "picture.png",
      blob,
      url: URL.createObjectURL(blob),
      status: "waiting",
      faces: [],
    }));
    if (!added.length) return;
    const first = this.pictures.length;
    this.pictures.push(...added);
    if (this.live) this.change();
    else this.change({ current: first, face: 0, mapOf: null });
    this.#work();
  }

  clear() {
    for (const picture of this.pictures) URL.revokeObjectURL(picture.url);
    this.change({ pictures: [], current: 0, face: 0, mapOf: null });
  }

  choose(current, face = 0) {
    if (this.live) this.dispatchEvent(new Event("leave"));
    this.change({ current, face, mapOf: null });
  }

  // Steps through the faces of the picture that is shown.
  step(by) {
    const count = this.shown?.faces.length ?? 0;
    if (count) this.change({ face: (this.face + by + count) % count, mapOf: null });
  }

  #work() {
    while (this.engine && this.working < this.engine.atOnce) {
      const picture = this.pictures.find(({ status }) => status === "waiting");
      if (!picture) return;
      this.#read(picture);
    }
  }

  async #read(picture) {
    picture.status = "working";
    this.working++;
    this.change();
    try {
      const { width, height, faces, error } = await this.engine.analyze(picture.blob, picture.name);
      if (error) throw new Error(error);
      Object.assign(picture, { width, height, faces: inReadingOrder(faces), status: "done" });
    } catch (error) {
      Object.assign(picture, { status: "failed", error: error.message });
    }
    this.working--;
    this.change();
    this.dispatchEvent(new CustomEvent("read", { detail: picture }));
    this.#work();
  }
}
