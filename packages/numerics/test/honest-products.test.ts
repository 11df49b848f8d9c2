import { clampsMixedBytes } from "@assay/execution";
import { quantised, QuantisedOp, Verdict } from "@assay/numerics";
import { DType } from "@assay/tensor";
import * as native from "onnxruntime-node";
import * as wasm from "onnxruntime-web";
import { describe, expect, it } from "vitest";
import { buildOnnx } from "../../program/test/onnx-builder.ts";
import { bitsOf } from "./samples.ts";
import { float32, integers, quantisedInput } from "./quantised-cases.ts";

/**
 * Products of bytes at their largest, where processors without VNNI clamp pairs to 16 bits, though the session asks for
 * precision (docs/numerics/quantised.md).
 */
const PRECISE = { session: { x64quantprecision: "1" } };
const engines = [
  ["native, pinned", native, "cpu", PRECISE],
  ["native, as it comes", native, "cpu", undefined],
  ["WASM", wasm as unknown as typeof native, "wasm", undefined],
] as const;
const types = [
  ["uint8", "int8"],
  ["uint8", "uint8"],
  ["int8", "int8"],
] as const;
wasm.env.wasm.numThreads = 1;

/** Of either sign: kernels that add 128 to signed bytes make 0 of the least. */
const LARGEST = { uint8: [255, 254], int8: [127, -128] } as const;

describe.each(engines)("products of bytes: %s", (name, ort, provider, extra) => {
  for (const [ta, tb] of types)
    it(`${ta} by ${tb}: exact sums are Acceptable, clamped ones Fraudulent`, async () => {
      for (const terms of [2, 4, 63, 64, 257]) {
        const [rows, columns] = [LARGEST[ta], LARGEST[tb]];
        const [a, b] = [
          rows.flatMap((factor) => Array<number>(terms).fill(factor)),
          Array.from({ length: terms }, () => columns).flat(),
        ];
        const scales = { as: [0.01], bs: [0.01], ys: [terms * 4], az: [0], bz: [0], yz: [0] };
        const model = buildOnnx({
          inputs: { a: [2, terms], b: [terms, 2] },
          dtypes: { a: DType[ta], b: DType[tb] },
          constants: {
            ...Object.fromEntries(
              ["as", "bs", "ys"].map((s) => [s, { dims: [], values: scales[s as "as"] }]),
            ),
            az: { dims: [], values: [0], small: DType[ta] },
            bz: { dims: [], values: [0], small: DType[tb] },
            yz: { dims: [], values: [0], small: DType[ta] },
          },
          nodes: [
            ["MatMulInteger", ["a", "b"], ["sum"]],
            ["QLinearMatMul", ["a", "as", "az", "b", "bs", "bz", "ys", "yz"], ["y"]],
          ],
          outputs: ["sum", "y"],
        });
        const session = await ort.InferenceSession.create(model, {
          executionProviders: [provider],
          graphOptimizationLevel: "disabled",
          intraOpNumThreads: 1,
          ...(extra && { extra }),
        });
        const tensor = (type: "uint8" | "int8", values: number[], dims: number[]) =>
          new ort.Tensor(type, (type === "uint8" ? Uint8Array : Int8Array).from(values), dims);
        const { sum, y } = await session.run({ a: tensor(ta, a, [2, terms]), b: tensor(tb, b, [terms, 2]) });
        await session.release();
        for (const [place, [left, factor]] of rows
          .flatMap((l) => columns.map((r) => [l, r] as const))
          .entries()) {
          const exact = terms * left * factor;
          const right = (sum!.data as Int32Array)[place] === exact;
          // Where the pinned configuration is not exact, executors and challengers run another graph.
          if (name === "native, pinned")
            expect(right || (ta !== tb && (await clampsMixedBytes()))).toBe(true);
          if (name === "WASM") expect(right).toBe(true);
          const operands = [
            integers(DType[ta], ...Array<number>(terms).fill(left)),
            integers(DType[tb], ...Array<number>(terms).fill(factor)),
          ];
          const judge = (claimed: number) =>
            quantised.judge(quantisedInput(QuantisedOp.Dot, DType.int32, operands, BigInt(claimed))).verdict;
          expect(judge((sum!.data as Int32Array)[place]!)).toBe(
            right ? Verdict.Acceptable : Verdict.Fraudulent,
          );
          const pair = 2 * left * factor;
          const clamped = Math.max(-32768, Math.min(32767, pair)) - pair;
          if (clamped !== 0) expect(judge(exact + clamped * Math.floor(terms / 2))).toBe(Verdict.Fraudulent);
          if (!right) continue;
          const zero = (type: "uint8" | "int8") => integers(DType[type], 0);
          const scale = (s: number[]) => float32(bitsOf(s[0]!));
          const requantised = quantisedInput(
            QuantisedOp.Requantise,
            DType[ta],
            [
              operands[0]!,
              scale(scales.as),
              zero(ta),
              operands[1]!,
              scale(scales.bs),
              zero(tb),
              scale(scales.ys),
              zero(ta),
            ],
            BigInt((y!.data as Int8Array)[place]!),
          );
          expect(quantised.judge(requantised).verdict).toBe(Verdict.Acceptable);
        }
      }
    });
});
