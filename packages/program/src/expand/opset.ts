import { type GraphProto, type ModelProto, toNumber } from "../onnx/protobuf.ts";
import { subgraphs } from "./names.ts";

/** What a model gets whose own operators do not say otherwise: old enough for all, new enough for expansions. */
const OPSET = 17;

/** Operators that are the same in all versions up to {@link OPSET} from the given one. */
const UNCHANGED: Readonly<Record<string, number>> = {
  Abs: 6,
  Add: 7,
  Cast: 6,
  Concat: 4,
  Constant: 1,
  Conv: 1,
  Div: 7,
  Exp: 6,
  Flatten: 9,
  Gather: 1,
  Gemm: 7,
  Identity: 1,
  Log: 6,
  MatMul: 1,
  Mul: 7,
  Neg: 6,
  Relu: 6,
  Reshape: 5,
  Shape: 1,
  Sigmoid: 6,
  Sqrt: 6,
  Sub: 7,
  Tanh: 6,
  TfIdfVectorizer: 9,
  Transpose: 1,
};

/**
 * Lets a model import a newer version of ONNX's own operators where that changes no node of it: models of other domains'
 * operators often import none, or a very old one, in which expansions could say little.
 */
export function raiseOpset(model: ModelProto, graph: GraphProto): void {
  const own = model.opsetImport.find(({ domain }) => domain === "" || domain === "ai.onnx");
  if (!own) {
    model.opsetImport.push({ domain: "", version: OPSET });
    return;
  }
  const version = toNumber(own.version);
  if (version >= OPSET) return;
  const kept = graph.node.every((node) => {
    if (node.domain !== "" && node.domain !== "ai.onnx") return subgraphs(node).length === 0;
    return version >= (UNCHANGED[node.opType] ?? Infinity);
  });
  if (kept) own.version = OPSET;
}
