// A worker that runs both graphs, and the calls to it. The npm package uses this file too.

// `base` is the URL of the folder that holds config.json, model/ and ort/; `script` the worker's,
// where this file was bundled and the worker was not.
export function startEngine(base, script) {
  const worker = script
    ? new Worker(script, { type: "module" })
    : new Worker(new URL("./local-worker.js", import.meta.url), { type: "module" });
  const waiting = new Map();
  let count = 0;
  let broken = null;

  function fail(error) {
    broken = error;
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  }

  worker.onmessage = ({ data: { id, result, error, code } }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) resolve(result);
    else reject(Object.assign(new Error(error), { code }));
  };
  worker.onerror = (event) => fail(new Error(event.message ?? "the worker could not be started"));

  function call(kind, value) {
    return new Promise((resolve, reject) => {
      if (broken) return reject(broken);
      waiting.set(++count, { resolve, reject });
      worker.postMessage({ id: count, kind, value });
    });
  }

  const loaded = call("load", new URL(base, import.meta.url).href);
  return {
    loaded, // rejects where a file is missing
    analyze: (image, minFace) => loaded.then(() => call("analyze", { image, minFace })),
    classify: (crops) => loaded.then(() => call("classify", crops)),
    close: () => {
      worker.terminate();
      fail(new Error("closed"));
    },
  };
}
