import { type KernelInput, scalar, ScalarOp, Verdict } from "@assay/numerics";
import { beforeAll, describe, expect, it } from "vitest";
import { deployKernel } from "./kernel-batch.ts";
import {
  bitsOf,
  EDGES,
  nearClaims,
  random,
  SCALAR_PARAMS,
  scalarInput,
  valueOf,
} from "../packages/numerics/test/samples.ts";

const FUZZ = Number(process.env.ASSAY_FUZZ ?? 1);

describe("ScalarKernel and its twin", () => {
  let kernel: Awaited<ReturnType<typeof deployKernel>>;
  beforeAll(async () => {
    kernel = await deployKernel("ScalarKernel");
  });

  for (const [name, op] of Object.entries(ScalarOp))
    it(`${name}: same judgements on edge cases, random bits and claims around the result`, async () => {
      const next = random(op + 1);
      const choices = SCALAR_PARAMS[name] ?? [[]];
      const powers = [
        0, 0x80000000, 1, 0x3f000000, 0x3f800000, 0xbf800000, 0x40000000, 0x40400000, 0x7f800000,
      ].concat([0x4b7fffff, 0xc1200000, 0x7fc00000, 0xc0600000, 0xff800000]);
      const inputs: KernelInput[] = [];
      const addCase = (x: number, y: number) => {
        const power = op === ScalarOp.Pow ? y : undefined;
        const input = scalarInput(op, x, 0, choices[next() % choices.length], power);
        for (const claimed of nearClaims(scalar, input, next)) inputs.push({ ...input, claimed });
      };
      for (const x of EDGES) addCase(x, powers[next() % powers.length]!);
      if (op === ScalarOp.Pow)
        for (const y of powers) for (let i = 0; i < 12; i++) addCase(EDGES[next() % EDGES.length]!, y);
      for (let i = 0; i < 12 * FUZZ; i++) {
        addCase(next(), next());
        // arguments where the functions vary
        addCase(bitsOf(valueOf(next()) % 16 || 1), bitsOf(valueOf(next()) % 8 || 1));
        addCase(bitsOf((next() / 2 ** 31 - 1) * 90), bitsOf(Math.round((next() / 2 ** 31 - 1) * 9)));
        addCase(bitsOf(next() / 2 ** 31 - 1), bitsOf((next() / 2 ** 31 - 1) * 9));
      }
      const outcomes = await kernel.expectTwins(scalar, inputs);
      const gas = outcomes.map((outcome) => ("error" in outcome ? 0 : outcome.gas));
      console.log(`${name}: at most ${Math.max(...gas)} gas, call included`);
      expect(Math.max(...gas)).toBeLessThan(60_000);
      const verdicts = new Set(
        outcomes.map((outcome) => ("verdict" in outcome ? outcome.verdict : outcome.error)),
      );
      expect(verdicts.has(Verdict.Acceptable) && verdicts.has(Verdict.Fraudulent)).toBe(true);
    });

  it("names malformed input as its twin does", async () => {
    const input = scalarInput(ScalarOp.Exp, 0, 0);
    const elu = scalarInput(ScalarOp.Elu, 0, 0, [0x3f800000]);
    const dirty = elu.params.slice();
    dirty[3] = 1;
    const outcomes = await kernel.expectTwins(scalar, [
      { ...input, op: 27 },
      { ...input, dtypes: [11] },
      { ...input, dtype: 11 },
      { ...input, operands: [], dtypes: [] },
      { ...input, operands: [new Uint8Array(8)] },
      { ...input, params: new Uint8Array(32) },
      { ...elu, params: new Uint8Array(64) },
      { ...elu, params: dirty },
      scalarInput(ScalarOp.Elu, 0, 0, [0x7f800000]),
      scalarInput(ScalarOp.HardSigmoid, 0, 0, [0, 0x7fc00000]),
      scalarInput(ScalarOp.Elu, 0, 0, [0x1f7fffff]),
      scalarInput(ScalarOp.Elu, 0, 0, [0xe0000000]),
      scalarInput(ScalarOp.Celu, 0, 0, [0]),
      scalarInput(ScalarOp.Celu, 0, 0, [0xbf800000]),
      scalarInput(ScalarOp.Pow, 0, 0),
    ]);
    expect(outcomes).toEqual(
      [
        "UNKNOWN_OP",
        "UNSUPPORTED_DTYPE",
        "UNSUPPORTED_DTYPE",
        "OPERAND_COUNT",
        "OPERAND_LENGTH",
        "PARAMS_LENGTH",
        "PARAMS_LENGTH",
        "PARAMS_MALFORMED",
        "BAD_PARAMETER",
        "BAD_PARAMETER",
        "BAD_PARAMETER",
        "BAD_PARAMETER",
        "BAD_PARAMETER",
        "BAD_PARAMETER",
        "OPERAND_COUNT",
      ].map((error) => ({ error })),
    );
  });
});
