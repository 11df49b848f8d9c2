export { type AssayClient, gasFor, type Transact, type Transaction, TRANSACTION_GAS_CAP } from "./client.ts";
export {
  type Deployment,
  DEPLOYMENT_FILE,
  ofBatches,
  parseDeployment,
  readDeployment,
  writeDeployment,
} from "./deployment.ts";
export { claimId, claimTypedData, claimTypes, type SignedClaim } from "./claim.ts";
export {
  type Order,
  type OrderDomain,
  orderDomain,
  orderHash,
  orderTypedData,
  orderTypes,
  type Receipt,
  receiptHash,
  receiptTypedData,
  receiptTypes,
  type Voucher,
  voucherHash,
  voucherTypedData,
  voucherTypes,
} from "./orders.ts";
export {
  type BatchEntry,
  type BatchHeader,
  batchId,
  batchTypedData,
  batchTypes,
  BLOBS_PER_TRANSACTION,
  dataOpening,
  dataRoot,
  decodeEntries,
  decodeEntry,
  encodeEntries,
  encodeEntry,
  ENTRIES_PER_BATCH,
  ENTRIES_PER_BLOB,
  ENTRY_BYTES,
  entryClaimId,
  entryOf,
  priceInUnits,
} from "./batches.ts";
export {
  blobOpening,
  type BlobSidecar,
  commitBlob,
  BLOB_BYTES,
  type CommittedBlob,
  decodeBlobs,
  encodeBlobs,
  isBlob,
  sidecarProofs,
  verifyBlobOpening,
  versionedHash,
  withSidecar,
} from "./blobs.ts";
export {
  type Bait,
  baitConsent,
  type BaitCounts,
  type BaitEstimate,
  baitLeaf,
  BaitTree,
  baitTypedData,
  baitTypes,
  estimateCaught,
  requestId,
} from "./baits.ts";
export { MOST_ANSWER_BYTES } from "./logs.ts";
export { isContractSignature, isSignedBy, isValidSignature } from "./signatures.ts";
export {
  type CommitmentParameters,
  elementCommitment,
  outputCommitment,
  outputElementCommitment,
  segmentCommitment,
} from "./commitment.ts";
export {
  portTensors,
  publishedProgram,
  type PublishedProgram,
  splitStored,
  storedInputs,
} from "./published-program.ts";
export { ContractError, decodeContractError, toAssayError } from "./errors.ts";
export { type Demand, demandsIn } from "./demands.ts";
export {
  type AssayEvent,
  type AssayEventName,
  type AssayEventOf,
  byPosition,
  decodeEvents,
  eventIn,
  eventSources,
} from "./events.ts";
export {
  type Bytes,
  type Claim,
  type ElementProofArgs,
  type Model,
  type OutputElementProofArgs,
  Data,
  type OutputProofArgs,
  type PageArgs,
  ROOTS,
  type SegmentArgs,
  type Phase,
  type PortRecord,
  type ProgramRecord,
  type RequestParams,
  type RequestStatus,
  type Settlement,
  type StakeAccount,
  type Terms,
  ZERO_ROOT,
} from "./types.ts";
export {
  type BlobTransactionParameters,
  postBatch,
  postBatchInCalldata,
  type PostBatchInCalldataParameters,
  type PostBatchParameters,
  type PostBatchReturnType,
  sendBlobTransaction,
} from "./actions/post-batch.ts";
export {
  type EntryParameters,
  finaliseBatches,
  finaliseBatchesCall,
  getBatch,
  getBatchById,
  type GetBatchReturnType,
  isFinal,
  openClaim,
} from "./actions/open-claim.ts";
export {
  type ChannelState,
  closeChannel,
  fundChannel,
  getChannel,
  getPriceUnit,
  redeem,
  redeemCall,
  type RedeemParameters,
  requestClose,
} from "./actions/channels.ts";
export {
  answerInclusion,
  type InclusionStatus,
  forceInclude,
  getInclusion,
  getReceiptRules,
  proveReceiptBroken,
  proveTwoReceipts,
  settleMissing,
  type SignedReceipt,
} from "./actions/receipt-faults.ts";
export { addVersion, type AddVersionParameters, type AddVersionReturnType } from "./actions/add-version.ts";
export { answerData, type AnswerDataParameters, type AnswerDataReturnType } from "./actions/answer-data.ts";
export { approve, type ApproveParameters, type ApproveReturnType } from "./actions/approve.ts";
export {
  type BaitOpening,
  type BaitOutcome,
  commitBaits,
  type CommitBaitsParameters,
  getBait,
  getBaitCommitment,
  getBaitEstimate,
  isBaitRevealed,
  nextRequestId,
  requestNonce,
  revealBait,
  signBait,
} from "./actions/baits.ts";
export { balanceOf, type BalanceOfParameters } from "./actions/balance-of.ts";
export {
  cancelWithdrawal,
  type CancelWithdrawalParameters,
  type CancelWithdrawalReturnType,
} from "./actions/cancel-withdrawal.ts";
export { challenge, type ChallengeParameters, type ChallengeReturnType } from "./actions/challenge.ts";
export {
  claimPayout,
  type ClaimPayoutParameters,
  type ClaimPayoutReturnType,
} from "./actions/claim-payout.ts";
export {
  commitProof,
  type CommitProofParameters,
  type CommitProofReturnType,
} from "./actions/commit-proof.ts";
export { blockAt } from "./actions/block-at.ts";
export {
  createModel,
  type CreateModelParameters,
  type CreateModelReturnType,
} from "./actions/create-model.ts";
export { demandData, type DemandDataParameters, type DemandDataReturnType } from "./actions/demand-data.ts";
export { deposit, type DepositParameters, type DepositReturnType } from "./actions/deposit.ts";
export { expire, type ExpireParameters, type ExpireReturnType } from "./actions/expire.ts";
export { finalise, type FinaliseParameters, type FinaliseReturnType } from "./actions/finalise.ts";
export {
  type ClaimOnBook,
  getClaim,
  getClaimOnBook,
  type GetClaimParameters,
  type GetClaimReturnType,
} from "./actions/get-claim.ts";
export {
  getDemandPrice,
  type GetDemandPriceParameters,
  type GetDemandPriceReturnType,
} from "./actions/get-demand-price.ts";
export {
  getEvents,
  getHistory,
  type GetEventsParameters,
  type HistoryParameters,
} from "./actions/get-events.ts";
export { getModel, type GetModelParameters } from "./actions/get-model.ts";
export { getProgram, type GetProgramParameters, type GetProgramReturnType } from "./actions/get-program.ts";
export { getRequest, type GetRequestParameters, type GetRequestReturnType } from "./actions/get-request.ts";
export { getTerms, type GetTermsParameters } from "./actions/get-terms.ts";
export { getVersion, type GetVersionParameters, type GetVersionReturnType } from "./actions/get-version.ts";
export {
  mintDevTokens,
  type MintDevTokensParameters,
  type MintDevTokensReturnType,
} from "./actions/mint-dev-tokens.ts";
export { postClaim, type PostClaimParameters, type PostClaimReturnType } from "./actions/post-claim.ts";
export {
  proveElement,
  type ProveElementParameters,
  type ProveElementReturnType,
} from "./actions/prove-element.ts";
export { type ProofStepArgs, proveInSteps, type ProveInStepsParameters } from "./actions/prove-in-steps.ts";
export {
  proveSegment,
  type ProveSegmentParameters,
  type ProveSegmentReturnType,
} from "./actions/prove-segment.ts";
export {
  proveOutput,
  type ProveOutputParameters,
  type ProveOutputReturnType,
} from "./actions/prove-output.ts";
export {
  proveOutputElement,
  type ProveOutputElementParameters,
  type ProveOutputElementReturnType,
} from "./actions/prove-output-element.ts";
export {
  publishProgram,
  type PublishProgramParameters,
  type PublishProgramReturnType,
} from "./actions/publish-program.ts";
export {
  reclaimBond,
  type ReclaimBondParameters,
  type ReclaimBondReturnType,
} from "./actions/reclaim-bond.ts";
export {
  requestWithdrawal,
  type RequestWithdrawalParameters,
  type RequestWithdrawalReturnType,
} from "./actions/request-withdrawal.ts";
export { request, type RequestParameters, type RequestReturnType } from "./actions/request.ts";
export {
  revealTrace,
  type RevealTraceParameters,
  type RevealTraceReturnType,
} from "./actions/reveal-trace.ts";
export { setRoyalty, type SetRoyaltyParameters, type SetRoyaltyReturnType } from "./actions/set-royalty.ts";
export {
  settleImprecise,
  type SettleImpreciseParameters,
  type SettleImpreciseReturnType,
} from "./actions/settle-imprecise.ts";
export {
  settleUnrevealed,
  type SettleUnrevealedParameters,
  type SettleUnrevealedReturnType,
} from "./actions/settle-unrevealed.ts";
export { signClaim, type SignClaimParameters, type SignClaimReturnType } from "./actions/sign-claim.ts";
export {
  signOrder,
  type SignOrderParameters,
  type SignOrderReturnType,
  signReceipt,
  type SignReceiptParameters,
  type SignReceiptReturnType,
  signVoucher,
  type SignVoucherParameters,
  type SignVoucherReturnType,
} from "./actions/sign-order.ts";
export {
  verifyOrder,
  type VerifyOrderParameters,
  verifyReceipt,
  type VerifyReceiptParameters,
  verifyVoucher,
  type VerifyVoucherParameters,
} from "./actions/verify-order.ts";
export { stakeOf, type StakeOfParameters } from "./actions/stake-of.ts";
export {
  watchEvents,
  type Cursor,
  type WatchStep,
  type WatchEventsParameters,
} from "./actions/watch-events.ts";
export { withdraw, type WithdrawParameters, type WithdrawReturnType } from "./actions/withdraw.ts";
export { baitRegistryAbi } from "./abi/bait-registry.ts";
export { batchMarketAbi } from "./abi/batch-market.ts";
export { receiptFaultsAbi } from "./abi/receipt-faults.ts";
export { devTokenAbi } from "./abi/dev-token.ts";
export { errorsAbi } from "./abi/errors.ts";
export { inferenceMarketAbi } from "./abi/inference-market.ts";
export { modelRegistryAbi } from "./abi/model-registry.ts";
export { refereeAbi } from "./abi/referee.ts";
export { stakeManagerAbi } from "./abi/stake-manager.ts";
export { kernelVersionsAbi } from "./abi/kernel-versions.ts";
export { verifierAbi } from "./abi/verifier.ts";
export {
  reclaimDemand,
  type ReclaimDemandParameters,
  type ReclaimDemandReturnType,
} from "./actions/reclaim-demand.ts";
export {
  settleWithheld,
  type SettleWithheldParameters,
  type SettleWithheldReturnType,
} from "./actions/settle-withheld.ts";
