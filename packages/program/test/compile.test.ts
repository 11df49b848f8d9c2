import { Family } from "@assay/numerics";
import { storedDims } from "@assay/tensor";
import { describe, expect, it } from "vitest";
import { compile, encodeInstruction, Origin, type Program, UnsupportedModelError } from "../src/index.ts";
import { buildOnnx, floatShapes, type GraphSpec } from "./onnx-builder.ts";

function program(spec: GraphSpec, shapes: Record<string, readonly number[]>): Program {
  return compile(buildOnnx(spec), floatShapes(shapes));
}

describe("layouts", () => {
  const convolutions: GraphSpec = {
    inputs: { x: [1, 512, 14, 14] },
    constants: { w1: { dims: [512, 512, 3, 3] }, w2: { dims: [8, 512, 3, 3] } },
    nodes: [
      ["Conv", ["x", "w1"], ["a"], { pads: [1, 1, 1, 1] }],
      ["Conv", ["a", "w2"], ["b"], { pads: [1, 1, 1, 1] }],
    ],
    outputs: ["b"],
  };
  const compiled = program(convolutions, {
    x: [1, 512, 14, 14],
    a: [1, 512, 14, 14],
    b: [1, 8, 14, 14],
  });

  it("stores activations of convolutions channels-last, and their weights output-major", () => {
    expect(storedDims(compiled.inputs[0]!.layout)).toEqual([14, 14, 512]);
    expect(compiled.instructions[0]!.dims).toEqual([14, 14, 512]);
    expect(storedDims(compiled.constants[0]!.layout)).toEqual([512, 3, 3, 512]);
  });

  it("walks a 3×3×512 convolution as 3 rows of 1,536", () => {
    expect(compiled.instructions[1]!.reduction).toEqual([3, 1536]);
  });

  it("leaves an output that nothing reads as ONNX has it", () => {
    expect(compiled.outputs[0]!.layout).toEqual({ factors: [1, 8, 14, 14], order: [0, 1, 2, 3] });
  });

  it("stores the right operand of a matrix product transposed", () => {
    const { constants, instructions } = program(
      {
        inputs: { x: [2, 6] },
        constants: { w: { dims: [6, 4] } },
        nodes: [["MatMul", ["x", "w"], ["y"]]],
        outputs: ["y"],
      },
      { x: [2, 6], y: [2, 4] },
    );
    expect(storedDims(constants[0]!.layout)).toEqual([4, 6]);
    expect(instructions[0]!.operands[1]!.axes).toEqual([
      { size: 24, stride: 1, base: 0, divisor: 1, lookup: 0, coefficients: [0, 6, 1] },
    ]);
  });

  it("permutes weights that read a flattened channels-last activation the same way", () => {
    const { constants, instructions, trace } = program(
      {
        inputs: { x: [1, 4, 5, 5] },
        constants: { w1: { dims: [6, 4, 1, 1] }, w2: { dims: [8, 6, 3, 3] }, w3: { dims: [10, 150] } },
        nodes: [
          ["Conv", ["x", "w1"], ["a"]],
          ["Conv", ["a", "w2"], ["b"]],
          ["Flatten", ["a"], ["flat"]],
          ["Gemm", ["flat", "w3"], ["c"], { transB: 1 }],
        ],
        outputs: ["b", "c"],
      },
      { x: [1, 4, 5, 5], a: [1, 6, 5, 5], b: [1, 8, 3, 3], flat: [1, 150], c: [1, 10] },
    );
    // The longest reduction decides, here the dense layer's: 150 elements in C order.
    expect(storedDims(trace[0]!.layout)).toEqual([6, 5, 5]);
    expect(instructions[2]!.reduction).toEqual([150]);
    expect(storedDims(constants[1]!.layout).slice(0, 1)).toEqual([8]);

    const wide = program(
      {
        inputs: { x: [1, 4, 5, 5] },
        constants: { w1: { dims: [6, 4, 1, 1] }, w2: { dims: [8, 6, 5, 5] }, w3: { dims: [10, 150] } },
        nodes: [
          ["Conv", ["x", "w1"], ["a"]],
          ["Conv", ["a", "w2"], ["b"], { pads: [2, 2, 2, 2] }],
          ["Flatten", ["a"], ["flat"]],
          ["Gemm", ["flat", "w3"], ["c"], { transB: 1 }],
        ],
        outputs: ["b", "c"],
      },
      { x: [1, 4, 5, 5], a: [1, 6, 5, 5], b: [1, 8, 5, 5], flat: [1, 150], c: [1, 10] },
    );
    // Equal reductions: the first consumer decides, and the dense layer's weights follow (h, w, c).
    expect(storedDims(wide.trace[0]!.layout)).toEqual([5, 5, 6]);
    expect(storedDims(wide.constants[2]!.layout)).toEqual([10, 5, 5, 6]);
    expect(wide.instructions[2]!.reduction).toEqual([150]);
  });

  it("stores one weight twice when two readers need two layouts", () => {
    const { constants } = program(
      {
        inputs: { x: [2, 3], z: [2, 5] },
        constants: { w: { dims: [3, 5] } },
        nodes: [
          ["MatMul", ["x", "w"], ["y"]],
          ["Gemm", ["z", "w"], ["u"], { transB: 1 }],
        ],
        outputs: ["y", "u"],
      },
      { x: [2, 3], z: [2, 5], y: [2, 5], u: [2, 3] },
    );
    expect(constants.map(({ name, layout }) => [name, storedDims(layout)])).toEqual([
      ["w", [5, 3]],
      ["w", [3, 5]],
    ]);
  });
});

