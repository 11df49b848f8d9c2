import { readModel } from "@assay/program";

/** Inputs whose elements say how many elements an output has; all operators of ONNX's own domain that have any. */
const SHAPE_INPUTS: Readonly<Record<string, readonly number[]>> = {
  AffineGrid: [1],
  BlackmanWindow: [0],
  CenterCropPad: [1],
  Col2Im: [1, 2],
  Compress: [1],
  ConstantOfShape: [0],
  DFT: [1, 2],
  Expand: [1],
  HammingWindow: [0],
  HannWindow: [0],
  MaxUnpool: [2],
  MelWeightMatrix: [0, 1],
  NonMaxSuppression: [0, 1, 2, 3, 4],
  NonZero: [0],
  OneHot: [1],
  Pad: [1, 3],
  Range: [0, 1, 2],
  Reshape: [1],
  Resize: [1, 2, 3],
  SequenceAt: [1],
  Slice: [1, 2, 3, 4],
  Split: [1],
  SplitToSequence: [1],
  Squeeze: [1],
  STFT: [1, 3],
  StringSplit: [0],
  Tile: [1],
  TopK: [1],
  Unique: [0],
  Unsqueeze: [1],
  Upsample: [1],
};
/** Their outputs do not depend on their inputs' elements, but for the shape. */
const OF_SHAPE_ALONE = new Set(["Shape", "Size", "ConstantOfShape", "EyeLike"]);

/** What of a graph's inputs decides how many elements a value has. */
export interface DataShape {
  readonly value: string;
  readonly operator: string;
  readonly input: string;
}

/**
 * The first value whose shape is computed from elements of the graph's inputs, whatever it was in any run: however many
 * inputs are tried, the next one may be another. Shapes that follow from shapes and constants are none of them.
 */
export function dataDependentShape(model: Uint8Array): DataShape | undefined {
  const { nodes, inputs, initialisers } = readModel(model);
  const fromData = new Set(inputs.map(({ name }) => name).filter((name) => !initialisers.has(name)));
  for (const { operator, domain, inputs: read, outputs } of nodes) {
    const own = domain === "" || domain === "ai.onnx";
    const shaping = own ? (SHAPE_INPUTS[operator] ?? (operator.startsWith("Reduce") ? [1] : [])) : [];
    for (const i of shaping) {
      const input = read[i];
      if (input !== undefined && fromData.has(input)) return { value: outputs[0]!, operator, input };
    }
    if (own && OF_SHAPE_ALONE.has(operator)) continue;
    if (read.some((name) => fromData.has(name))) for (const name of outputs) fromData.add(name);
  }
  return undefined;
}
