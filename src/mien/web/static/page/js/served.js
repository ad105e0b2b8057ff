// The engine of a served page: pictures go to the service that the page came from.
import { t } from "./strings.js";

const TRIES = 4;

// `askToken()` resolves to a token that a person typed.
export async function connect(config, askToken) {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem("mien.token", given);
    history.replaceState(null, "", location.pathname);
  }

  async function post(blob, name, tries = TRIES) {
    const body = new FormData();
    body.append("files", blob, name);
    const headers = {};
    const token = sessionStorage.getItem("mien.token");
    if (token) headers.Authorization = `Bearer ${token}`;
    const url = `v1/analyze?cam=${config.cam}`;
    const answer = await fetch(url, { method: "POST", body, headers }).catch(() => {
      throw new Error(t("network"));
    });
    if (answer.ok) return (await answer.json())[0];
    if (answer.status === 401 && tries) {
      sessionStorage.setItem("mien.token", await askToken());
      return post(blob, name, tries - 1);
    }
    if (answer.status === 503 && tries) {
      const seconds = Number(answer.headers.get("Retry-After")) || 1;
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
      return post(blob, name, tries - 1);
    }
    const problem = await answer.json().catch(() => ({}));
    throw new Error(problem.detail ?? `${answer.status} ${answer.statusText}`);
  }

  const here = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
  return {
    atOnce: 3,
    promise: () => t(here ? "promiseHere" : "promiseServer", { host: location.host }),
    analyze: post,
  };
}
