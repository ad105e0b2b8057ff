// Why a face is hard to read: mien.infer.reasons in JavaScript. `n` is config.json's "reasons".

// `crop` holds side * side greys; `matrix` is its placement in the picture.
export function reasons(face, crop, matrix, side, n) {
  const covers = side * Math.hypot(matrix[0], matrix[3]);
  const small = covers < n.small;
  const turned = isTurned(face.landmarks, n);
  const said = {
    small,
    blurred: !small && isBlurred(crop, side, covers / side, n),
    turned,
    covered: isCovered(crop, side, turned, n),
  };
  return n.all.filter((reason) => said[reason]);
}

function isTurned([right, left, nose, ...mouth], n) {
  const middle = (a, b) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
  const less = (a, b) => [a[0] - b[0], a[1] - b[1]];
  const dot = (a, b) => a[0] * b[0] + a[1] * b[1];
  const eyes = middle(right, left);
  const [across, down, point] = [less(left, right), less(middle(...mouth), eyes), less(nose, eyes)];
  const [apart, height] = [Math.hypot(...across), Math.hypot(...down)];
  if (apart < 1e-6 || height < 1e-6) return true; // a detector's guess: it saw no face from ahead
  const along = dot(point, down) / height ** 2;
  if (Math.abs(dot(point, across)) / apart ** 2 > n.aside || apart / height < n.narrow) return true;
  return along < n.up || along > n.down;
}

// Enlarged crops, of a scale below 1, may have less detail.
function isBlurred(crop, side, scale, n) {
  let [across, down] = [0, 0];
  for (let y = 1; y < side - 1; y++)
    for (let x = 1; x < side - 1; x++) {
      const at = y * side + x;
      across += (crop[at - 1] - 2 * crop[at] + crop[at + 1]) ** 2;
      down += (crop[at - side] - 2 * crop[at] + crop[at + side]) ** 2;
    }
  const detail = Math.min(across, down) / (side - 2) ** 2;
  return detail < n.detail * Math.min(scale, 1) ** 2 * spread([...crop]) ** 2;
}

// Something lies over the mouth, over an eye, or dark over both eyes.
function isCovered(crop, side, turned, n) {
  const greys = (area) => part(crop, side, area);
  const contrast = (area) => spread(greys(area));
  if (contrast(n.mouth) < n.flatMouth * (contrast(n.eyes) + 1)) return true;
  const eye = Math.min(...n.eachEye.map(contrast));
  if (!turned && eye < n.flatEye * (contrast(n.middle) + 1)) return true; // a side view hides one
  const lenses = n.lenses.flatMap(greys);
  const brightest = mean(lenses) + spread(lenses) - mean(greys(n.cheeks));
  return brightest < n.darkEyes * (contrast(n.between) + 1);
}

function part(crop, side, [top, bottom, left, right]) {
  const out = [];
  for (let y = top; y < bottom; y++) out.push(...crop.subarray(y * side + left, y * side + right));
  return out;
}

const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;

function spread(values) {
  const middle = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - middle) ** 2)));
}
