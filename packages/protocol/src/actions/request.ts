import { type Address, type Hash, type TransactionReceipt, zeroAddress } from "viem";
import { inferenceMarketAbi } from "../abi/inference-market.ts";
import { type AssayClient, write } from "../client.ts";
import type { Deployment } from "../deployment.ts";
import { eventIn } from "../events.ts";
import { toHex } from "../bytes.ts";
import type { Bytes } from "../types.ts";

export interface RequestParameters {
  deployment: Deployment;
  modelId: Hash;
  programRoot: Hash;
  inputRoot: Hash;
  /** The inputs' stored bytes, one after the other; or say with `inputsUri` where they are. */
  inputs?: Bytes;
  inputsUri?: string;
  /** To the executor, in token units. */
  fee: bigint;
  /** Most that the model's owner may get. */
  maxRoyalty?: bigint;
  /** Who must answer; default: anyone. */
  executor?: Address;
  /** Unix time by which a claim must come. */
  deadline: bigint;
  /** Whether a claim must carry the output bytes; default true. */
  outputsInline?: boolean;
  /** Contract told of the result. */
  callback?: Address;
  callbackGas?: number;
}

export interface RequestReturnType {
  requestId: Hash;
  receipt: TransactionReceipt;
}

/**
 * Asks for an inference; fee and royalty are pulled from the sender (see `approve`).
 * Errors: `UnknownModel`, `UnknownVersion`, `InputsMissing`, `InputsMismatch`, `RoyaltyAboveMax`, `DeadlineOutOfRange`,
 * `ERC20InsufficientAllowance`.
 *
 * @example
 * const { requestId } = await request(client, {
 *   deployment, modelId, programRoot, inputRoot, inputs, fee: 100n, deadline,
 * });
 */
export async function request(
  client: AssayClient,
  parameters: RequestParameters,
): Promise<RequestReturnType> {
  const receipt = await write(client, {
    address: parameters.deployment.inferenceMarket,
    abi: inferenceMarketAbi,
    functionName: "request",
    args: [
      {
        modelId: parameters.modelId,
        programRoot: parameters.programRoot,
        inputRoot: parameters.inputRoot,
        inputs: toHex(parameters.inputs ?? "0x"),
        inputsUri: parameters.inputsUri ?? "",
        fee: parameters.fee,
        maxRoyalty: parameters.maxRoyalty ?? 0n,
        executor: parameters.executor ?? zeroAddress,
        deadline: parameters.deadline,
        outputsInline: parameters.outputsInline ?? true,
        callback: parameters.callback ?? zeroAddress,
        callbackGas: parameters.callbackGas ?? 0,
      },
    ],
  });
  return { requestId: eventIn(receipt, "RequestMade").args.requestId, receipt };
}
