import {
  BaseError,
  decodeErrorResult,
  type Hex,
  HttpRequestError,
  InsufficientFundsError,
  isHex,
  TimeoutError,
  WebSocketRequestError,
} from "viem";
import { AssayError } from "@assay/tensor";
import { errorsAbi } from "./abi/errors.ts";
import { describeContractError } from "./error-messages.ts";

/** A contract said no: `code` is the custom error's name, `args` its arguments by name. */
export class ContractError extends AssayError {
  readonly args: Readonly<Record<string, unknown>>;

  constructor(
    name: string,
    args: Record<string, unknown>,
    options: { message: string; hint?: string; cause?: unknown },
  ) {
    super(name, options.message, options);
    this.args = args;
  }
}

/**
 * Turns whatever viem throws into an {@link AssayError}; what is none of viem's errors stays as it is.
 *
 * - a custom error of the contracts: its name, e.g. `WrongPhase`
 * - `REVERTED`: a revert without a custom error
 * - `RPC_UNREACHABLE`: no answer from the RPC server (worth another try)
 * - `INSUFFICIENT_FUNDS`: the account cannot pay for gas
 * - `RPC_ERROR`: any other answer of the RPC server
 */
export function toAssayError(error: unknown): unknown {
  if (error instanceof AssayError || !(error instanceof BaseError)) return error;
  const data = revertData(error);
  if (data !== undefined && data !== "0x") return decodeContractError(data, error);
  const unreachable = error.walk(
    (cause) =>
      cause instanceof HttpRequestError ||
      cause instanceof TimeoutError ||
      cause instanceof WebSocketRequestError,
  );
  // A server that answers with an HTTP status is there; only its answer is an error.
  if (unreachable !== null && !(unreachable instanceof HttpRequestError && unreachable.status !== undefined))
    return new AssayError("RPC_UNREACHABLE", "the RPC server does not answer", {
      hint: "is the chain running (`assay chain`) and the URL right (--rpc)?",
      cause: error,
    });
  if (error.walk((cause) => cause instanceof InsufficientFundsError) !== null)
    return new AssayError("INSUFFICIENT_FUNDS", "the account cannot pay for the transaction's gas", {
      hint: "send it some of the chain's own currency",
      cause: error,
    });
  const reverted = /revert/i.test(error.shortMessage) || /execution reverted/i.test(error.details ?? "");
  return new AssayError(reverted ? "REVERTED" : "RPC_ERROR", firstLine(error), { cause: error });
}

/** Decodes revert data of any Assay contract. */
export function decodeContractError(data: Hex, cause?: unknown): AssayError {
  try {
    const { errorName, args, abiItem } = decodeErrorResult({ abi: errorsAbi, data });
    const values = (args ?? []) as readonly unknown[];
    const named = Object.fromEntries(
      (abiItem.inputs as readonly { name?: string }[]).map((input, i) => [input.name ?? `${i}`, values[i]]),
    );
    return new ContractError(errorName, named, { ...describeContractError(errorName, named), cause });
  } catch {
    return new AssayError("REVERTED", `the contract reverted with unknown data ${data.slice(0, 74)}`, {
      cause,
    });
  }
}

/** The revert bytes, wherever this RPC server puts them: in `data`, or in an object there. */
function revertData(error: BaseError): Hex | undefined {
  let found: Hex | undefined;
  error.walk((cause) => {
    const data = (cause as { data?: unknown }).data;
    const candidates = [
      data,
      (data as { data?: unknown } | undefined)?.data,
      (cause as { raw?: unknown }).raw,
    ];
    found = candidates.find((candidate): candidate is Hex => isHex(candidate));
    return found !== undefined;
  });
  return found;
}

function firstLine(error: BaseError): string {
  // viem's own errors, a refused decoding for one, may come without.
  const text = error.details as string | undefined;
  const details = text === undefined || text === "" ? "" : `: ${text.split("\n")[0]}`;
  return `${error.shortMessage.split("\n")[0]}${details}`;
}
