import { contraction, encodeContractionParams, encodeEmax, type KernelInput, Verdict } from "@assay/numerics";
import { beforeAll, describe, expect, it } from "vitest";
import { contractionInput, KINDS, NEUTRAL, randomCase } from "../packages/numerics/test/contraction-cases.ts";
import { float32Input, nearClaims, random } from "../packages/numerics/test/samples.ts";
import { deployKernel, type Outcome } from "./kernel-batch.ts";

const FUZZ = Number(process.env.ASSAY_FUZZ ?? 1);

const verdictOf = (outcome: Outcome): number => {
  if ("error" in outcome) throw new Error(`reverted: ${outcome.error}`);
  return outcome.verdict;
};

describe("ContractionKernel and its twin", () => {
  let kernel: Awaited<ReturnType<typeof deployKernel>>;
  beforeAll(async () => {
    kernel = await deployKernel("ContractionKernel");
  });

  for (const kind of KINDS)
    it(`${kind}: same judgements for every length modulo 8 and claims around the result`, async () => {
      const next = random(KINDS.indexOf(kind) + 77);
      const inputs: KernelInput[] = [];
      for (let i = 0; i < 24 * FUZZ; i++) {
        const terms = i < 16 ? i + 1 : 1 + (next() % 70);
        const input = contractionInput(randomCase(kind, terms, next));
        for (const claimed of nearClaims(contraction, input, next)) inputs.push({ ...input, claimed });
      }
      const outcomes = await kernel.expectTwins(contraction, inputs, 100);
      const verdicts = new Set(outcomes.map(verdictOf));
      expect(verdicts.has(Verdict.Acceptable) && verdicts.has(Verdict.Fraudulent)).toBe(true);
      if (kind === "gauss") expect(verdicts.has(Verdict.Imprecise)).toBe(true);
    });

  it("any segments of the sum give the judgement of the whole", async () => {
    const next = random(31);
    for (const kind of KINDS)
      for (let i = 0; i < 3 * FUZZ; i++) {
        const terms = 1 + (next() % 60);
        const c = randomCase(kind, terms, next);
        if (c.params.divisor === 0) c.params.alpha = 0x3f800000;
        const input = contractionInput({ ...c, valid: terms });
        const [claimed] = nearClaims(contraction, input, next).slice(next() % 12);
        const reduced = c.b ? [0, 1] : [0];
        await kernel.expectSegments(contraction, { ...input, claimed: claimed ?? 0n }, reduced, next);
      }
  });

  it("goes on beyond what one transaction holds, with the wider constants of long sums", async () => {
    const next = random(32);
    // Zeros cost little calldata.
    const inputs = [0, 0x00800000].map((normal) => {
      const a = Array.from({ length: 33_000 }, (_, k) =>
        k % 1000 === 0 ? ((next() & 0x807fffff) | normal) >>> 0 : 0,
      );
      return contractionInput({
        kind: "subnormal",
        params: NEUTRAL,
        a,
        b: undefined,
        bias: undefined,
        valid: 33_000,
      });
    });
    const hint = encodeEmax(300);
    const [one, two] = inputs.map((input) => ({ ...input, claimed: 0n, hint })) as [KernelInput, KernelInput];
    const alone = await kernel.judgeParts(contraction, [one]);
    const both = await kernel.judgeParts(contraction, [one, two]);
    expect(both.exact).toBe(alone.exact + (await kernel.judgeParts(contraction, [two])).exact);
    expect(both.provable).toBeGreaterThan(alone.provable);
    const mixed = kernel.judgeParts(contraction, [one, { ...two, hint: encodeEmax(301) }]);
    await expect(mixed).rejects.toMatchObject({ code: "EMAX_CHANGED" });
  });

  it("a larger emax is never harsher, a smaller one reverts, an absurd one reverts", async () => {
    const next = random(5);
    for (let i = 0; i < 6 * FUZZ; i++) {
      const base = contractionInput(randomCase(KINDS[next() % 10]!, 1 + (next() % 20), next));
      const best = Number(BigInt(`0x${Buffer.from(base.hint).toString("hex")}`));
      const hints = [best, best + 1, best + 5, best + 20, best + 63, best + 64, best + 90, 508].filter(
        (e) => e <= 508,
      );
      for (const claimed of nearClaims(contraction, base, next)) {
        const outcomes = await kernel.expectTwins(
          contraction,
          hints.sort((x, y) => x - y).map((emax) => ({ ...base, claimed, hint: encodeEmax(emax) })),
        );
        const verdicts = outcomes.map(verdictOf);
        expect(verdicts).toEqual([...verdicts].sort((x, y) => y - x));
      }
      const absurd = [0, 133, 509, 2 ** 31].map((emax) => ({ ...base, hint: encodeEmax(emax) }));
      for (const outcome of await kernel.expectTwins(contraction, absurd))
        expect(outcome).toEqual({ error: "EMAX_OUT_OF_RANGE" });
    }
  });

  it("refuses an emax below any product's exponent, however far", async () => {
    for (const terms of [1, 8, 11]) {
      const big = {
        kind: "huge",
        params: NEUTRAL,
        a: Array<number>(terms).fill(0x7f7fffff),
        bias: undefined,
        valid: terms,
      };
      for (const b of [undefined, big.a]) {
        const input = contractionInput({ ...big, b });
        const highest = b ? 508 : 381;
        const wrong = [134, 200, highest - 256, highest - 128, highest - 64, highest - 1].filter(
          (emax) => emax >= 134,
        );
        const outcomes = await kernel.expectTwins(
          contraction,
          wrong.map((emax) => ({ ...input, hint: encodeEmax(emax) })),
        );
        for (const outcome of outcomes) expect(outcome).toEqual({ error: "EMAX_TOO_SMALL" });
      }
    }
  });

  it("names malformed input as its twin does", async () => {
    const next = random(9);
    const input = contractionInput({ ...randomCase("gauss", 5, next), params: NEUTRAL, valid: 5, bias: 0 });
    const operands = [new Uint8Array(20), new Uint8Array(20), new Uint8Array(4)];
    const two = float32Input({ op: 3, operands, params: input.params, hint: input.hint });
    const params = (change: object) => ({
      ...two,
      params: encodeContractionParams({ ...NEUTRAL, ...change }),
    });
    const dirty = encodeContractionParams(NEUTRAL);
    dirty[32 * 3 + 30] = 1;
    const [x, y, z] = two.operands as [Uint8Array, Uint8Array, Uint8Array];
    const cases: [string, KernelInput][] = [
      ["UNKNOWN_OP", { ...two, op: 4 }],
      ["PARAMS_LENGTH", { ...two, params: dirty.slice(32) }],
      ["PARAMS_MALFORMED", { ...two, params: dirty }],
      ["BAD_COEFFICIENT", params({ alpha: 0x7fc00000 })],
      ["BAD_COEFFICIENT", params({ beta: 0xff800000 })],
      ["DIVISOR_TOO_LARGE", params({ divisor: 2 ** 24 + 1 })],
      ["UNKNOWN_ACTIVATION", params({ activation: 2 })],
      ["BAD_CLAMP", params({ activation: 1, low: 0x3f800000, high: 0x3f7fffff })],
      ["BAD_CLAMP", params({ activation: 1, low: 0x7fc00000, high: 0x7fc00000 })],
      ["BAD_CLAMP", params({ activation: 1, low: 0, high: 1 })],
      ["OPERAND_COUNT", { ...two, operands: [x, y] }],
      ["OPERAND_COUNT", { ...two, op: 0 }],
      ["OPERAND_LENGTH", { ...two, operands: [x, y.slice(4), z] }],
      ["OPERAND_LENGTH", { ...two, operands: [x.slice(1), y, z] }],
      ["OPERAND_LENGTH", { ...two, operands: [z.slice(4), y, z] }],
      ["OPERAND_LENGTH", { ...two, operands: [x, y, x] }],
      ["VALID_TOO_LARGE", { ...two, valid: [6, 6, 6] }],
      ["HINT_LENGTH", { ...two, hint: new Uint8Array(31) }],
      ["HINT_LENGTH", { ...two, hint: new Uint8Array(0) }],
      ["EMAX_OUT_OF_RANGE", { ...two, hint: new Uint8Array(32).fill(255) }],
    ];
    const outcomes = await kernel.expectTwins(
      contraction,
      cases.map(([, malformed]) => malformed),
    );
    expect(outcomes).toEqual(cases.map(([error]) => ({ error })));
  });

  it("reads no byte behind its operands", async () => {
    // The bias bytes follow the operand's 4·K bytes in memory only after padding; dirt there must not count.
    const next = random(11);
    for (let terms = 1; terms < 9; terms++) {
      const c = { ...randomCase("gauss", terms, next), params: NEUTRAL, bias: undefined, valid: terms };
      const input = contractionInput({ ...c, a: c.a, b: Array<number>(terms).fill(0) }, 0);
      const [outcome] = await kernel.expectTwins(contraction, [input]);
      expect(outcome).toMatchObject({ verdict: Verdict.Acceptable, exact: 0n });
    }
  });

  it("costs at most 125 gas a term", async () => {
    const next = random(13);
    const gas = async (terms: number): Promise<number> => {
      const c = { ...randomCase("gauss", terms, next), params: NEUTRAL, bias: undefined, valid: terms };
      const input = contractionInput({ ...c, b: c.b ?? c.a });
      const [outcome] = await kernel.expectTwins(contraction, [input]);
      return (outcome as { gas: number }).gas;
    };
    const [small, large] = [await gas(8), await gas(4096)];
    console.log(
      `contraction: ${small} gas for K=8, ${large} for K=4096 (${(large / 4096).toFixed(1)} a term)`,
    );
    expect(large / 4096).toBeLessThan(125);
  });

  it("holds 65,536 terms and refuses one more", async () => {
    const a = Array<number>(65536).fill(0x7f7fffff);
    const c = { kind: "huge", params: NEUTRAL, a, b: undefined, bias: undefined, valid: 65536 };
    const input = contractionInput(c, 0x7f800000);
    const more = { ...input, operands: [new Uint8Array(4 * 65537)] };
    const outcomes = await kernel.expectTwins(contraction, [{ ...input, claimed: 0n }, input, more], 1);
    expect(outcomes[0]).toMatchObject({ verdict: Verdict.Fraudulent });
    expect(outcomes[1]).toMatchObject({ verdict: Verdict.Acceptable });
    expect(outcomes[2]).toEqual({ error: "TOO_MANY_TERMS" });
  });
});
