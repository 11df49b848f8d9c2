export type { Backend } from "./backend.ts";
export {
  type Addresses,
  Chain,
  type ChainOptions,
  type ClaimSeen,
  Phase,
  phaseName,
  type RequestSeen,
  revertName,
} from "./chain.ts";
export {
  type Block,
  type BlockSource,
  CURSOR_SCHEMA,
  followBlocks,
  type FollowOptions,
  readNote,
  writeNote,
} from "./cursor.ts";
export { fetchBytes, type FetchOptions } from "./fetch.ts";
export { inputsOf } from "./inputs.ts";
export { JobRunner, Serial } from "./jobs.ts";
export { defaultLogger, errorFields, type Logger } from "./log.ts";
export { openStore, type Queryable, type Store, type StoreOptions } from "./store.ts";
export { loadModel, loadModels, type Model, ModelBackend, type ModelSource } from "./model.ts";
export { backoff, pause } from "./time.ts";
export { type ClaimManifest, claimPath, type TensorEntry } from "./traces.ts";
export {
  checkedInputs,
  inputSizes,
  join,
  outputSizes,
  rootOf,
  split,
  type StoredValues,
  tracedOutputs,
  traceSizes,
} from "./values.ts";
