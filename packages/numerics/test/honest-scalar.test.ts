import { elementwise, ElementwiseOp, type KernelInput, normalization, Verdict } from "@assay/numerics";
import * as native from "onnxruntime-node";
import * as wasm from "onnxruntime-web";
import { describe, expect, it } from "vitest";
import { oneNodeModel } from "./onnx-model.ts";
import * as reference from "./reference/real.ts";
import { asNumbers, bitsOf, elementwiseInput, random, softmaxInput, valueOf } from "./samples.ts";

const FUZZ = Number(process.env.ASSAY_FUZZ ?? 1);
wasm.env.wasm.numThreads = 1;
const engines = { "onnxruntime-node": native, "onnxruntime-web (WASM)": wasm };
type Engine = keyof typeof engines;

/** Bits in, bits out, through a real engine. */
async function run(
  engine: Engine,
  opType: string,
  dims: number[],
  ...operands: Uint32Array[]
): Promise<Uint32Array> {
  const names = operands.map((_, i) => `x${i}`);
  const ort = engines[engine] as typeof native;
  const session = await ort.InferenceSession.create(oneNodeModel(opType, dims, names), {
    executionProviders: [engine === "onnxruntime-node" ? "cpu" : "wasm"],
    graphOptimizationLevel: "disabled",
    intraOpNumThreads: 1,
  });
  const feeds = Object.fromEntries(
    operands.map((bits, i) => [names[i]!, new ort.Tensor("float32", new Float32Array(bits.buffer), dims)]),
  );
  const { y } = await session.run(feeds);
  const data = (y!.data as Float32Array).slice();
  await session.release();
  return new Uint32Array(data.buffer);
}

function expectVerdict(kernel: typeof elementwise, input: KernelInput, verdict: number, what: string) {
  const judgement = kernel.judge(input);
  if (judgement.verdict !== verdict)
    expect.fail(
      `${what}: claim ${valueOf(Number(input.claimed))} is ${judgement.verdict}, ${JSON.stringify(asNumbers(judgement))}`,
    );
}

describe.each(Object.keys(engines) as Engine[])("what %s computes is Acceptable", (engine) => {
  it.each([1, 2, 10, 1000])("Softmax over %i", async (length) => {
    const next = random(length);
    const spreads = [0, 1, 20, 100, 300, 1e30];
    let worst = 0;
    for (let round = 0; round < (length === 1000 ? 6 : 60) * FUZZ; round++) {
      const spread = spreads[round % spreads.length]!;
      const row = Uint32Array.from({ length }, (_, i) =>
        i > 0 && round % 4 === 3 && next() % 3 === 0 ? 0xff800000 : bitsOf((next() / 2 ** 31 - 1) * spread),
      );
      const y = await run(engine, "Softmax", [1, length], row);
      for (let j = 0; j < length; j += length === 1000 ? 97 : 1) {
        const input = softmaxInput([...row], row[j]!, y[j]!);
        expectVerdict(normalization, input, Verdict.Acceptable, `softmax, spread ${spread}, element ${j}`);
        const { exact, provable } = asNumbers(normalization.judge(input));
        worst = Math.max(worst, Math.abs(valueOf(y[j]!) - exact) / provable);
      }
    }
    console.log(`Softmax over ${length}, ${engine}: largest share of the band ${worst.toFixed(3)}`);
  });

  it("Softmax of rows without a result", async () => {
    const inf = 0x7f800000;
    const nan = 0x7fc00000;
    const masked = 0xff800000;
    const rows: number[][] = [
      [masked],
      Array<number>(17).fill(masked),
      [inf, 0, 0],
      [nan, 0],
      [...Array<number>(16).fill(0), nan],
      Array<number>(9).fill(inf),
    ];
    for (const row of rows) {
      const y = await run(engine, "Softmax", [1, row.length], Uint32Array.from(row));
      y.forEach((claimed, j) =>
        expectVerdict(
          normalization,
          softmaxInput(row, row[j]!, claimed),
          Verdict.Acceptable,
          `row ${row.join()}`,
        ),
      );
    }
  });
});

