/** Tolerant anchoring: how far a claimed output may be from its trace's, and what happens when it is further. */
import { judgeOutput, Verdict } from "@assay/numerics";
import { buildOutputElementProof, buildOutputProof, writeTolerances } from "@assay/program";
import { eventIn, finalise, getClaim, settleImprecise } from "@assay/protocol";
import { outputFault, type StoredValues, tracedOutputs } from "@assay/service";
import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  atMost,
  magnitude,
  minus,
  plus,
  power2,
  type Rational,
  rational,
  realOf,
  times,
} from "../packages/numerics/test/reference/rational.ts";
import { commit, post, prove, send, SLASHED, watchEverybody } from "./actors/claims.ts";
import { openScene, type Published, type Scene, TERMS } from "./actors/scene.ts";
import { FUZZ, harness, random, read } from "./proof-contracts.ts";

type Case = [claimed: number, traced: number, absolute: number, relative: number];

const [floats, words] = ((buffer) => [new Float32Array(buffer), new Uint32Array(buffer)] as const)(
  new ArrayBuffer(4),
);
const bits = (value: number): number => ((floats[0] = value), words[0]!);
const value = (of: number): number => ((words[0] = of), floats[0]!);
const INFINITY = 0x7f800000;
const NAN = 0x7fc00000;

const real = (of: number): Rational =>
  (of & 0x7fffffff) === INFINITY
    ? times(rational(of === INFINITY ? 1n : -1n), power2(128))
    : realOf(of >>> 0);

/** The definition, in exact arithmetic; undefined within a billionth of a bound, where the contract may favour the claim. */
function reference([claimed, traced, absolute, relative]: Case): Verdict | undefined {
  const nan = [claimed, traced].map((of) => (of & 0x7fffffff) > INFINITY);
  if (nan[0] || nan[1]) return nan[0] && nan[1] ? Verdict.Acceptable : Verdict.Fraudulent;
  const distance = magnitude(minus(real(claimed), real(traced)));
  const bound = plus(real(absolute), times(real(relative), magnitude(real(traced))));
  const slack = times(power2(-90), [claimed, traced, absolute].map((of) => magnitude(real(of))).reduce(plus));
  const beyond = (tolerances: bigint, room: Rational) =>
    !atMost(distance, plus(times(rational(tolerances), bound), room));
  const verdict = (room: Rational) =>
    beyond(16n, room) ? Verdict.Fraudulent : beyond(1n, room) ? Verdict.Imprecise : Verdict.Acceptable;
  const strict = verdict(rational(0n));
  return strict === verdict(slack) ? strict : undefined;
}

function* cases(): Generator<Case> {
  const edges = [0, 0x80000000, 1, 0x80000001, 0x7fffff, 0x800000, bits(1), bits(-1), bits(3e38), 0x7f7fffff];
  const all = [...edges, INFINITY, 0xff800000, NAN, 0xffc00001];
  for (const claimed of all)
    for (const traced of all)
      for (const [absolute, relative] of [
        [1, 0],
        [0, bits(1)],
        [bits(1e-3), bits(1e-3)],
        [0x7f7fffff, 1],
        [0, 1],
      ] as const)
        yield [claimed, traced, absolute, relative];
  const next = random(7);
  for (let i = 0; i < 2000 * FUZZ; i++) {
    const absolute = next(3) === 0 ? 0 : next(0x7f800000);
    const relative = next(3) === 0 && absolute !== 0 ? 0 : 1 + next(bits(1));
    const traced = next(2 ** 32);
    // Near the bounds, where it is decided.
    const bound = value(absolute) + value(relative) * Math.abs(value(traced));
    const far = bound * [0.5, 1, 1, 2, 16, 16, 20][next(7)]! * (1 + (next(3) - 1) * 2 ** -22);
    yield [next(4) === 0 ? next(2 ** 32) : bits(value(traced) + far), traced, absolute, relative];
  }
}

describe("the verdict on one element of an output", () => {
  it("is the same in the contract and its twin, and that of the definition", async () => {
    const list = [...cases()];
    const packed = list.map((words) => words.reduce((sum, word) => (sum << 32n) | BigInt(word >>> 0), 0n));
    const verdicts = (await read(harness, "judgeOutputs", [packed])) as Verdict[];
    let close = 0;
    for (const [i, one] of list.entries()) {
      const [claimed, traced, absolute, relative] = one;
      const twin = judgeOutput(claimed, traced, absolute, relative);
      expect(verdicts[i], one.join()).toBe(twin);
      const exact = reference(one);
      if (exact === undefined) close++;
      else expect(twin, one.join()).toBe(exact);
    }
    const seen = new Set(verdicts);
    expect(seen).toEqual(new Set(Object.values(Verdict)));
    expect(close).toBeLessThan(list.length / 4);
  });
});