describe("folding", () => {
  it("folds reshapes and transposes into readers, even of outputs", () => {
    const { instructions, outputs } = program(
      {
        inputs: { x: [1, 2, 4, 4] },
        constants: {
          w: { dims: [9, 2, 3, 3] },
          shape: { dims: [6], values: [1, 1, 3, 3, 4, 4], int64: true },
        },
        nodes: [
          ["Conv", ["x", "w"], ["a"], { pads: [1, 1, 1, 1] }],
          ["Reshape", ["a", "shape"], ["b"]],
          ["Transpose", ["b"], ["c"], { perm: [0, 1, 4, 2, 5, 3] }],
        ],
        outputs: ["c"],
      },
      { x: [1, 2, 4, 4], a: [1, 9, 4, 4], b: [1, 1, 3, 3, 4, 4], c: [1, 1, 4, 3, 4, 3] },
    );
    expect(instructions).toHaveLength(1);
    expect(outputs[0]).toMatchObject({ name: "c", index: 0, dims: [1, 1, 4, 3, 4, 3] });
    expect(storedDims(outputs[0]!.layout)).toEqual([3, 3, 4, 4]);
  });

  it("copies what no access map can say: a reshape across a transpose", () => {
    const { instructions, nodes } = program(
      {
        inputs: { x: [4, 6] },
        constants: { shape: { dims: [2], values: [8, 3], int64: true } },
        nodes: [
          ["Transpose", ["x"], ["t"], { perm: [1, 0] }],
          ["Reshape", ["t", "shape"], ["r"]],
          ["Exp", ["r"], ["y"]],
        ],
        outputs: ["y"],
      },
      { x: [4, 6], t: [6, 4], r: [8, 3], y: [8, 3] },
    );
    expect(nodes).toEqual([["Copy:t"], ["Exp:y"]]);
    expect(instructions[0]!.family).toBe(Family.Movement);
  });

  it("copies a graph output that is only a view of an input", () => {
    const { instructions, outputs } = program(
      {
        inputs: { x: [2, 3] },
        nodes: [["Transpose", ["x"], ["y"]]],
        outputs: ["y"],
      },
      { x: [2, 3], y: [3, 2] },
    );
    expect(instructions[0]).toMatchObject({
      family: Family.Movement,
      dims: [3, 2],
      operands: [{ origin: Origin.Input, index: 0 }],
    });
    expect(outputs[0]!.index).toBe(0);
  });

  const activated = (outputs: string[], extra: GraphSpec["nodes"] = []): GraphSpec => ({
    inputs: { x: [2, 3] },
    constants: { w: { dims: [3, 4] }, b: { dims: [4] } },
    nodes: [["MatMul", ["x", "w"], ["m"]], ["Add", ["m", "b"], ["s"]], ["Relu", ["s"], ["r"]], ...extra],
    outputs,
  });
  const shapes = { x: [2, 3], m: [2, 4], s: [2, 4], r: [2, 4], e: [2, 4] };

  it("fuses a constant bias and a clamp into a contraction", () => {
    const { instructions, nodes, trace } = program(activated(["r"]), shapes);
    expect(nodes).toEqual([["MatMul:m", "Add:s", "Relu:r"]]);
    expect(trace[0]!.name).toBe("r");
    expect(instructions[0]!.op).toBe(3);
    expect(instructions[0]!.operands).toHaveLength(3);
  });

  it("does not fuse over a value that something else reads, or that is an output", () => {
    expect(program(activated(["r", "s"]), shapes).nodes).toEqual([["MatMul:m", "Add:s"], ["Relu:r"]]);
    expect(program(activated(["r", "e"], [["Exp", ["m"], ["e"]]]), shapes).nodes).toEqual([
      ["MatMul:m"],
      ["Add:s"],
      ["Relu:r"],
      ["Exp:e"],
    ]);
  });
});

