import type { Family, Judgement, Kernel, KernelInput, StreamingKernel } from "@assay/numerics";
import { AssayError, dtypeSize } from "@assay/tensor";
import { bytesToHex, decodeErrorResult, type Hex, parseAbi, toFunctionSelector } from "viem";
import { afterAll, expect } from "vitest";
import { connect } from "./actors/node.ts";

const ERRORS = parseAbi([
  "error UnknownOp(uint8 op)",
  "error OperandCount(uint256 expected, uint256 actual)",
  "error OperandLength(uint256 operand, uint256 expected, uint256 actual)",
  "error ParamsLength(uint256 expected, uint256 actual)",
  "error UnsupportedDtype(uint256 operand, uint8 dtype)",
  "error BadBound(uint64 bits)",
  "error BadValid(uint256 operand, uint256 valid, uint256 lowest, uint256 highest)",
  "error NanBound(uint32 bits)",
  "error BadParameter(uint256 parameter, uint32 bits)",
  "error ElementNotInRow(uint32 bits)",
  "error RowTooLong(uint256 length)",
  "error BadEpsilon(uint32 bits)",
  "error TooManyPoints(uint256 points, uint256 limit)",
  "error HintLength(uint256 expected, uint256 actual)",
  "error EmaxOutOfRange(uint256 emax, uint256 lowest, uint256 highest)",
  "error EmaxTooSmall(uint256 emax)",
  "error TooManyTerms(uint256 terms, uint256 limit)",
  "error ValidTooLarge(uint256 valid, uint256 terms)",
  "error UnknownActivation(uint8 activation)",
  "error BadClamp(uint32 low, uint32 high)",
  "error BadCoefficient(uint32 bits)",
  "error DivisorTooLarge(uint256 divisor, uint256 limit)",
  "error WrongHint(uint256 hint, uint256 actual)",
  "error HintChanged(uint256 hint, uint256 earlier)",
  "error Panic(uint256 code)",
]);

/** What KernelBatch returns for one input. */
interface Answer {
  reverted: boolean;
  judgement: Judgement;
  error: Hex;
  gas: bigint;
}

export type Outcome = { error: string } | (Judgement & { gas: number });

const connections: { close(): Promise<void> }[] = [];
afterAll(() => Promise.all(connections.map((connection) => connection.close())));

