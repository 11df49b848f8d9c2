export {
  Family,
  isStreaming,
  type Judgement,
  type Kernel,
  type KernelInput,
  type StreamingKernel,
  Verdict,
} from "./types.ts";
export { elementwise, ElementwiseOp } from "./elementwise.ts";
export { integer, IntegerOp } from "./integer.ts";
export { normalization, NormalizationOp } from "./normalization.ts";
export { contraction, encodeEmax } from "./contraction.ts";
export {
  ContractionOp,
  type ContractionParams,
  decodeContractionParams,
  encodeContractionParams,
} from "./contraction-params.ts";
export { judgeElement, kernelOf, kernels } from "./kernels.ts";
export { indexed, IndexedOp } from "./indexed.ts";
export { movement } from "./movement.ts";
export { ordering, OrderingOp } from "./ordering.ts";
export { quantised, QuantisedOp } from "./quantised.ts";
export { reduction, ReductionOp } from "./reduction.ts";
export { scalar } from "./scalar.ts";
export { estimateScalar } from "./scalar-double.ts";
export { type ScalarFunction, scalarFunctions, type ScalarName, ScalarOp } from "./scalar-functions.ts";
export * as scalarReals from "./scalar-enclosure.ts";
export { elements32 } from "./float32.ts";
export { GROSS_TOLERANCES, judgeOutput } from "./output-tolerance.ts";
