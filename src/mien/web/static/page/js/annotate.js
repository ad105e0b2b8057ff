// The picture with boxes, labels and the note below it, as a file to keep.
import { saveFile } from "./dom.js";
import { FAMILY, labelSize, placeLabels, wordings } from "./labels.js";
import { colourOf } from "./stage.js";
import { t } from "./strings.js";

const LONGEST = 4096; // pixels; canvases of phones end there
const LEAST = 640; // small pictures are enlarged, so that their labels can be read
const [INK, UNCLEAR] = ["#101318", "#b9c0cb"];

export async function savePicture(session) {
  const { shown, config, head } = session;
  const image = await createImageBitmap(shown.blob);
  const long = Math.max(image.width, image.height);
  const scale = Math.min(LONGEST, Math.max(LEAST, long)) / long;
  const [width, height] = [Math.round(image.width * scale), Math.round(image.height * scale)];
  const letter = Math.max(13, Math.round(Math.max(width, height) / 52));
  const canvas = document.createElement("canvas");
  const pen = canvas.getContext("2d");
  const foot = lines(pen, t("note"), width - 2 * letter, letter);
  canvas.width = width;
  canvas.height = height + Math.round(letter * (1.2 + 1.4 * foot.length));
  pen.fillStyle = INK;
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(image, 0, 0, width, height);
  image.close();

  const [x, y] = [width / shown.width, height / shown.height];
  const boxes = shown.faces.map(({ box: b }) => [b[0] * x, b[1] * y, b[2] * x, b[3] * y]);
  const several = shown.faces.length > 1;
  const texts = shown.faces.map((face, i) =>
    wordings(face, several ? i + 1 : null, head, config.emotions),
  );
  const sizes = texts.map((forms) => forms.map((text) => labelSize(text, letter)));
  const colours = shown.faces.map((face) => colourOf(face, head, config.emotions) ?? UNCLEAR);
  const line = Math.max(2, letter / 6);
  boxes.forEach(([left, top, right, bottom], i) => {
    for (const [colour, thick] of [[INK, line * 1.8], [colours[i], line]]) {
      pen.strokeStyle = colour;
      pen.lineWidth = thick;
      pen.beginPath();
      pen.roundRect(left, top, right - left, bottom - top, letter / 2);
      pen.stroke();
    }
  });
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  placeLabels(boxes, sizes, [width, height], session.face).forEach((place, i) => {
    pen.fillStyle = colours[i];
    pen.beginPath();
    pen.roundRect(place.x, place.y, place.width, place.height, letter / 3);
    pen.fill();
    pen.fillStyle = INK;
    pen.font = `650 ${letter}px ${FAMILY}`;
    pen.fillText(texts[i][place.form], place.x + place.width / 2, place.y + place.height * 0.53);
  });
  pen.fillStyle = "#d5dae2";
  pen.font = `400 ${letter}px ${FAMILY}`;
  foot.forEach((text, i) => pen.fillText(text, width / 2, height + letter * (1.3 + 1.4 * i)));
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));
  saveFile(blob, `${shown.name.replace(/\.[^.]*$/, "")}-mien.jpg`);
}

function lines(pen, text, width, letter) {
  pen.font = `400 ${letter}px ${FAMILY}`;
  const out = [""];
  for (const word of text.split(" ")) {
    const longer = out.at(-1) ? `${out.at(-1)} ${word}` : word;
    if (pen.measureText(longer).width <= width || !out.at(-1)) out[out.length - 1] = longer;
    else out.push(word);
  }
  return out;
}
