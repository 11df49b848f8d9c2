import {
  elementwise,
  ElementwiseOp,
  integer,
  IntegerOp,
  type Kernel,
  type KernelInput,
  Verdict,
} from "@assay/numerics";
import { DType, dtypeSize } from "@assay/tensor";
import { beforeAll, describe, expect, it } from "vitest";
import {
  elementwiseOperations,
  inputOf,
  integerOperations,
  type Operation,
  operandSamples,
} from "../packages/numerics/test/operations.ts";
import { random } from "../packages/numerics/test/samples.ts";
import { edgesOf, elementInput, randomBits, words } from "../packages/numerics/test/typed-samples.ts";
import { deployKernel } from "./kernel-batch.ts";

const FUZZ = Number(process.env.ASSAY_FUZZ ?? 1);
const { Acceptable, Fraudulent } = Verdict;

/** What to claim: near the judged result, the operands, edges, anything. */
function claims(
  kernel: Kernel,
  input: KernelInput,
  operands: readonly bigint[],
  next: () => number,
): bigint[] {
  const { exact, provable, scale } = kernel.judge(input);
  const width = 8 * dtypeSize(input.dtype);
  const edges = edgesOf(input.dtype);
  const found = [
    operands[next() % operands.length]!,
    edges[next() % edges.length]!,
    randomBits(input.dtype, next),
  ];
  // of floats, a result in units of its last place is its mantissa: find the bits by the kernel's own arithmetic
  if (scale === 0n) found.push(exact, exact + provable + 1n, exact - provable);
  return found.map((bits) => BigInt.asUintN(width, bits));
}

/** Claims that the operation accepts, from one that the machine computes. */
function around(bits: bigint, dtype: DType): bigint[] {
  const width = 8 * dtypeSize(dtype);
  return [bits, bits + 1n, bits - 1n].map((x) => BigInt.asUintN(width, x));
}

describe.each([
  ["ElementwiseKernel", elementwise, elementwiseOperations().filter(({ name }) => name !== "Cast")],
  ["ElementwiseKernel", elementwise, elementwiseOperations().filter(({ name }) => name === "Cast")],
  ["IntegerKernel", integer, integerOperations()],
] as const)("%s and its twin", (family, twin, operations) => {
  let kernel: Awaited<ReturnType<typeof deployKernel>>;
  beforeAll(async () => {
    kernel = await deployKernel(family);
  });
  // C++ leaves some of their results open.
  const OPEN =
    twin === elementwise
      ? ["Cast", "Relu", "Clip", "Min", "Max"]
      : ["Div", "Mod", "Fmod", "Pow", "ShiftLeft", "ShiftRight"];
  const byName = Map.groupBy(operations, ({ name }: Operation) => name.split(" ")[0]!);

  it.each([...byName.keys()])("%s: same judgements for every type", async (name) => {
    const next = random(name.length * 31 + name.charCodeAt(0));
    const group = byName.get(name)!;
    const each = Math.max(6, Math.ceil((120 * FUZZ) / group.length));
    const inputs: KernelInput[] = [];
    for (const operation of group)
      for (const operands of operandSamples(operation.operands, each, next)) {
        const input = inputOf(operation, operands, 0n);
        const candidates = claims(twin, input, operands, next);
        const accepted = candidates.find(
          (claimed) => twin.judge({ ...input, claimed }).verdict === Acceptable,
        );
        for (const claimed of accepted === undefined
          ? candidates
          : [...candidates, ...around(accepted, operation.output)])
          inputs.push({ ...input, claimed });
      }
    const outcomes = await kernel.expectTwins(twin, inputs);
    const verdicts = new Set(
      outcomes.map((outcome) => ("verdict" in outcome ? outcome.verdict : outcome.error)),
    );
    expect(verdicts.has(Acceptable) && verdicts.has(Fraudulent)).toBe(true);
    expect(verdicts.has(Verdict.Imprecise)).toBe(OPEN.includes(name));
  });
});

