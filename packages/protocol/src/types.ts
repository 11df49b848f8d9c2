import type {
  Abi,
  AbiStateMutability,
  Address,
  ContractFunctionArgs,
  ContractFunctionName,
  ContractFunctionReturnType,
  Hash,
  Hex,
} from "viem";
import type { inferenceMarketAbi } from "./abi/inference-market.ts";
import type { modelRegistryAbi } from "./abi/model-registry.ts";
import type { refereeAbi } from "./abi/referee.ts";
import type { stakeManagerAbi } from "./abi/stake-manager.ts";

type Inputs<abi extends Abi, name extends string> = ContractFunctionArgs<
  abi,
  AbiStateMutability,
  name & ContractFunctionName<abi>
>;
type Output<abi extends Abi, name extends string> = ContractFunctionReturnType<
  abi,
  AbiStateMutability,
  name & ContractFunctionName<abi>
>;

const phases = [
  "Unknown",
  "Open",
  "AwaitingReveal",
  "Unrevealed",
  "Provable",
  "Finalisable",
  "Voidable",
  "Withheld",
  "Finalised",
  "Voided",
  "Slashed",
] as const;
/** Where a claim is in its life; see `Phase` in contracts/protocol/ClaimLife.sol. */
export type Phase = (typeof phases)[number];

const statuses = ["None", "Open", "Claimed", "Fulfilled", "Refunded", "Expired"] as const;
/** How a request stands; see `RequestStatus` in contracts/protocol/IInferenceMarket.sol. */
export type RequestStatus = (typeof statuses)[number];

const settlements = ["None", "Pending", "Finalised", "Voided", "Slashed"] as const;
export type Settlement = (typeof settlements)[number];

export const phaseName = (value: number): Phase => phases[value]!;
export const requestStatusName = (value: number): RequestStatus => statuses[value]!;
export const settlementName = (value: number): Settlement => settlements[value]!;

/** The executor's statement; see `Claim` in contracts/protocol/IClaimBook.sol. */
export interface Claim {
  requestId: Hash;
  programRoot: Hash;
  inputRoot: Hash;
  outputRoot: Hash;
  /** {@link ZERO_ROOT}: lazy, the trace is revealed on a challenge. */
  traceRoot: Hash;
  executor: Address;
}

export const ZERO_ROOT: Hash = `0x${"00".repeat(32)}`;

export type RequestParams = Inputs<typeof inferenceMarketAbi, "request">[0];
export type Terms = Output<typeof inferenceMarketAbi, "terms">;
export type StakeAccount = Output<typeof stakeManagerAbi, "accountOf">;
export type Model = Output<typeof modelRegistryAbi, "modelOf">;
export type ProgramRecord = Output<typeof modelRegistryAbi, "programs">;
export type PortRecord = Output<typeof modelRegistryAbi, "inputsOf">[number];
/** An element proof as the contracts take it; made by `proveElement` of @assay/program. */
export type ElementProofArgs = Inputs<typeof refereeAbi, "proveElement">[2];
/** Points of a reduction box as the contracts take them. */
export type SegmentArgs = Inputs<typeof refereeAbi, "proveSegment">[3];
/** A page of data as the contracts take it; see contracts/proof/DataPage.sol. */
export type PageArgs = Inputs<typeof refereeAbi, "demandData">[1];
/** An output proof as the contracts take it. */
export type OutputProofArgs = Inputs<typeof refereeAbi, "proveOutput">[2];
/** A proof about one element of an output with a tolerance, as the contracts take it. */
export type OutputElementProofArgs = Inputs<typeof refereeAbi, "proveOutputElement">[2];

/** What a claim commits to by a root; the order is the Solidity enum's. */
export const Data = { Trace: 0, Input: 1, Output: 2 } as const;
export type Data = (typeof Data)[keyof typeof Data];

/** `tensor` of a page of the tree over the tensors' roots. */
export const ROOTS = 2 ** 32 - 1;

/** Bytes as callers have them. */
export type Bytes = Hex | Uint8Array;
