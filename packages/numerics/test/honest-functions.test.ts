import { scalar, scalarFunctions, type ScalarFunction, type ScalarName, Verdict } from "@assay/numerics";
import * as native from "onnxruntime-node";
import * as wasm from "onnxruntime-web";
import { describe, expect, it } from "vitest";
import { asNumbers, bitsOf, EDGES, random, scalarInput, valueOf } from "./samples.ts";
import { SCALAR_ATTRIBUTES, scalarModel } from "./scalar-nodes.ts";

const FUZZ = Number(process.env.ASSAY_FUZZ ?? 1);
wasm.env.wasm.numThreads = 1;
wasm.env.logLevel = "error";
const engines = { "onnxruntime-node": native, "onnxruntime-web (WASM)": wasm };
type Engine = keyof typeof engines;

async function run(
  engine: Engine,
  name: string,
  attributes: Record<string, number>,
  operands: Uint32Array[],
): Promise<Uint32Array> {
  const ort = engines[engine] as typeof native;
  const dims = [operands[0]!.length];
  const names = operands.map((_, i) => `x${i}`);
  const { model } = scalarModel(name as ScalarName, attributes, dims[0]!, names);
  const session = await ort.InferenceSession.create(model, {
    executionProviders: [engine === "onnxruntime-node" ? "cpu" : "wasm"],
    graphOptimizationLevel: "disabled",
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  const feeds = operands.map((bits, i) => [
    names[i]!,
    new ort.Tensor("float32", new Float32Array(bits.slice().buffer), dims),
  ]);
  const { y } = await session.run(Object.fromEntries(feeds) as Record<string, native.Tensor>);
  const data = (y!.data as Float32Array).slice();
  await session.release();
  return new Uint32Array(data.buffer);
}

function argumentsOf(fn: ScalarFunction, count: number): Uint32Array {
  const next = random(fn.op + 3);
  return Uint32Array.from({ length: count }, (_, i) => {
    if (i < EDGES.length) return EDGES[i]!;
    const range = [0, 1, 8, 100][i % 4]!;
    return range === 0 ? next() : bitsOf((next() / 2 ** 31 - 1) * range);
  });
}

describe.each(Object.keys(engines) as Engine[])("what %s computes is Acceptable", (engine) => {
  for (const [name, fn] of Object.entries<ScalarFunction>(scalarFunctions))
    it(name, async () => {
      const x = argumentsOf(fn, 3000 * FUZZ);
      // the powers that onnxruntime computes by multiplication or a root stand beside general ones
      const powers = [2, 3, 0.5, -1, 1, 0, -2, 4, 1 / 3, 1.5, Infinity, -Infinity, NaN].map(bitsOf);
      const y = x.map((bits, i) => (i % 3 === 0 ? bits : powers[(i >> 2) % powers.length]!)).reverse();
      let worst = 0;
      for (const attributes of SCALAR_ATTRIBUTES[name as ScalarName] ?? [{}]) {
        const params = Object.values(attributes).map(bitsOf);
        const claims = await run(engine, name, attributes, fn.arity === 2 ? [x, y] : [x]);
        claims.forEach((claimed, i) => {
          const input = scalarInput(fn.op, x[i]!, claimed, params, fn.arity === 2 ? y[i]! : undefined);
          const judgement = scalar.judge(input);
          const { exact, provable } = asNumbers(judgement);
          if (judgement.verdict !== Verdict.Acceptable)
            expect.fail(
              `${name}(${valueOf(x[i]!)}, ${valueOf(y[i]!)}; ${Object.values(attributes).join()}): ` +
                `${valueOf(claimed)} is not ${exact} ± ${provable}`,
            );
          if (provable > 0) worst = Math.max(worst, Math.abs(valueOf(claimed) - exact) / provable);
        });
      }
      console.log(`${name}, ${engine}: largest share of the band ${worst.toFixed(3)}`);
      expect(worst).toBeGreaterThan(0);
    });

  // one constant exponent is what onnxruntime has special cases for
  it.each([2, 3, 0.5, -1, 1, 0, 1.7])("Pow to the constant %d", async (power) => {
    const x = argumentsOf(scalarFunctions.Pow, 3000 * FUZZ);
    const y = new Uint32Array(x.length).fill(bitsOf(power));
    const claims = await run(engine, "Pow", {}, [x, y]);
    claims.forEach((claimed, i) => {
      const judgement = scalar.judge(scalarInput(scalarFunctions.Pow.op, x[i]!, claimed, [], y[i]));
      if (judgement.verdict !== Verdict.Acceptable)
        expect.fail(`${valueOf(x[i]!)}^${power}: ${valueOf(claimed)}`);
    });
  });
});

describe("off-band claims are refused", () => {
  for (const [name, fn] of Object.entries<ScalarFunction>(scalarFunctions))
    it(name, () => {
      const params = Object.values(SCALAR_ATTRIBUTES[name as ScalarName]?.[0] ?? {}).map(bitsOf);
      let judged = 0;
      for (const x of argumentsOf(fn, 400)) {
        const y = fn.arity === 2 ? bitsOf(1.5) : undefined;
        const judgement = scalar.judge(scalarInput(fn.op, x, 0, params, y));
        const { exact, provable } = asNumbers(judgement);
        if (provable === 0 || Math.abs(exact) > 1e37 || Math.abs(valueOf(x)) > 1e30) continue;
        for (const wrong of [exact + 1.5 * provable, exact - 1.5 * provable, exact * 1.001 + 3 * provable]) {
          const claimed = bitsOf(wrong);
          // rounding to float32 may lead back to the band where an ulp is wider than it
          if (Math.abs(valueOf(claimed) - exact) <= provable * 1.01) continue;
          if ((x & 0x7fffffff) < 0x800000 && (x & 0x7fffffff) > 0) continue;
          expect(scalar.judge(scalarInput(fn.op, x, claimed, params, y)).verdict).toBe(Verdict.Fraudulent);
          judged++;
        }
        const sign = (bitsOf(-exact) ^ 0) >>> 0;
        if (Math.abs(exact) > 2 * provable) {
          expect(scalar.judge(scalarInput(fn.op, x, sign, params, y)).verdict).toBe(Verdict.Fraudulent);
          judged++;
        }
        expect(scalar.judge(scalarInput(fn.op, x, 0x7fc00000, params, y)).verdict).toBe(
          Number.isFinite(valueOf(x)) || !fn.nanAtInfinity ? Verdict.Fraudulent : Verdict.Acceptable,
        );
      }
      expect(judged).toBeGreaterThan(200);
    });
});

it("overflow, underflow, limits and NaN", () => {
  const { Exp, Log, Tanh, Erf, Sigmoid, Sin, Atanh, Softplus, Gelu, Pow } = scalarFunctions;
  const inf = 0x7f800000;
  const minusInf = 0xff800000;
  const nan = 0x7fc00000;
  const bits = bitsOf;
  const table: [fn: ScalarFunction, x: number, claimed: number, verdict: number, y?: number][] = [
    [Exp, bits(88.72283), inf, Verdict.Fraudulent], // e^88.72283 = (1 - 2^-17)·2^128: still finite
    [Exp, bits(88.7228394), inf, Verdict.Acceptable],
    [Exp, bits(89), 0x7f7fffff, Verdict.Fraudulent],
    [Exp, inf, inf, Verdict.Acceptable],
    [Exp, inf, nan, Verdict.Fraudulent],
    [Exp, minusInf, 0, Verdict.Acceptable],
    [Exp, minusInf, bits(1e-30), Verdict.Fraudulent],
    [Exp, bits(-100), 0, Verdict.Acceptable], // a flushed tail
    [Exp, bits(-80), 0, Verdict.Fraudulent],
    [Exp, nan, nan, Verdict.Acceptable],
    [Exp, nan, bits(-1), Verdict.Fraudulent],
    [Tanh, minusInf, bits(-1), Verdict.Acceptable],
    [Tanh, bits(20), bits(-1), Verdict.Fraudulent],
    [Tanh, 1, 0, Verdict.Acceptable],
    [Erf, inf, bits(1), Verdict.Acceptable],
    [Erf, nan, bits(1.1), Verdict.Fraudulent],
    [Sigmoid, minusInf, 0, Verdict.Acceptable],
    [Sigmoid, 0, inf, Verdict.Fraudulent],
    [Log, 0, minusInf, Verdict.Acceptable],
    [Log, 0x80000000, minusInf, Verdict.Acceptable],
    [Log, 0, bits(-103), Verdict.Fraudulent],
    [Log, 1, bits(-103.2789), Verdict.Acceptable],
    [Log, 1, minusInf, Verdict.Acceptable], // the subnormal flushed
    [Log, bits(-1), nan, Verdict.Acceptable],
    [Log, bits(-1), 0, Verdict.Fraudulent],
    [Log, inf, inf, Verdict.Acceptable],
    [Log, nan, 0, Verdict.Fraudulent],
    [Sin, inf, nan, Verdict.Acceptable],
    [Sin, inf, 0, Verdict.Fraudulent],
    [Sin, bits(3.1415927), bits(-8.74e-8), Verdict.Acceptable],
    [Atanh, bits(1), inf, Verdict.Acceptable],
    [Atanh, bits(-1), inf, Verdict.Fraudulent],
    [Softplus, bits(-120), 0, Verdict.Acceptable],
    [Softplus, inf, inf, Verdict.Acceptable],
    [Softplus, inf, 0x7f7fffff, Verdict.Fraudulent],
    [Gelu, minusInf, nan, Verdict.Acceptable], // -Inf·0
    [Gelu, bits(-3), nan, Verdict.Fraudulent],
    [Gelu, inf, inf, Verdict.Acceptable],
    [Pow, nan, bits(1), Verdict.Acceptable, 0],
    [Pow, nan, bits(2), Verdict.Fraudulent, bits(2)],
    [Pow, bits(1), bits(1), Verdict.Acceptable, nan],
    [Pow, 0x80000000, minusInf, Verdict.Acceptable, bits(-3)],
    [Pow, 0x80000000, minusInf, Verdict.Fraudulent, bits(-2)],
    [Pow, 0x80000000, inf, Verdict.Acceptable, bits(-0.5)],
    [Pow, bits(-2), bits(-8), Verdict.Acceptable, bits(3)],
    [Pow, bits(-2), bits(8), Verdict.Fraudulent, bits(3)],
    [Pow, bits(-2), nan, Verdict.Acceptable, bits(0.5)],
    [Pow, minusInf, nan, Verdict.Acceptable, bits(0.5)], // a square root
    [Pow, bits(2), inf, Verdict.Acceptable, bits(128)],
    [Pow, bits(2), 0x7f7fffff, Verdict.Fraudulent, bits(128.5)],
    [Pow, bits(0.5), 0, Verdict.Acceptable, inf],
  ];
  for (const [fn, x, claimed, verdict, y] of table)
    expect(
      scalar.judge(scalarInput(fn.op, x, claimed, [], y)).verdict,
      `op ${fn.op} of ${valueOf(x)}, ${valueOf(y ?? 0)}: ${valueOf(claimed)}`,
    ).toBe(verdict);
});
