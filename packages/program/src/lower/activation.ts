import { ElementwiseOp } from "@assay/numerics";
import { encodeWords, float32Bits } from "../compile/params.ts";
import { unsupported } from "../compile/unsupported.ts";
import { input, optionalInput, scalar } from "./arguments.ts";
import { writeElementwise } from "./elementwise.ts";
import { fuseClamp } from "./fusion.ts";
import type { Lowering } from "./index.ts";

const relu: Lowering = (node, graph) => {
  if (!fuseClamp(node, graph, 0, Infinity))
    writeElementwise(node, graph, ElementwiseOp.Relu, [input(node, 0)]);
};

// What onnxruntime takes for an absent bound: the largest finite float32, which also catches infinities.
const LARGEST = 3.4028234663852886e38;

const clip: Lowering = (node, graph) => {
  const bound = (index: number, attribute: string, otherwise: number) => {
    const name = optionalInput(node, index);
    return name ? scalar(graph, name, `${attribute} bound`) : node.attributes.float(attribute, otherwise);
  };
  const low = bound(1, "min", -LARGEST);
  const high = bound(2, "max", LARGEST);
  if (!(low <= high)) unsupported(`its bounds [${low}, ${high}] are not ordered`);
  if (fuseClamp(node, graph, low, high)) return;
  const params = encodeWords([float32Bits(low), float32Bits(high)]);
  writeElementwise(node, graph, ElementwiseOp.Clip, [input(node, 0)], params);
};

export const activations: Record<string, Lowering> = { Relu: relu, Clip: clip };
