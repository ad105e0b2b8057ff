export type Emotion = "angry" | "disgust" | "fear" | "happy" | "neutral" | "sad" | "surprise";

/** The ten options that FER+ annotators had, in the order of `Scores.ballot`. */
export type Option =
  | "neutral"
  | "happiness"
  | "surprise"
  | "sadness"
  | "anger"
  | "disgust"
  | "fear"
  | "contempt"
  | "unknown"
  | "NF";

/** Why a face is hard to read. */
export type Reason = "small" | "blurred" | "turned" | "covered";

export interface Face {
  /** Left, top, right, bottom in pixels of the upright picture; may leave it. */
  box: [number, number, number, number];
  /** Points of the face as [x, y]; null where the whole picture was taken as one crop. */
  landmarks: [number, number][] | null;
  /** The detector's score, 0 to 1. */
  score: number;
  /** False where the whole picture was taken as one crop. */
  detected: boolean;
  /** Why the face is hard to read; empty where nothing is the matter. */
  reasons: Reason[];
  /** The highest of `expression`. */
  top: Emotion;
  /** The reading shown first, mixed from votes and label; sums to 1. */
  expression: Record<Emotion, number>;
  /** Estimated shares of ten people's votes over the seven emotions; they sum to 1. */
  votes: Record<Emotion, number>;
  /** Probability of each FER-2013 label; they sum to 1. */
  label: Record<Emotion, number>;
  /** Shares of all ten options; they sum to 1. */
  ballot: Record<Option, number>;
  /** Estimated share of people who could not say, or would see no face. */
  unclear: number;
  /** Whether `unclear` reaches the threshold in the model's card. */
  is_unclear: boolean;
  /** Class-activation maps (7, h, w) over the crop, where the model has them. */
  cam?: number[][][];
}

/** Rows in the order of the crops. */
export interface Scores {
  /** (N, 7) in alphabetical order of the emotions. */
  label: number[][];
  /** (N, 10) in the order of `Option`. */
  ballot: number[][];
}

/** Anything that the browser can draw, or an encoded JPEG, PNG, WebP or GIF. */
export type Image =
  | Blob
  | ImageBitmap
  | ImageData
  | HTMLImageElement
  | HTMLVideoElement
  | HTMLCanvasElement
  | OffscreenCanvas;

export interface Options {
  /** Side in pixels of the smallest face to look for; 40 by default. */
  minFace?: number;
}

export interface Mien {
  /**
   * The faces of one picture, best detection first; none where there are none.
   *
   * Rejects with `code: "picture"` where the browser cannot read the picture.
   */
  analyze(image: Image, options?: Options): Promise<Face[]>;
  /** Scores of grey 48x48 crops, one after the other in one array. */
  classify(crops: Uint8Array): Promise<Scores>;
  /** Ends the worker; later calls reject. */
  close(): void;
}

/**
 * Starts a worker and loads the model into it (about 16 MB on the first visit).
 *
 * @param options.base URL of the package's `dist` folder on the page's own origin. Needed in a
 *   bundle, which does not carry that folder along.
 */
export function load(options?: { base?: string | URL }): Promise<Mien>;

/** `analyze` of a model that is loaded on the first call and kept. */
export function analyze(image: Image, options?: Options): Promise<Face[]>;
