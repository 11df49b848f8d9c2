import { Family } from "@assay/numerics";
import { DType } from "@assay/tensor";
import { afterAll, describe, expect, it } from "vitest";
import { type Attribute, buildOnnx, type GraphSpec, type NodeSpec } from "../../program/test/onnx-builder.ts";
import { OnnxWorker, randomInputs } from "../src/index.ts";
import { checkSmallModel } from "./check.ts";

const worker = new OnnxWorker();
afterAll(() => worker.close());

const check = (spec: GraphSpec) =>
  checkSmallModel(worker, buildOnnx(spec), ({ program }) => randomInputs(program.inputs, 3));
const opset = 20;
const scalar = (value: number) => ({ dims: [], values: [value] });

/** An operator of values a [2, 3] and b [3] of any type; b is never 0. */
function ofType(
  to: DType,
  operator: string,
  arity: number,
  attributes: Record<string, Attribute> = {},
): GraphSpec {
  const a: NodeSpec[] = [
    ["Mul", ["x", "hundred"], ["large"]],
    ["Cast", ["large"], ["a"], { to }],
  ];
  const b: NodeSpec[] = [
    ["Abs", ["w"], ["size"]],
    ["Add", ["size", "one"], ["more"]],
    ["Mul", ["more", "three"], ["some"]],
    ["Cast", ["some"], ["b"], { to }],
  ];
  return {
    opset,
    inputs: arity === 2 ? { x: [2, 3], w: [3] } : { x: [2, 3] },
    constants: { hundred: scalar(100), one: scalar(1), three: scalar(3) },
    nodes: [...a, ...(arity === 2 ? b : []), [operator, ["a", "b"].slice(0, arity), ["y"], attributes]],
    outputs: ["y"],
  };
}

const { float16, float32, float64, int8, uint8, int32, int64, uint32, bool } = DType;

describe("exact operators, broadcast, of", () => {
  const arithmetic = [
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Min",
    "Max",
    "Equal",
    "Less",
    "LessOrEqual",
    "Greater",
    "GreaterOrEqual",
  ];
  const integers = ["Mod", "BitwiseAnd", "BitwiseOr", "BitwiseXor"];
  const unary = ["Abs", "Sign"];
  const floats = ["Floor", "Ceil", "Round", "Reciprocal", "Neg", "Relu", "IsNaN", "IsInf"];
  const cases: [string, DType, string, number, Record<string, Attribute>?][] = [
    ...Object.entries({ float32, float16, float64 }).flatMap(([name, type]) => [
      ...arithmetic.map((operator): [string, DType, string, number] => [name, type, operator, 2]),
      ...[...unary, ...floats].map((operator): [string, DType, string, number] => [name, type, operator, 1]),
      [name, type, "Mod", 2, { fmod: 1 }] as [string, DType, string, number, Record<string, Attribute>],
    ]),
    ...Object.entries({ int8, uint8, int32, int64, uint32 }).flatMap(([name, type]) => [
      ...[...arithmetic, ...integers].map((operator): [string, DType, string, number] => [
        name,
        type,
        operator,
        2,
      ]),
      ...[...unary, "BitwiseNot"].map((operator): [string, DType, string, number] => [
        name,
        type,
        operator,
        1,
      ]),
      [name, type, "Mod", 2, { fmod: 1 }] as [string, DType, string, number, Record<string, Attribute>],
    ]),
    ...["And", "Or", "Xor", "Equal"].map((operator): [string, DType, string, number] => [
      "bool",
      bool,
      operator,
      2,
    ]),
    ["bool", bool, "Not", 1],
    ["uint8", uint8, "BitShift", 2, { direction: "LEFT" }],
    ["uint32", uint32, "BitShift", 2, { direction: "RIGHT" }],
    ["int64", int64, "Pow", 2],
    ["float32", float32, "PRelu", 2],
  ];
  it.each(cases)("%s (%i): %s", async (_, type, operator, arity, attributes = {}) => {
    const { program } = await check(ofType(type, operator, arity, attributes));
    const { family, dtype } = program.instructions.at(-1)!;
    const float = ([float16, float32, float64] as DType[]).includes(type);
    expect(family).toBe(float ? Family.Elementwise : Family.Integer);
    const test = /Equal|Less|Greater|IsNaN|IsInf/.test(operator);
    expect(dtype).toBe(test ? bool : type);
  });
});