describe("elementwise verdicts", () => {
  it("overflow, underflow and limits", () => {
    const { Mul, Add, Div, Sqrt, Relu } = ElementwiseOp;
    const inf = 0x7f800000;
    const nan = 0x7fc00000;
    const bits = bitsOf;
    const table: [op: number, a: number, b: number, claimed: number, verdict: number][] = [
      [Mul, bits(1e-30), bits(1e-10), 0, Verdict.Acceptable], // a flushed result
      [Mul, bits(1e-30), bits(1e-10), 1, Verdict.Fraudulent],
      [Mul, 1, bits(1e30), 0, Verdict.Acceptable], // a flushed operand
      [Mul, 0, inf, nan, Verdict.Acceptable],
      [Mul, 1, inf, nan, Verdict.Acceptable], // flushed, then 0·Inf
      [Mul, bits(1), inf, nan, Verdict.Fraudulent],
      [Div, bits(1), 1, inf, Verdict.Acceptable],
      [Div, bits(1), bits(3), bits(1 / 3) + 1, Verdict.Fraudulent],
      [Add, 0x7f7fffff, bits(2 ** 102), inf, Verdict.Fraudulent],
      [Add, 0x7f7fffff, bits(2 ** 103), inf, Verdict.Acceptable],
      [Add, inf, 0xff800000, nan, Verdict.Acceptable],
      [Add, inf, 0xff800000, 0, Verdict.Fraudulent],
      [Add, 0x80000000, 0, 0x80000000, Verdict.Acceptable],
      [Sqrt, bits(-1), 0, nan, Verdict.Acceptable],
      [Sqrt, 0x80000000, 0, 0, Verdict.Acceptable],
      [Relu, nan, 0, 0, Verdict.Imprecise],
      [Relu, nan, 0, bits(1), Verdict.Fraudulent],
      [Relu, bits(-3), 0, 0x80000000, Verdict.Acceptable],
      [Relu, bits(3), 0, 0, Verdict.Fraudulent],
    ];
    for (const [op, a, b, claimed, verdict] of table)
      expectVerdict(
        elementwise,
        elementwiseInput(op, a, b, claimed),
        verdict,
        `op ${op} of ${valueOf(a)}, ${valueOf(b)}`,
      );
  });
});

describe("softmax verdicts", () => {
  it.each([1, 2, 10, 1000])("agree with the reference and separate the bands at K = %i", (length) => {
    const next = random(length + 1);
    for (let round = 0; round < (length === 1000 ? 2 : 40) * FUZZ; round++) {
      const spread = [0, 2, 50, 150][round % 4]!;
      const row = Array.from({ length }, () =>
        next() % 8 === 0 ? 0xff800000 : bitsOf((next() / 2 ** 31 - 1) * spread),
      );
      row[0] = bitsOf(spread / 3);
      const j = next() % length;
      const [n, d] = reference.softmax(row, j);
      const judgement = normalization.judge(softmaxInput(row, row[j]!, 0));
      const units = (n << 149n) / d;
      const difference = judgement.exact > units ? judgement.exact - units : units - judgement.exact;
      // the kernel's own error is far inside one u = 2^-24 of slack
      expect(difference <= (units >> 37n) + 2n).toBe(true);

      const { exact, provable } = asNumbers(judgement);
      const [nearest, far] = [bitsOf(Number(units) * 2 ** -149), bitsOf(exact + 2 * provable)];
      expectVerdict(normalization, softmaxInput(row, row[j]!, nearest), Verdict.Acceptable, "nearest");
      expectVerdict(normalization, softmaxInput(row, row[j]!, far), Verdict.Fraudulent, "two bands off");
      const tight = normalization.judge(softmaxInput(row, row[j]!, 0, 64));
      expect(tight.integrity <= tight.provable).toBe(true);
      if (length === 1000 && exact > 1e-6) {
        const between = bitsOf(exact + (asNumbers(tight).integrity + provable) / 2);
        expectVerdict(
          normalization,
          softmaxInput(row, row[j]!, between, 64),
          Verdict.Imprecise,
          "between the bands",
        );
      }
    }
  });

  it("ignores any hint where the whole row is shown", () => {
    const input = softmaxInput([bitsOf(1), bitsOf(2)], bitsOf(1), bitsOf(0.25));
    const judgement = normalization.judge(input);
    for (const hint of [[], [0], [255, 255], Array<number>(32).fill(1)])
      expect(normalization.judge({ ...input, hint: Uint8Array.from(hint) })).toEqual(judgement);
  });
});
