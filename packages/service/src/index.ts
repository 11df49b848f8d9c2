export { type AlertMessage, type AlertName, Alerts } from "./alerts.ts";
export type { Backend } from "./backend.ts";
export { folderPlace } from "./blob-folder.ts";
export { type IpfsNode, type IpfsOptions, type IpfsPlace, ipfsPlace } from "./blob-ipfs.ts";
export { blobPlace, type S3Options, s3Place } from "./blob-s3.ts";
export { type BlobPlace, BlobStore } from "./blobs.ts";
export {
  type Book,
  bookOf,
  Chain,
  type ChainOptions,
  type ClaimSeen,
  hasCode,
  isZero,
  type RequestSeen,
} from "./chain.ts";
export {
  followedBlock,
  followEvents,
  type FollowOptions,
  NOTE_SCHEMA,
  readNote,
  writeNote,
} from "./follow.ts";
export { fetchBytes, type FetchOptions, trimSlash } from "./fetch.ts";
export { keepForgetting } from "./forgetting.ts";
export { lockFolder } from "./folder-lock.ts";
export { inputsOf } from "./inputs.ts";
export { type Journal, type Sent, storeJournal } from "./journal.ts";
export { JobRunner, Serial } from "./jobs.ts";
export { kzg } from "./kzg.ts";
export { startWatchdog } from "./watchdog.ts";
export { defaultLogger, errorFields, type Logger } from "./log.ts";
export { Monitor, type NodeState } from "./monitor.ts";
export {
  type Look,
  Operations,
  type OperationsOptions,
  type ServiceName,
  type ServiceOperations,
  startOperations,
} from "./operations.ts";
export { checkOwner } from "./owner.ts";
export { type LineOptions, Queue, type Task, type WorkOptions, type Write } from "./queue.ts";
export { keyAccount, recoverSigner } from "./secp256k1.ts";
export { Sender, type SenderOptions } from "./sender.ts";
export { accountSettings, chainSettings, modelSettings, operationsSettings } from "./common-settings.ts";
export {
  asPath,
  defaultText,
  flagOf,
  kinds,
  readSettingsFile,
  resolveSettings,
  type Setting,
  type Settings,
  type SettingSource,
  settingsTable,
  type SettingValues,
  variableOf,
} from "./settings.ts";
export {
  notify,
  openStore,
  type Queryable,
  type Scriptable,
  type Store,
  type StoreOptions,
} from "./store.ts";
export { loadModel, loadModels, type Model, ModelBackend, type ModelSource, tensorsOf } from "./model.ts";
export { runServiceLoop, type ServiceLoopOptions } from "./service-loop.ts";
export { allTolerant, FastBackend } from "./fast-backend.ts";
export { isTolerant, outputFault, type OutputFault } from "./outputs.ts";
export {
  dataSizes,
  pageAnswer,
  pageArgs,
  pageInstruction,
  placeOf,
  samePage,
  type ShownData,
  shownData,
} from "./pages.ts";
export { backoff, pause, waitFor } from "./time.ts";
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
