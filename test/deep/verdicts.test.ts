import { type Family, type Judgement, Verdict } from "@assay/numerics";
import { afterAll, describe, expect, it } from "vitest";
import { random } from "../../packages/numerics/test/samples.ts";
import { deployKernel, type Outcome, twinOutcome } from "../kernel-batch.ts";
import { BAND_FAMILIES } from "./band-draws.ts";
import { type Drawn, type Next, spoilt } from "./drawn.ts";
import { EXACT_FAMILIES } from "./exact-draws.ts";

/*
 * The verdict path under random operands of every family: the contract's judgement, its twin's and what exact
 * references allow. `pnpm test:deep` judges a million, the normal run a small share from a fixed seed.
 */
const deep = process.env.ASSAY_DEEP === "1";
const TOTAL = Number(process.env.ASSAY_VERDICTS ?? (deep ? 1_000_000 : 2_000));
const SEED = Number(process.env.ASSAY_SEED ?? (deep ? Date.now() % 2 ** 31 : 1));
/** Inputs of one eth_call; normalised rows and sums take the most gas. */
const PER_CALL = 150;
const FAMILIES = { ...EXACT_FAMILIES, ...BAND_FAMILIES };
const each = Math.ceil(TOTAL / Object.keys(FAMILIES).length);

console.log(
  `verdicts: ${TOTAL} cases, seed ${SEED} (ASSAY_SEED=${SEED} repeats them)${deep ? "" : "; a million by pnpm test:deep"}`,
);

/** A case as it is judged: one in eight has something wrong in it. */
interface Case extends Drawn {
  /** The prover's hint is none that an honest one would give: it may be refused. */
  refusable: boolean;
}

function* cases(draw: (next: Next) => Drawn[], next: Next): Generator<Case> {
  for (;;)
    for (const drawn of draw(next)) {
      yield { ...drawn, refusable: false };
      if (next() % 8 !== 0) continue;
      const { input, hint } = spoilt(drawn.input, next);
      // "may make a verdict milder, never harsher"
      yield {
        input,
        least: Verdict.Acceptable,
        most: hint ? drawn.most : Verdict.Fraudulent,
        refusable: true,
      };
    }
}

const printable = (_: string, value: unknown): unknown =>
  typeof value === "bigint"
    ? `0x${value.toString(16)}`
    : value instanceof Uint8Array
      ? Buffer.from(value).toString("hex")
      : value;

/** What is wrong with an outcome, if anything. */
function fault(
  { least, most, refusable }: Case,
  outcome: Outcome,
  twin: { error: string } | Judgement,
): string | undefined {
  if ("error" in outcome || "error" in twin) {
    if (!refusable) return "a well-formed input is refused";
    const [a, b] = [outcome, twin].map((o) => ("error" in o ? o.error : "judged"));
    return a === b ? undefined : `the contract says ${a}, the twin ${b}`;
  }
  for (const key of ["verdict", "exact", "provable", "integrity", "scale"] as const)
    if (outcome[key] !== twin[key]) return `the contract and its twin differ in ${key}`;
  if (outcome.verdict < least) return "milder than the exact reference allows";
  return outcome.verdict > most ? "harsher than the exact reference allows" : undefined;
}

describe("verdicts of contract, twin and exact reference", () => {
  const rates: string[] = [];
  afterAll(() => {
    console.log(rates.join("\n"));
  });

  for (const [index, [family, { kernel: twin, draw }]] of Object.entries(FAMILIES).entries())
    it(
      family,
      async () => {
        const kernel = await deployKernel(`${family as keyof typeof Family}Kernel`);
        const next = random(SEED + 1000 * index);
        const source = cases(draw, next);
        const seen = { verdicts: [0, 0, 0], refused: 0, held: 0 };
        const started = performance.now();
        for (let judged = 0; judged < each;) {
          const batch = Array.from(
            { length: Math.min(PER_CALL, each - judged) },
            () => source.next().value as Case,
          );
          const outcomes = await kernel.judgeAll(batch.map(({ input }) => input));
          for (const [i, one] of batch.entries()) {
            const outcome = outcomes[i]!;
            const expected = twinOutcome(twin, one.input);
            const wrong = fault(one, outcome, expected);
            if (wrong !== undefined)
              expect.fail(
                `${wrong}: ${JSON.stringify({ ...one, outcome, twin: expected, seed: SEED }, printable)}`,
              );
            if ("error" in outcome) seen.refused++;
            else seen.verdicts[outcome.verdict]!++;
            if (one.least !== Verdict.Acceptable || one.most !== Verdict.Fraudulent) seen.held++;
          }
          judged += batch.length;
        }
        const seconds = (performance.now() - started) / 1000;
        const [acceptable, imprecise, fraudulent] = seen.verdicts;
        rates.push(
          `${family}: ${each} cases in ${seconds.toFixed(1)} s (${(each / seconds).toFixed(0)}/s), ${acceptable} acceptable, ` +
            `${imprecise} imprecise, ${fraudulent} fraudulent, ${seen.refused} refused; ${seen.held} held to the reference`,
        );
        expect(Math.min(acceptable!, fraudulent!)).toBeGreaterThan(each / 50);
        expect(seen.held).toBeGreaterThan(each / 5);
      },
      24 * 3_600_000,
    );
});
