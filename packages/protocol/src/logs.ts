import { AssayError } from "@assay/tensor";
import { BaseError, TimeoutError } from "viem";
import { toAssayError } from "./errors.ts";

/**
 * Most bytes of an RPC server's answer; to be set on viem's transports, which allow 10 MiB. A block full of batches in
 * calldata has more in its logs, and whoever could not read that block would see none after it.
 */
export const MOST_ANSWER_BYTES = 64 * 2 ** 20;

/**
 * Logs of a range of blocks by as many questions as it takes: servers refuse too many blocks, or too many logs, and each has
 * other limits. A range that is refused, or takes too long, is halved; what is answered makes the next one twice as long.
 *
 * @param ask for the logs of a range of blocks, both ends included
 * @param range most blocks of one question
 */
export async function logsInPages<log>(
  ask: (fromBlock: bigint, toBlock: bigint) => Promise<readonly log[]>,
  fromBlock: bigint,
  toBlock: bigint,
  range = toBlock - fromBlock + 1n,
): Promise<log[]> {
  const pages: (readonly log[])[] = [];
  let most = range;
  for (let from = fromBlock; from <= toBlock;) {
    const to = from + most - 1n < toBlock ? from + most - 1n : toBlock;
    try {
      pages.push(await ask(from, to));
      from = to + 1n;
      if (most < range) most = 2n * most < range ? 2n * most : range;
    } catch (error) {
      if (from === to || !isRefused(error)) throw error;
      most = (to - from + 1n) / 2n;
    }
  }
  return pages.flat();
}

/**
 * The same from the newest block back, until a log is the first that can be: what is recent is found with one question, however long
 * the chain. Each answer without it makes the next range twice as long, but no longer than one that was refused.
 *
 * @param isFirst whether there is nothing to be found before a log's block
 * @param range blocks of the first question
 */
export async function logsBackwards<log>(
  ask: (fromBlock: bigint, toBlock: bigint) => Promise<readonly log[]>,
  fromBlock: bigint,
  toBlock: bigint,
  isFirst: (log: log) => boolean,
  range = 10_000n,
): Promise<log[]> {
  const pages: (readonly log[])[] = [];
  let [most, limit] = [range, toBlock - fromBlock + 1n];
  for (let to = toBlock; to >= fromBlock;) {
    const from = to - fromBlock < most ? fromBlock : to - most + 1n;
    try {
      const page = await ask(from, to);
      pages.unshift(page);
      if (page.some(isFirst)) break;
      to = from - 1n;
      most = 2n * most < limit ? 2n * most : limit;
    } catch (error) {
      if (from === to || !isRefused(error)) throw error;
      most = limit = (to - from + 1n) / 2n;
    }
  }
  return pages.flat();
}

/** Whether less may be answered. A server that is not there answers nothing. */
function isRefused(error: unknown): boolean {
  if (error instanceof BaseError && error.walk((cause) => cause instanceof TimeoutError) !== null)
    return true;
  const known = toAssayError(error);
  return known instanceof AssayError && known.code === "RPC_ERROR";
}
