export { concatBytes } from "./bytes.ts";
export { AssayError } from "./errors.ts";
export {
  DType,
  type DTypeName,
  dtypeName,
  dtypeSize,
  integerAt,
  isFloatDtype,
  isIntegerDtype,
  isSignedDtype,
} from "./dtype.ts";
export { elementCount, float32Tensor, float32Values, type Tensor, tensor } from "./tensor.ts";
export { fromStored, type Layout, rowMajor, storedDims, storedIndices, toStored } from "./layout.ts";
export { rootFromPath, rootFromRuns, type RunOpening, verifyPath, verifyRuns } from "./opening.ts";
export {
  chunkPages,
  KnownNodes,
  openPage,
  type OpenedPage,
  PAGE_LEVELS,
  type PagePlace,
  pageNodes,
  PatchedTree,
  topPage,
} from "./page.ts";
export { normalizeRuns, type Run, siblingCount } from "./runs.ts";
export { CHUNK, chunkCount, chunkDepth, depthOf, RootTree, tensorRoot, TensorTree } from "./tree.ts";
