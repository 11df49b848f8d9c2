export { Family, type Judgement, type Kernel, type KernelInput, Verdict } from "./types.ts";
export { elementwise, ElementwiseOp } from "./elementwise.ts";
export { normalization, NormalizationOp } from "./normalization.ts";
