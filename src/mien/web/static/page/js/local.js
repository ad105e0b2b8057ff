// The engine of a static page: a worker in this browser runs both graphs.
import { startEngine } from "./engine.js";
import { t } from "./strings.js";

export async function connect() {
  const engine = startEngine("../");
  await engine.loaded;
  return {
    atOnce: 1,
    promise: () => t("promiseLocal"),
    analyze: async (blob, name) => {
      try {
        return { source: name, ...(await engine.analyze(blob)) };
      } catch (error) {
        throw error.code === "picture" ? new Error(t("noPicture")) : error;
      }
    },
    // Uint8Array of N crops of 48x48, one after the other: {label, ballot}, N rows each
    classify: engine.classify,
  };
}
