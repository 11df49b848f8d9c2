export {
  Admission,
  type AdmissionContext,
  type AdmissionLimits,
  DEFAULT_LIMITS,
  type Offer,
} from "./admission.ts";
export { type Budget, Buckets } from "./budget.ts";
export { type ChainChannel, Channels } from "./channels.ts";
export { claimOfOrder, Desk, type DeskContext } from "./desk.ts";
export { createGatewayServer, type GatewayServerOptions } from "./server.ts";
export { ReceiptWatch, type Sign, signer, type Signing, signReceipts } from "./receipts.ts";
export { gatewaySettings } from "./settings.ts";
export { openGatewayStore, type OrderState, type Placed } from "./state.ts";
export { GatewayWatch, type GatewayWatchOptions } from "./watch.ts";
export { forgetEnded } from "./forget.ts";
export { dayOf, Values } from "./values.ts";
export {
  type OrderAnswer,
  parseReceipt,
  type ServedPort,
  type ServedProgram,
  type SubmittedOrder,
  wireJson,
} from "./wire.ts";
export {
  type AssayClientOptions,
  AssayOrders,
  createAssayClient,
  type OrderOptions,
  type OrderResult,
} from "./client.ts";
export { fileRecords, memoryRecords, type OrderRecord, type OrderRecords } from "./records.ts";
export { BATCH_DATA, type BatchData } from "./book.ts";
export { type Gateway, type GatewayOptions, type GatewayStatus, startGateway } from "./gateway.ts";
export { type BatchBook, type BatchSeen, Poster, type PosterOptions } from "./poster.ts";
