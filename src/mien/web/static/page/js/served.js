// The engine of a served page: pictures go to the service that the page came from.
import { t } from "./strings.js";

const TRIES = 4;
const OPENING = 5000; // milliseconds that a stream may take to open

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
    // Frames over one socket, faces with steady ids; null where it cannot be opened.
    stream: async () => {
      const token = sessionStorage.getItem("mien.token");
      if (!config.stream || (config.token && !token)) return null; // the first post asks for it
      return openStream(token).catch(() => null);
    },
  };
}

function openStream(token) {
  const url = new URL("v1/stream", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  url.hash = "";
  url.search = token ? new URLSearchParams({ token }) : "";
  const socket = new WebSocket(url);
  let waiting = null; // one frame at a time is on its way
  socket.onmessage = ({ data }) => {
    const answer = JSON.parse(data);
    if (answer.error) waiting?.reject(new Error(answer.error));
    else waiting?.resolve(answer);
  };
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => socket.close(), OPENING);
    socket.onclose = () => {
      clearTimeout(late);
      reject(new Error("closed"));
      waiting?.reject(new Error("closed"));
    };
    socket.onopen = () => {
      clearTimeout(late);
      resolve({
        send: (blob) =>
          new Promise((done, failed) => {
            waiting = { resolve: done, reject: failed };
            if (socket.readyState === WebSocket.OPEN) socket.send(blob);
            else failed(new Error("closed"));
          }),
        close: () => socket.close(),
      });
    };
  });
}
