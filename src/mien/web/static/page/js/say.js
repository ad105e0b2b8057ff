// A face in words.
import { currentLanguage, t } from "./strings.js";
import { outOfTen, percent, top } from "./scores.js";

export function nameOf(emotion) {
  return emotion.names[currentLanguage()] ?? emotion.id;
}

const REASONS = {
  small: "reasonSmall", blurred: "reasonBlurred", turned: "reasonTurned", covered: "reasonCovered",
};

// "small, blurred"; nothing where a face is easy to read.
export function reasonsOf(face) {
  return face.reasons.map((reason) => t(REASONS[reason])).join(", ");
}

// "happy, about 9 of 10 people"
export function tag(face, head, emotions) {
  const emotion = emotions[top(face, head, emotions)];
  const share = face[head][emotion.id];
  if (face.is_unclear) return t("unclearTag");
  return t(head === "votes" ? "tag" : "tagLabel", {
    name: nameOf(emotion),
    n: outOfTen(share),
    p: percent(share),
  });
}

// What a screen reader hears when a picture has been read.
export function report(picture, emotions, group = "") {
  const source = picture.name;
  if (picture.status === "failed") return t("failed", { source, error: picture.error });
  const n = picture.faces.length;
  if (n === 0) return t("doneNone", { source });
  if (n === 1) return t("doneOne", { source, tag: tag(picture.faces[0], "expression", emotions) });
  return t("done", { source, n, group }).trim();
}
