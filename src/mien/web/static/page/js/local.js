// The engine of a static page: a worker in this browser runs both graphs.
import { t } from "./strings.js";

export async function connect() {
  const worker = new Worker(new URL("local-worker.js", import.meta.url), { type: "module" });
  const waiting = new Map();
  let count = 0;

  worker.onmessage = ({ data: { id, result, error } }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) resolve(result);
    else reject(new Error(error));
  };
  worker.onerror = (event) => {
    for (const { reject } of waiting.values()) reject(new Error(event.message ?? "worker"));
    waiting.clear();
  };

  function call(kind, value) {
    return new Promise((resolve, reject) => {
      waiting.set(++count, { resolve, reject });
      worker.postMessage({ id: count, kind, value });
    });
  }

  await call("load", new URL("../", import.meta.url).href);
  return {
    atOnce: 1,
    promise: () => t("promiseLocal"),
    analyze: async (blob, name) => ({ source: name, ...(await call("analyze", blob)) }),
    // Uint8Array of N crops of 48x48, one after the other: {label, ballot}, N rows each
    classify: (crops) => call("classify", crops),
  };
}