describe("malformed input", () => {
  it("Elementwise names it as its twin does", async () => {
    const kernel = await deployKernel("ElementwiseKernel");
    const E = ElementwiseOp;
    const { float32: f, int32: i, bool: b, float64: d } = DType;
    const add = elementInput(
      E.Add,
      [
        [f, 0n],
        [f, 0n],
      ],
      [f, 0n],
    );
    const clip = (low: bigint, high: bigint) => elementInput(E.Clip, [[f, 0n]], [f, 0n], words(low, high));
    const isInf = elementInput(E.IsInf, [[f, 0n]], [b, 0n], words(3n));
    const cases: [string, KernelInput][] = [
      ["UNKNOWN_OP", { ...add, op: 99 }],
      ["OPERAND_COUNT", { ...add, operands: add.operands.slice(1) }],
      ["OPERAND_COUNT", { ...add, dtypes: [f] }],
      ["OPERAND_LENGTH", { ...add, operands: [new Uint8Array(4), new Uint8Array(8)] }],
      ["PARAMS_LENGTH", { ...add, params: new Uint8Array(32) }],
      ["PARAMS_LENGTH", { ...clip(0n, 1n), params: new Uint8Array(32) }],
      [
        "OPERAND_COUNT",
        elementInput(
          E.Clip,
          [
            [f, 0n],
            [f, 0n],
          ],
          [f, 0n],
        ),
      ],
      ["BAD_BOUND", clip(0n, 0x7fc00000n)],
      ["BAD_BOUND", clip(1n << 32n, 0n)],
      ["PARAMS_MALFORMED", clip(1n << 64n, 0n)],
      ["PARAMS_LENGTH", { ...isInf, params: new Uint8Array() }],
      ["PARAMS_MALFORMED", { ...isInf, params: words(256n) }],
      [
        "UNSUPPORTED_DTYPE",
        elementInput(
          E.Add,
          [
            [i, 0n],
            [i, 0n],
          ],
          [i, 0n],
        ),
      ],
      [
        "UNSUPPORTED_DTYPE",
        elementInput(
          E.Add,
          [
            [f, 0n],
            [d, 0n],
          ],
          [f, 0n],
        ),
      ],
      [
        "UNSUPPORTED_DTYPE",
        elementInput(
          E.Add,
          [
            [f, 0n],
            [f, 0n],
          ],
          [d, 0n],
        ),
      ],
      [
        "UNSUPPORTED_DTYPE",
        elementInput(
          E.Less,
          [
            [f, 0n],
            [f, 0n],
          ],
          [f, 0n],
        ),
      ],
      [
        "UNSUPPORTED_DTYPE",
        elementInput(
          E.Select,
          [
            [i, 0n],
            [f, 0n],
            [f, 0n],
          ],
          [f, 0n],
        ),
      ],
      [
        "UNSUPPORTED_DTYPE",
        elementInput(
          E.Select,
          [
            [b, 0n],
            [f, 0n],
            [i, 0n],
          ],
          [f, 0n],
        ),
      ],
      ["UNSUPPORTED_DTYPE", elementInput(E.BitCast, [[f, 0n]], [d, 0n])],
    ];
    const outcomes = await kernel.expectTwins(
      elementwise,
      cases.map(([, input]) => input),
    );
    expect(outcomes).toEqual(cases.map(([error]) => ({ error })));
  });

  it("Integer names it as its twin does", async () => {
    const kernel = await deployKernel("IntegerKernel");
    const I = IntegerOp;
    const { float32: f, int32: i, bool: b, uint8: u } = DType;
    const add = elementInput(
      I.Add,
      [
        [i, 0n],
        [i, 0n],
      ],
      [i, 0n],
    );
    const cases: [string, KernelInput][] = [
      ["UNKNOWN_OP", { ...add, op: 23 }],
      ["OPERAND_COUNT", { ...add, operands: add.operands.slice(1) }],
      ["OPERAND_LENGTH", { ...add, operands: [new Uint8Array(4), new Uint8Array(8)] }],
      ["PARAMS_LENGTH", { ...add, params: new Uint8Array(32) }],
      [
        "UNSUPPORTED_DTYPE",
        elementInput(
          I.Add,
          [
            [f, 0n],
            [f, 0n],
          ],
          [f, 0n],
        ),
      ],
      [
        "UNSUPPORTED_DTYPE",
        elementInput(
          I.Add,
          [
            [b, 0n],
            [b, 0n],
          ],
          [b, 0n],
        ),
      ],
      [
        "UNSUPPORTED_DTYPE",
        elementInput(
          I.ShiftLeft,
          [
            [b, 0n],
            [b, 0n],
          ],
          [b, 0n],
        ),
      ],
      [
        "UNSUPPORTED_DTYPE",
        elementInput(
          I.Add,
          [
            [i, 0n],
            [u, 0n],
          ],
          [i, 0n],
        ),
      ],
      [
        "UNSUPPORTED_DTYPE",
        elementInput(
          I.Pow,
          [
            [i, 0n],
            [b, 0n],
          ],
          [i, 0n],
        ),
      ],
      [
        "UNSUPPORTED_DTYPE",
        elementInput(
          I.Equal,
          [
            [i, 0n],
            [i, 0n],
          ],
          [i, 0n],
        ),
      ],
    ];
    const outcomes = await kernel.expectTwins(
      integer,
      cases.map(([, input]) => input),
    );
    expect(outcomes).toEqual(cases.map(([error]) => ({ error })));
  });
});
