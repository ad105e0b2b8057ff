// The activation map of the chosen face, laid on the picture where the crop was cut.
import { placement } from "./crop.js";
import { resize } from "./resample.js";
import { top } from "./scores.js";

const STRENGTH = 0.85;
const CONTRAST = 1.7; // above 1, low cells fade and the peak stands out

export function drawMap(session, canvas) {
  const { chosen: face, shown, config } = session;
  const visible = session.maps && face?.cam;
  canvas.hidden = !visible;
  if (!visible) return;
  const { clientWidth, clientHeight } = canvas.parentElement;
  const sharp = Math.min(2, devicePixelRatio || 1);
  canvas.width = clientWidth * sharp;
  canvas.height = clientHeight * sharp;
  const at = session.mapOf ?? top(face, session.head, config.emotions);
  const pen = canvas.getContext("2d");
  const scale = canvas.width / shown.width;
  const [a, b, c, d, e, f] = face.landmarks
    ? placement(face, config.crop)
    : whole(shown, config.crop.side);
  pen.setTransform(scale * a, scale * d, scale * b, scale * e, scale * c, scale * f);
  pen.imageSmoothingQuality = "high";
  const { side } = config.crop;
  pen.drawImage(heat(face.cam[at], side, config.emotions[at].colour), 0, 0, side, side);
}

// Where a picture that is one crop has it: the square in its middle.
export function whole({ width, height }, side) {
  const short = Math.min(width, height) / side;
  return [short, 0, (width - short * side) / 2, 0, short, (height - short * side) / 2];
}

// A map of a few cells as a soft picture: the lowest cell is clear, the highest is the colour.
function heat(map, side, colour) {
  const cells = map.flat();
  const [low, high] = [Math.min(...cells), Math.max(...cells)];
  const data = Uint8ClampedArray.from(cells, (cell) => {
    const share = (cell - low) / (high - low || 1);
    return 255 * share ** CONTRAST;
  });
  const small = { data, width: map[0].length, height: map.length, channels: 1 };
  const soft = resize(small, side, side, "bicubic").data;
  const canvas = new OffscreenCanvas(side, side);
  const pen = canvas.getContext("2d");
  const image = pen.createImageData(side, side);
  const rgb = [1, 3, 5].map((from) => parseInt(colour.slice(from, from + 2), 16));
  soft.forEach((value, i) => {
    const [x, y] = [(i % side) / side - 0.5, Math.floor(i / side) / side - 0.5];
    const edge = Math.min(1, Math.max(0, (0.5 - Math.max(Math.abs(x), Math.abs(y))) * 10));
    image.data.set([...rgb, value * STRENGTH * edge], 4 * i);
  });
  pen.putImageData(image, 0, 0);
  return canvas;
}
