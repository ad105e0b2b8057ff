// Pillow's resampling, so that the browser sees the pixels that Python sees.
// An image is {data, width, height, channels}, with 8-bit data in rows.

const FILTERS = {
  box: [0.5, (x) => (x > -0.5 && x <= 0.5 ? 1 : 0)],
  bilinear: [1, (x) => Math.max(0, 1 - Math.abs(x))],
  bicubic: [2, (x) => cubic(Math.abs(x))],
};

function cubic(x, a = -0.5) {
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

// Python's round: halves go to the even neighbour.
export function round(value) {
  const low = Math.floor(value);
  if (value - low !== 0.5) return Math.round(value);
  return low % 2 ? low + 1 : low;
}

// For each of `size` outputs over `length` inputs (a fraction of a pixel may lie beyond them):
// the first input, and the weights from there on.
function weights(inputs, length, size, filter) {
  const [reach, shape] = FILTERS[filter];
  const scale = length / size;
  const spread = Math.max(scale, 1);
  return Array.from({ length: size }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - reach * spread + 0.5));
    const end = Math.min(inputs, Math.trunc(centre + reach * spread + 0.5));
    const row = new Float64Array(end - first);
    let total = 0;
    for (let x = first; x < end; x++) {
      row[x - first] = shape((x - centre + 0.5) / spread);
      total += row[x - first];
    }
    if (total) for (let k = 0; k < row.length; k++) row[k] /= total;
    return [first, row];
  });
}

// Resize to width x height. `extent` is the part of the source, from its corner, that counts.
export function resize(image, width, height, filter, extent = [image.width, image.height]) {
  const { channels: c } = image;
  let { data } = image;
  if (width !== image.width || extent[0] !== image.width) {
    const across = weights(image.width, extent[0], width, filter);
    const wide = new Uint8ClampedArray(width * image.height * c);
    for (let y = 0, at = 0; y < image.height; y++)
      for (const [first, row] of across)
        for (let ch = 0; ch < c; ch++) {
          let total = 0;
          for (let k = 0, from = (y * image.width + first) * c + ch; k < row.length; k++, from += c)
            total += row[k] * data[from];
          wide[at++] = total;
        }
    data = wide;
  }
  if (height !== image.height || extent[1] !== image.height) {
    const down = weights(image.height, extent[1], height, filter);
    const stride = width * c;
    const tall = new Uint8ClampedArray(stride * height);
    down.forEach(([first, row], y) => {
      for (let x = 0; x < stride; x++) {
        let total = 0;
        for (let k = 0, from = first * stride + x; k < row.length; k++, from += stride)
          total += row[k] * data[from];
        tall[y * stride + x] = total;
      }
    });
    data = tall;
  }
  return { data, width, height, channels: c };
}

// Pillow's reducing_gap: whole blocks are averaged first where at least `gap` times the
// output's pixels remain after it.
export function shrink(image, width, height, filter, gap = 2) {
  const fx = Math.max(1, Math.trunc(image.width / width / gap));
  const fy = Math.max(1, Math.trunc(image.height / height / gap));
  if (fx === 1 && fy === 1) return resize(image, width, height, filter);
  const blocks = average(image, fx, fy);
  return resize(blocks, width, height, filter, [image.width / fx, image.height / fy]);
}

function average(image, fx, fy) {
  const { data, width, height, channels: c } = image;
  const across = Math.ceil(width / fx);
  const down = Math.ceil(height / fy);
  const out = new Uint8ClampedArray(across * down * c);
  for (let y = 0, at = 0; y < down; y++)
    for (let x = 0; x < across; x++)
      for (let ch = 0; ch < c; ch++) {
        const right = Math.min(width, (x + 1) * fx);
        const bottom = Math.min(height, (y + 1) * fy);
        let total = 0;
        for (let v = y * fy; v < bottom; v++)
          for (let u = x * fx; u < right; u++) total += data[(v * width + u) * c + ch];
        out[at++] = total / ((right - x * fx) * (bottom - y * fy));
      }
  return { data: out, width: across, height: down, channels: c };
}