/** A kernel contract on a chain of its own that judges many inputs in a few calls. */
export async function deployKernel(name: `${keyof typeof Family}Kernel`) {
  const connection = await connect();
  connections.push(connection);
  const { viem } = connection;
  const kernel = await viem.deployContract(name);
  const batch = await viem.deployContract("KernelBatch");

  async function judgeAll(inputs: readonly KernelInput[], perCall = 400): Promise<Outcome[]> {
    const outcomes: Outcome[] = [];
    for (let start = 0; start < inputs.length; start += perCall) {
      const part = inputs.slice(start, start + perCall).map(encoded);
      // Hardhat types contracts by their artifacts, which a fresh checkout does not have yet
      const read = batch.read.judgeAll as unknown as (args: readonly unknown[]) => Promise<readonly Answer[]>;
      for (const { reverted, judgement, error, gas } of await read([kernel.address, part]))
        outcomes.push(reverted ? { error: errorCode(error) } : { ...judgement, gas: Number(gas) });
    }
    return outcomes;
  }

  /** Fails unless contract and twin agree on every integer, or on the error. */
  async function expectTwins(
    twin: Kernel,
    inputs: readonly KernelInput[],
    perCall?: number,
  ): Promise<Outcome[]> {
    const outcomes = await judgeAll(inputs, perCall);
    outcomes.forEach((outcome, i) => {
      const input = inputs[i]!;
      const expected = twinOutcome(twin, input);
      const { gas: _, ...actual } = { gas: 0, ...outcome };
      if (JSON.stringify(actual, bigints) !== JSON.stringify(expected, bigints))
        expect({ input, outcome: actual }).toEqual({ input, outcome: expected });
    });
    return outcomes;
  }

  /**
   * Fails unless an input judged in random segments gives the judgement of the whole, in both languages.
   *
   * @param reduced numbers of the operands that are cut
   */
  async function expectSegments(
    twin: StreamingKernel,
    input: KernelInput,
    reduced: readonly number[],
    next: () => number,
  ): Promise<void> {
    const whole = { ...input, hint: twin.hint(input) };
    expect(await judgeParts(twin, segments(whole, reduced, next))).toEqual(twin.judge(whole));
  }

  /** Fails unless twin and contract both refuse consecutive segments with the error of this (Solidity) signature. */
  async function expectRefused(
    twin: StreamingKernel,
    parts: readonly KernelInput[],
    signature: string,
  ): Promise<void> {
    const name = signature.split("(")[0]!;
    const code = name.replace(/(?<!^)([A-Z])(?=[a-z])/g, "_$1").toUpperCase();
    expect(() => {
      let state: Uint8Array = new Uint8Array();
      for (const part of parts) state = twin.fold(part, state);
      twin.conclude(parts.at(-1)!, state);
    }).toThrow(expect.objectContaining({ code }) as Error);
    const read = batch.read.judgeParts as unknown as (args: readonly unknown[]) => Promise<Judgement>;
    await expect(read([kernel.address, parts.map(encoded)])).rejects.toThrow(
      new RegExp(`${name}|${toFunctionSelector(signature)}`),
    );
  }

  /** The judgement of consecutive segments, on which contract and twin must agree. */
  async function judgeParts(twin: StreamingKernel, parts: readonly KernelInput[]): Promise<Judgement> {
    let state: Uint8Array = new Uint8Array();
    for (const part of parts) state = twin.fold(part, state);
    const judgement = twin.conclude(parts.at(-1)!, state);
    const read = batch.read.judgeParts as unknown as (args: readonly unknown[]) => Promise<Judgement>;
    expect(await read([kernel.address, parts.map(encoded)])).toEqual(judgement);
    return judgement;
  }

  return { judgeAll, expectTwins, expectSegments, expectRefused, judgeParts };
}

function encoded(input: KernelInput) {
  return {
    op: input.op,
    dtype: input.dtype,
    dtypes: bytesToHex(Uint8Array.from(input.dtypes)),
    params: bytesToHex(input.params),
    claimed: input.claimed,
    valid: input.valid.map(BigInt),
    operands: input.operands.map((operand) => bytesToHex(operand)),
    hint: bytesToHex(input.hint),
  };
}

/** Cuts the reduced operands of an input without padding into random segments. */
export function segments(input: KernelInput, reduced: readonly number[], next: () => number): KernelInput[] {
  const sizeOf = (operand: number) => dtypeSize(input.dtypes[operand]!);
  const points = input.operands[reduced[0]!]!.length / sizeOf(reduced[0]!);
  const parts: KernelInput[] = [];
  for (let first = 0; first < points;) {
    const count = 1 + (next() % (points - first));
    parts.push({
      ...input,
      valid: input.valid.map((valid, i) => (reduced.includes(i) ? count : valid)),
      operands: input.operands.map((bytes, i) =>
        reduced.includes(i) ? bytes.subarray(first * sizeOf(i), (first + count) * sizeOf(i)) : bytes,
      ),
    });
    first += count;
  }
  return parts;
}

const bigints = (_: string, value: unknown) => (typeof value === "bigint" ? value.toString() : value);

export function twinOutcome(twin: Kernel, input: KernelInput): { error: string } | Judgement {
  try {
    const { verdict, exact, provable, integrity, scale } = twin.judge(input);
    return { verdict, exact, provable, integrity, scale };
  } catch (error) {
    if (error instanceof AssayError) return { error: error.code };
    throw error;
  }
}

/** UPPER_SNAKE_CASE of a Solidity error's name; a malformed ABI encoding has no data. */
function errorCode(data: Hex): string {
  if (data === "0x") return "PARAMS_MALFORMED";
  const { errorName } = decodeErrorResult({ abi: ERRORS, data });
  return errorName.replace(/(?<!^)([A-Z])(?=[a-z])/g, "_$1").toUpperCase();
}
