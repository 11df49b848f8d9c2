import { afterAll, describe, expect, it } from "vitest";
import { type Attribute, buildOnnx, type GraphSpec } from "../../program/test/onnx-builder.ts";
import { OnnxWorker, randomInputs } from "../src/index.ts";
import { checkSmallModel } from "./check.ts";

const worker = new OnnxWorker();
afterAll(() => worker.close());

async function check(spec: GraphSpec) {
  return checkSmallModel(worker, buildOnnx(spec), ({ program }) => randomInputs(program.inputs, 3));
}

describe("ConvTranspose", () => {
  const of = (
    x: number[],
    w: number[],
    attributes: Record<string, Attribute> = {},
    bias?: number,
  ): GraphSpec => ({
    inputs: { x },
    constants: { w: { dims: w }, ...(bias === undefined ? {} : { b: { dims: [bias] } }) },
    nodes: [["ConvTranspose", ["x", "w", ...(bias === undefined ? [] : ["b"])], ["y"], attributes]],
    outputs: ["y"],
  });
  const image = [1, 2, 4, 5];
  const kernel = [2, 3, 3, 3];
  it.each([
    ["1-D", of([2, 3, 5], [3, 2, 3], { strides: [2] }, 2)],
    ["2-D", of(image, kernel, {}, 3)],
    ["3-D", of([1, 2, 3, 2, 3], [2, 2, 2, 3, 2], { strides: [1, 2, 2] })],
    ["pads and strides", of(image, kernel, { pads: [1, 0, 2, 1], strides: [3, 2] })],
    ["output_padding", of(image, kernel, { strides: [3, 2], output_padding: [2, 1] }, 3)],
    ["dilations", of(image, kernel, { dilations: [2, 3], pads: [1, 2, 1, 0] })],
    ["groups", of([1, 6, 3, 4], [6, 2, 3, 2], { group: 3, strides: [2, 2] }, 6)],
    ["SAME_UPPER, an odd cut", of(image, kernel, { auto_pad: "SAME_UPPER", strides: [2, 2] })],
    ["SAME_LOWER, an odd cut", of(image, kernel, { auto_pad: "SAME_LOWER", strides: [2, 2] })],
    ["VALID", of(image, kernel, { auto_pad: "VALID", strides: [2, 2] })],
    ["output_shape, an odd cut", of(image, kernel, { output_shape: [8, 10], strides: [2, 2] })],
    [
      "output_shape, SAME_UPPER",
      of(image, kernel, { output_shape: [8, 10], auto_pad: "SAME_UPPER", strides: [2, 2] }),
    ],
    ["a stride longer than the kernel", of(image, [2, 1, 2, 2], { strides: [3, 4] }, 1)],
  ])("%s", async (_, spec) => void (await check(spec)));
});

describe("Einsum", () => {
  const of = (equation: string, ...shapes: number[][]): GraphSpec => {
    const names = shapes.map((_, i) => `x${i}`);
    const inputs = Object.fromEntries(shapes.map((shape, i) => [names[i]!, shape]));
    return { inputs, nodes: [["Einsum", names, ["y"], { equation }]], outputs: ["y"] };
  };
  it.each([
    of("ij,jk->ik", [3, 4], [4, 5]),
    of("bij , bjk", [2, 3, 4], [2, 4, 5]),
    of("bhid,bhjd->bhij", [1, 2, 3, 4], [1, 2, 5, 4]),
    of("...ij,...jk->...ik", [2, 1, 3, 4], [1, 5, 4, 2]),
    of("ij->ji", [3, 4]),
    of("a...b->b...a", [2, 3, 4, 5]),
    of("ii->i", [4, 4]),
    of("bii->b", [2, 4, 4]),
    of("ij->", [3, 4]),
    of("i,i->", [7], [7]),
    of("i,j->ij", [3], [4]),
    of("ij,k->i", [3, 4], [5]),
    of("ij,jk,kl->il", [2, 3], [3, 4], [4, 5]),
    of("ij,jk,kl,lm", [2, 3], [3, 4], [4, 5], [5, 2]),
    of("...a,...b,...c->...abc", [2, 3], [2, 2], [1, 4]),
    of("bhwc,hkc->bhwk", [1, 3, 2, 4], [3, 5, 4]),
    of("iij,jk->ik", [3, 3, 4], [4, 2]),
  ])("$nodes.0.3.equation", async (spec) => void (await check(spec)));

  it("multiplies three matrices two at a time", async () => {
    const { program } = await check(of("ij,jk,kl->il", [2, 3], [3, 4], [4, 5]));
    expect(program.instructions.map(({ reduction }) => reduction)).toEqual([[3], [4]]);
  });
});

describe("a mask with infinities", () => {
  it("is added, not fused into the product before it", async () => {
    const mask = [0, -Infinity, 0, 0, 0, -Infinity];
    const { program } = await check({
      inputs: { x: [2, 4] },
      constants: { w: { dims: [4, 3] }, mask: { dims: [2, 3], values: mask } },
      nodes: [
        ["MatMul", ["x", "w"], ["m"]],
        ["Add", ["m", "mask"], ["s"]],
        ["Softmax", ["s"], ["y"], { axis: -1 }],
      ],
      outputs: ["y"],
    });
    expect(program.nodes.map(([node]) => node!.split(":")[0])).toEqual(["Gemm", "Add", "Softmax"]);
  });
});