describe("selection and conversion", () => {
  it("Where broadcasts all three", async () => {
    await check({
      opset,
      inputs: { c: [2, 1, 1], x: [3, 1], y: [4] },
      constants: { zero: scalar(0) },
      nodes: [
        ["Less", ["c", "zero"], ["condition"]],
        ["Where", ["condition", "x", "y"], ["z"]],
      ],
      outputs: ["z"],
    });
  });
  it("CastLike takes the type of its second input", async () => {
    const { program } = await check({
      opset,
      inputs: { x: [2, 3], t: [2] },
      nodes: [
        ["Cast", ["t"], ["like"], { to: int32 }],
        ["CastLike", ["x", "like"], ["y"]],
        ["Cast", ["like"], ["kept"], { to: int64 }],
      ],
      outputs: ["y", "kept"],
    });
    expect(program.outputs.map(({ dtype }) => dtype)).toEqual([int32, int64]);
  });
  it("masks of minus infinity are added, not fused", async () => {
    const { program } = await check({
      opset,
      inputs: { x: [1, 2, 3] },
      constants: { w: { dims: [3, 2] }, mask: { dims: [2, 2], values: [0, -Infinity, 0, 0] } },
      nodes: [
        ["MatMul", ["x", "w"], ["m"]],
        ["Add", ["m", "mask"], ["y"]],
      ],
      outputs: ["y"],
    });
    expect(program.nodes).toHaveLength(2);
  });
});

describe("activations with bounds and slopes", () => {
  const bounds = { low: [], high: [] };
  it.each<[string, GraphSpec]>([
    [
      "Clip, computed bounds",
      {
        opset,
        inputs: { x: [4, 5], ...bounds },
        nodes: [["Clip", ["x", "low", "high"], ["y"]]],
        outputs: ["y"],
      },
    ],
    [
      "Clip, one computed bound",
      { opset, inputs: { x: [4, 5], low: [] }, nodes: [["Clip", ["x", "low"], ["y"]]], outputs: ["y"] },
    ],
    [
      "Clip, one computed and one constant bound",
      {
        opset,
        inputs: { x: [4, 5], low: [] },
        constants: { high: scalar(0.25) },
        nodes: [["Clip", ["x", "low", "high"], ["y"]]],
        outputs: ["y"],
      },
    ],
    [
      "Clip, bounds the wrong way round",
      {
        opset,
        inputs: { x: [4, 5] },
        constants: { low: scalar(0.5), high: scalar(-0.5) },
        nodes: [["Clip", ["x", "low", "high"], ["y"]]],
        outputs: ["y"],
      },
    ],
    [
      "Clip of int32",
      {
        opset,
        inputs: { x: [4, 5] },
        constants: {
          ten: scalar(10),
          low: { ...scalar(-2), int32: true },
          high: { ...scalar(3), int32: true },
        },
        nodes: [
          ["Mul", ["x", "ten"], ["m"]],
          ["Cast", ["m"], ["i"], { to: int32 }],
          ["Clip", ["i", "low", "high"], ["y"]],
          ["Clip", ["i", "", "high"], ["z"]],
        ],
        outputs: ["y", "z"],
      },
    ],
    [
      "LeakyRelu",
      {
        opset,
        inputs: { x: [4, 5] },
        nodes: [["LeakyRelu", ["x"], ["y"], { alpha: { float: 0.3 } }]],
        outputs: ["y"],
      },
    ],
    [
      "PRelu, a slope per channel",
      {
        opset,
        inputs: { x: [2, 3, 4] },
        constants: { slope: { dims: [3, 1] } },
        nodes: [["PRelu", ["x", "slope"], ["y"]]],
        outputs: ["y"],
      },
    ],
    [
      "ThresholdedRelu",
      {
        opset,
        inputs: { x: [4, 5] },
        nodes: [["ThresholdedRelu", ["x"], ["y"], { alpha: { float: 0.2 } }]],
        outputs: ["y"],
      },
    ],
    [
      "Shrink",
      {
        opset,
        inputs: { x: [4, 5] },
        nodes: [["Shrink", ["x"], ["y"], { lambd: { float: 0.3 }, bias: { float: 0.1 } }]],
        outputs: ["y"],
      },
    ],
  ])("%s", async (_, spec) => void (await check(spec)));
});

describe("what follows from shapes alone is a constant", () => {
  it.each<[string, NodeSpec[], string[]]>([
    ["Shape", [["Shape", ["x"], ["y"]]], ["y"]],
    ["Shape, a part", [["Shape", ["x"], ["y"], { start: -2, end: 2 }]], ["y"]],
    ["Size", [["Size", ["x"], ["y"]]], ["y"]],
    ["EyeLike", [["EyeLike", ["x"], ["y"], { k: 1 }]], ["y"]],
    ["EyeLike of another type", [["EyeLike", ["x"], ["y"], { dtype: 11 }]], ["y"]],
    [
      "a Reshape to a computed shape",
      [
        ["Shape", ["x"], ["s"]],
        ["Exp", ["x"], ["e"]],
        ["Reshape", ["e", "s"], ["y"]],
      ],
      ["y"],
    ],
  ])("%s", async (_, nodes, outputs) => {
    await check({ opset, inputs: { x: [3, 4] }, nodes, outputs });
  });
});

describe("float16 is computed in float32 where attributes are float32", () => {
  it.each(["LeakyRelu", "ThresholdedRelu", "Shrink"])("%s", async (operator) => {
    const { program } = await check(ofType(float16, operator, 1));
    expect(program.outputs[0]!.dtype).toBe(float16);
  });
});
