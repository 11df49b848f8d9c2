import { contraction, encodeContractionParams, encodeEmax, type KernelInput } from "@assay/numerics";
import { DType } from "@assay/tensor";
import { beforeAll, describe, expect, it } from "vitest";
import { NEUTRAL } from "../packages/numerics/test/contraction-cases.ts";
import { bits64, case64, input64, KINDS_64 } from "../packages/numerics/test/contraction64-cases.ts";
import { random } from "../packages/numerics/test/samples.ts";
import { deployKernel } from "./kernel-batch.ts";

const FUZZ = Number(process.env.ASSAY_FUZZ ?? 1);

describe("ContractionKernel on float64 and its twin", () => {
  let kernel: Awaited<ReturnType<typeof deployKernel>>;
  beforeAll(async () => {
    kernel = await deployKernel("ContractionKernel");
  });

  for (const kind of KINDS_64)
    it(`${kind}: same judgements around the result, whatever the hint`, async () => {
      const next = random(KINDS_64.indexOf(kind) + 501);
      const inputs: KernelInput[] = [];
      for (let i = 0; i < 20 * FUZZ; i++) {
        const c = case64(kind, 1 + (next() % 30), next);
        const input = input64(c, 0n);
        const { exact, provable, scale } = contraction.judge(input);
        const at = (x: bigint) => Number(x) * 2 ** Number(scale / 2n) * 2 ** Number(scale - scale / 2n);
        const claims = [0, 0.999, 1.001, -0.999, -1.001, 3, -1e9].map((k) => at(exact) + k * at(provable));
        for (const claimed of [...claims, Infinity, NaN, 5e-324])
          inputs.push({ ...input, claimed: bits64(claimed) });
        const best = Number(BigInt(`0x${Buffer.from(input.hint).toString("hex")}`));
        for (const emax of [best - 1, best + 1, best + 70, 4092, 4093, 1])
          inputs.push({ ...input, claimed: bits64(at(exact)), hint: encodeEmax(Math.max(0, emax)) });
      }
      const outcomes = await kernel.expectTwins(contraction, inputs, 60);
      const verdicts = new Set(
        outcomes.map((outcome) => ("error" in outcome ? outcome.error : outcome.verdict)),
      );
      for (const one of [0, 2, "EMAX_OUT_OF_RANGE"]) expect(verdicts).toContain(one);
    });

  it("names malformed input as its twin does", async () => {
    const c = { a: [1, 2, 3], b: [4, 5, 6], bias: 7, divisor: 1, valid: 3, lambda: 256 };
    const two = input64(c, 0n);
    const [x, y, z] = two.operands as [Uint8Array, Uint8Array, Uint8Array];
    const params = (change: object) => ({
      ...two,
      params: encodeContractionParams({ ...NEUTRAL, ...change }),
    });
    const cases: [string, KernelInput][] = [
      ["UNKNOWN_OP", { ...two, op: 4 }],
      ["UNSUPPORTED_DTYPE", { ...two, dtypes: [DType.float64, DType.float32, DType.float64] }],
      ["PARAMS_LENGTH", { ...two, params: two.params.slice(32) }],
      ["BAD_COEFFICIENT", params({ alpha: 0 })],
      ["BAD_COEFFICIENT", params({ beta: 0 })],
      ["DIVISOR_TOO_LARGE", params({ divisor: 2 ** 24 + 1 })],
      ["UNKNOWN_ACTIVATION", params({ activation: 1 })],
      ["OPERAND_COUNT", { ...two, op: 1 }],
      ["OPERAND_COUNT", { ...two, valid: [3, 3] }],
      ["OPERAND_LENGTH", { ...two, operands: [x.slice(1), y, z] }],
      ["OPERAND_LENGTH", { ...two, operands: [x, y.slice(8), z] }],
      ["OPERAND_LENGTH", { ...two, operands: [x, y, x] }],
      ["VALID_TOO_LARGE", { ...two, valid: [4, 3, 1] }],
      ["HINT_LENGTH", { ...two, hint: new Uint8Array(31) }],
      ["EMAX_OUT_OF_RANGE", { ...two, hint: new Uint8Array(32) }],
    ];
    const outcomes = await kernel.expectTwins(
      contraction,
      cases.map(([, malformed]) => malformed),
    );
    expect(outcomes).toEqual(cases.map(([error]) => ({ error })));
  });
});