describe("refusals", () => {
  it("lists every reason at once, each with operator and node", () => {
    const attempt = () =>
      program(
        {
          inputs: { x: [2, 3] },
          nodes: [
            ["Exotic", ["x"], ["a"]],
            ["Relu", ["a"], ["b"]],
            ["Det", ["b"], ["c"]],
          ],
          outputs: ["c"],
        },
        { x: [2, 3], a: [2, 3], b: [2, 3], c: [2, 3] },
      );
    expect(attempt).toThrow(UnsupportedModelError);
    try {
      attempt();
    } catch (error) {
      const { code, reasons, message } = error as UnsupportedModelError;
      expect(code).toBe("UNSUPPORTED_MODEL");
      expect(reasons.map(({ operator, node }) => [operator, node])).toEqual([
        ["Exotic", "a"],
        ["Det", "c"],
      ]);
      for (const { reason } of reasons) expect(message).toContain(reason);
    }
  });

  it.each([NaN, Infinity])("refuses the constant %d in a contraction", (value) => {
    const spec: GraphSpec = {
      inputs: { x: [1, 2] },
      constants: { w: { dims: [2, 1], values: [1, value] } },
      nodes: [["MatMul", ["x", "w"], ["y"]]],
      outputs: ["y"],
    };
    expect(() => program(spec, { x: [1, 2], y: [1, 1] })).toThrow(/not finite/);
  });

  it("names malformed models and unknown shapes", () => {
    const code = (run: () => unknown) => {
      try {
        run();
      } catch (error) {
        return (error as { code?: string }).code;
      }
      return "no error";
    };
    expect(code(() => compile(Uint8Array.of(1, 2, 3), new Map()))).toBe("MALFORMED_ONNX");
    expect(code(() => compile(new Uint8Array(), new Map()))).toBe("MALFORMED_ONNX");
    const spec: GraphSpec = { inputs: { x: ["n"] }, nodes: [["Relu", ["x"], ["y"]]], outputs: ["y"] };
    expect(code(() => compile(buildOnnx(spec), new Map()))).toBe("UNKNOWN_SHAPE");
    const lost: GraphSpec = { inputs: { x: [1] }, nodes: [["Relu", ["x"], ["y"]]], outputs: ["z"] };
    expect(code(() => program(lost, { x: [1], y: [1] }))).toBe("MALFORMED_ONNX");
  });
});

it("is deterministic", () => {
  const spec: GraphSpec = {
    inputs: { x: [1, 2, 4, 4] },
    constants: { w: { dims: [3, 2, 3, 3] } },
    nodes: [["Conv", ["x", "w"], ["y"]]],
    outputs: ["y"],
  };
  const shapes = { x: [1, 2, 4, 4], y: [1, 3, 2, 2] };
  const [a, b] = [program(spec, shapes), program(spec, shapes)];
  expect(a).toEqual(b);
  expect(a.instructions.map(encodeInstruction)).toEqual(b.instructions.map(encodeInstruction));
});