describe("a claim of a program whose output has a tolerance", () => {
  const absolute = 1e-4;
  let scene: Scene;
  let of: Published;
  let inputs: Uint8Array[];
  let trace: StoredValues;
  /** The honest outputs, the largest element moved by a number of tolerances. */
  const moved = (tolerances: number): Uint8Array[] =>
    tracedOutputs(of.model.program, trace).map((bytes, i) => {
      if (i !== 0) return bytes;
      const copy = bytes.slice();
      const elements = new Float32Array(copy.buffer);
      elements[ELEMENT]! += tolerances * absolute;
      return copy;
    });
  const ELEMENT = 3;
  const phaseOf = async (claimId: `0x${string}`) =>
    (await getClaim(scene.people.other.client, { deployment: scene.deployment, claimId })).phase;

  beforeAll(async () => {
    scene = await openScene();
    const { name } = scene.model.program.outputs[0]!;
    const bytes = new Uint8Array(await readFile(scene.onnx));
    const onnx = writeTolerances(bytes, new Map([[name, { absolute, relative: 0 }]]));
    of = await scene.publish("tolerant digits", { onnx, shapes: { pixels: [1, 1, 8, 8] } });
    inputs = scene.inputs(2);
    trace = await of.backend.trace(inputs);
  });
  afterAll(() => scene?.close());

  const posted = (tolerances: number) =>
    post(scene, {
      of,
      inputs,
      trace,
      outputs: moved(tolerances),
      challengers: [scene.people.challenger],
    });
  const proof = ({ run, outputTensors }: Awaited<ReturnType<typeof posted>>, element = ELEMENT) => ({
    kind: "outputElement" as const,
    args: buildOutputElementProof(of.model.program, outputTensors, run.trace, 0, element),
  });

  it("is another program than without", () => {
    expect(of.model.programRoot).not.toBe(scene.model.programRoot);
    expect(of.model.program.outputs[0]!.tolerance).toEqual({ absolute: Math.fround(absolute), relative: 0 });
  });

  it("within it: no proof helps, and the claim is finalised", async () => {
    const { challenger, other } = scene.people;
    const claim = await posted(0.9);
    expect(outputFault(of.model.program, moved(0.9), tracedOutputs(of.model.program, trace))).toBeUndefined();
    await expect(prove(scene, challenger, claim.claimId, proof(claim))).rejects.toMatchObject({
      code: "OutputElementAcceptable",
    });
    const whole = buildOutputProof(of.model.program, claim.outputTensors, claim.run.trace, 0);
    await expect(
      prove(scene, challenger, claim.claimId, { kind: "output", args: whole }),
    ).rejects.toMatchObject({ code: "OutputTolerant" });
    await scene.pass(TERMS.proofWindow);
    await finalise(other.client, { deployment: scene.deployment, claimId: claim.claimId });
    expect(await phaseOf(claim.claimId)).toBe("Finalised");
  });

  it("a few of them away: void", async () => {
    const { challenger, other } = scene.people;
    const claim = await posted(4);
    const fault = outputFault(of.model.program, moved(4), tracedOutputs(of.model.program, trace));
    expect(fault).toEqual({ output: 0, element: ELEMENT, verdict: Verdict.Imprecise });
    const receipt = await prove(scene, challenger, claim.claimId, proof(claim));
    expect(eventIn(receipt, "OutputElementJudged").args).toMatchObject({
      verdict: Verdict.Imprecise,
      output: 0,
      element: BigInt(ELEMENT),
    });
    await scene.pass(TERMS.proofWindow);
    await settleImprecise(other.client, { deployment: scene.deployment, claimId: claim.claimId });
    expect(await phaseOf(claim.claimId)).toBe("Voided");
  });

  it("far away: slashed at once; nothing but the very element and tensor is taken for it", async () => {
    const { challenger } = scene.people;
    const claim = await posted(40);
    const { claimId } = claim;
    const good = proof(claim);
    const refused = async (args: typeof good.args, code: string) => {
      const salt = await commit(scene, challenger, claimId, { kind: "outputElement", args });
      await expect(
        send(scene, challenger, claimId, salt, { kind: "outputElement", args }),
      ).rejects.toMatchObject({ code });
    };
    await refused({ ...good.args, element: 10n }, "OutputElementOutOfRange");
    await refused({ ...good.args, output: 1 }, "UnknownOutput");
    await refused({ ...good.args, claimed: good.args.traced }, "PathLengthMismatch");
    await refused(
      { ...good.args, traced: { ...good.args.traced, chunks: good.args.claimed.chunks } },
      "RootMismatch",
    );
    await refused(proof(claim, ELEMENT + 1).args, "OutputElementAcceptable");
    const changes = await watchEverybody(scene);
    const receipt = await prove(scene, challenger, claimId, good);
    expect(eventIn(receipt, "OutputElementJudged").args.verdict).toBe(Verdict.Fraudulent);
    expect(await phaseOf(claimId)).toBe("Slashed");
    expect((await changes()).executor).toBe(SLASHED.executor);
  });
});
