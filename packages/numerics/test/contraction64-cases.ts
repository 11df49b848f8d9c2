import { contraction, encodeContractionParams, type KernelInput } from "@assay/numerics";
import { DType } from "@assay/tensor";
import { gauss, NEUTRAL } from "./contraction-cases.ts";

type Next = () => number;

const view = new DataView(new ArrayBuffer(8));
export const bits64 = (value: number): bigint => (view.setFloat64(0, value), view.getBigUint64(0));
export const value64 = (bits: bigint): number => (view.setBigUint64(0, bits), view.getFloat64(0));

/** A random contraction of float64, with no claim yet. */
export interface Case64 {
  a: number[];
  b: number[] | undefined;
  bias: number | undefined;
  divisor: number;
  valid: number;
  lambda: number;
}

export const KINDS_64 = ["gauss", "bits", "subnormal", "cancel", "huge", "tiny", "spread", "wild"] as const;

function number(kind: (typeof KINDS_64)[number], next: Next, previous: number | undefined): number {
  const any = () => value64((BigInt(next()) << 32n) | BigInt(next()));
  const finite = (): number => {
    const x = any();
    return Number.isFinite(x) ? x : finite();
  };
  switch (kind) {
    case "gauss":
      return gauss(next);
    case "bits":
      return finite();
    case "subnormal":
      return next() % 2 ? gauss(next) * 2 ** -1060 : gauss(next) * 2 ** 40;
    case "cancel":
      return previous !== undefined && next() % 2 ? -previous : gauss(next);
    case "huge":
      return gauss(next) * 2 ** 510;
    case "tiny":
      return gauss(next) * 2 ** -520;
    case "spread":
      return gauss(next) * 2 ** ((next() % 400) - 200);
    case "wild":
      return next() % 6 ? finite() : any() / 0;
  }
}

export function case64(kind: (typeof KINDS_64)[number], terms: number, next: Next): Case64 {
  const list = () => {
    const out: number[] = [];
    for (let i = 0; i < terms; i++) out.push(number(kind, next, out.at(-1)));
    return out;
  };
  return {
    a: list(),
    b: next() % 4 ? list() : undefined,
    bias: next() % 2 ? number(next() % 4 ? kind : "bits", next, undefined) : undefined,
    divisor: [1, 1, 1, 0, 3, terms][next() % 6]!,
    valid: next() % 4 ? terms : next() % (terms + 1),
    lambda: [0, 256, 1024, 0xffffffff][next() % 4]!,
  };
}

const bytes = (values: readonly number[]) => new Uint8Array(Float64Array.from(values).buffer);

export function input64(c: Case64, claimed: bigint): KernelInput {
  const operands = [
    bytes(c.a),
    ...(c.b ? [bytes(c.b)] : []),
    ...(c.bias === undefined ? [] : [bytes([c.bias])]),
  ];
  const input = {
    op: (c.b ? 1 : 0) | (c.bias === undefined ? 0 : 2),
    dtype: DType.float64,
    dtypes: operands.map(() => DType.float64),
    params: encodeContractionParams({ ...NEUTRAL, divisor: c.divisor, lambda: c.lambda }),
    claimed,
    valid: operands.map((operand, i) => (i === 0 ? c.valid : operand.length / 8)),
    operands,
  };
  return { ...input, hint: contraction.hint(input) };
}
