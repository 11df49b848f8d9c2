export {
  type Axis,
  type Instruction,
  type Operand,
  Origin,
  type Port,
  type Program,
  type Tolerance,
  type ValueSource,
} from "./types.ts";
export {
  type Calibration,
  CALIBRATION_KEY,
  lambdaOf,
  MAX_LAMBDA,
  readCalibration,
  termsOfBand,
  withLambda,
  writeCalibration,
} from "./calibration.ts";
export {
  MIXED_BYTES_SUM,
  mixedBytesProbe,
  multipliesMixedBytes,
  withUnsignedFactors,
} from "./byte-products.ts";
export { orderMetadata } from "./onnx/metadata.ts";
export {
  readTolerances,
  TOLERANCE_KEY,
  toleranceBits,
  type Tolerances,
  writeTolerances,
} from "./tolerance.ts";
export { DEFAULT_LAMBDA } from "./compile/params.ts";
export { compile, staticReasons } from "./compile/compile.ts";
export type { Shapes, ValueShape } from "./compile/graph.ts";
export { UnsupportedModelError, type UnsupportedReason } from "./compile/unsupported.ts";
export { expand } from "./expand/expand.ts";
export { type OnnxModel, type OnnxNode, type OnnxPort, readModel } from "./onnx/model.ts";
export {
  exposeValues,
  fixInputShapes,
  type InputShapes,
  pinInputs,
  type Cut,
  cutGraph,
  cutInput,
} from "./onnx/surgery.ts";
export { readTensorFile } from "./onnx/tensor.ts";
export {
  encodeHeader,
  encodeInstruction,
  instructionTree,
  PROGRAM_HEADER_ABI,
  programRoot,
} from "./encode.ts";
export {
  coordinatesOf,
  elementBits,
  kernelInput,
  operandPositions,
  operandRuns,
  type ReadValue,
  type Segment,
  wholeBox,
} from "./accessmap.ts";
export { tableSizes } from "./tables.ts";
export {
  buildElementProof,
  buildOutputElementProof,
  buildOutputProof,
  buildProofSteps,
  type CommittedRun,
  CommittedTensors,
  type ElementProof,
  type Opening,
  type OutputElementProof,
  type OutputProof,
  type ProofStep,
} from "./prove.ts";
export { segmentsOf } from "./proof-cost.ts";
