// What is on the page, as something to paste: a curl command, a Python program, JSON.
import { t } from "./strings.js";

const done = ({ status }) => status === "done" || status === "failed";

export const FORMS = {
  curl: (session) => {
    const local = session.config.mode === "local";
    const url = new URL("v1/analyze", local ? "http://127.0.0.1:8000/" : location.href.split("#")[0]);
    const files = session.pictures.map(({ name }) => {
      const escaped = name.replaceAll("\\", "\\\\").replaceAll('"', '\\"');
      return `-F ${shell(`files=@"${escaped}"`)}`;
    });
    const token = session.config.token ? ['-H "Authorization: Bearer $MIEN_TOKEN"'] : [];
    const before = local ? "# needs a running service: mien serve\n" : "";
    return `${before}curl ${[...token, ...files, shell(url.href)].join(" \\\n  ")}\n`;
  },

  Python: (session) => {
    const { name } = session.config.bundle;
    const model = name === "default" ? "" : JSON.stringify(name);
    const files = session.pictures.map((picture) => JSON.stringify(picture.name));
    return [
      "import mien",
      "",
      `model = mien.load(${model})`,
      `for picture in model.analyze_many([${files.join(", ")}]):`,
      "    if picture.error:",
      "        print(picture.error)",
      "    for face in picture.faces:",
      "        print(picture.source, face.expression.top, face.expression.confidence)",
      "",
    ].join("\n");
  },

  // As v1/analyze answers, without maps.
  JSON: (session) => {
    const pictures = session.pictures.filter(done).map((picture) => {
      const { name: source, width, height, error } = picture;
      if (picture.status === "failed") return { source, faces: [], error };
      return { source, width, height, faces: picture.faces.map(({ cam, ...face }) => face) };
    });
    return `${JSON.stringify(pictures, null, 2)}\n`;
  },
};

function shell(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

// Puts text on the clipboard; gives what to say about it.
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return t("copied");
  } catch {
    return copyByHand(text) ? t("copied") : t("copyFailed");
  }
}

// For pages on plain http, which have no clipboard of their own.
function copyByHand(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "unseen";
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  return copied;
}
