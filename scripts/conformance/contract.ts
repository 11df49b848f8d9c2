import { availableParallelism } from "node:os";
import type { Judgement, KernelInput } from "@assay/numerics";
import { decodeFunctionResult, encodeFunctionData, toHex } from "viem";
import { type ContractJudge, startContractJudge } from "../../packages/cli/src/contract-judge.ts";

/** Gas of one call that judges a batch; calls cost nothing, and a transaction judges one element. */
const CALL_GAS = 2n ** 40n;
/** Bytes of operands in one call. */
const BATCH_BYTES = 1 << 19;
const BATCH_ELEMENTS = 512;

export const DEFAULT_JOBS = availableParallelism();

/** A contract's answer: a judgement, or the data it reverted with. */
export type Outcome = { judgement: Judgement } | { reverted: string };

/** The kernels and the Verifier on a chain in this process. */
export interface Contracts extends Pick<ContractJudge, "judge" | "close"> {
  /** What a family's kernel contract says of each input. */
  judgeAll(family: number, inputs: readonly KernelInput[]): Promise<Outcome[]>;
}

interface Answer {
  reverted: boolean;
  judgement: Judgement;
  error: `0x${string}`;
}

/** `KernelInput` of contracts/kernels/IKernel.sol as viem encodes it. */
function asArgument(input: KernelInput) {
  return {
    op: input.op,
    dtype: input.dtype,
    dtypes: toHex(Uint8Array.from(input.dtypes)),
    params: toHex(input.params),
    claimed: input.claimed,
    valid: input.valid.map(BigInt),
    operands: input.operands.map((operand) => toHex(operand)),
    hint: toHex(input.hint),
  };
}

function* batches(inputs: readonly KernelInput[]): Generator<KernelInput[]> {
  let batch: KernelInput[] = [];
  let bytes = 0;
  for (const input of inputs) {
    const size = input.operands.reduce((sum, { length }) => sum + length, 0);
    if (batch.length > 0 && (batch.length >= BATCH_ELEMENTS || bytes + size > BATCH_BYTES)) {
      yield batch;
      [batch, bytes] = [[], 0];
    }
    batch.push(input);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}

export async function startContracts(): Promise<Contracts> {
  const chain = await startContractJudge({ callGas: CALL_GAS });
  const { address, abi } = await chain.deploy("KernelBatch");
  return {
    judge: (roots, proof) => chain.judge(roots, proof),
    close: () => chain.close(),
    async judgeAll(family, inputs) {
      const kernel = chain.kernels[family];
      const outcomes: Outcome[] = [];
      for (const batch of batches(inputs)) {
        const args = [kernel, batch.map(asArgument)];
        const data = await chain.call(address, encodeFunctionData({ abi, functionName: "judgeAll", args }));
        const answers = decodeFunctionResult({ abi, functionName: "judgeAll", data }) as Answer[];
        for (const { reverted, judgement, error } of answers)
          outcomes.push(reverted ? { reverted: error } : { judgement });
      }
      return outcomes;
    },
  };
}
