import { multipliesMixedBytes } from "@assay/program";
import { DType, type Tensor } from "@assay/tensor";
import { expect, test } from "vitest";
import { buildOnnx } from "../../program/test/onnx-builder.ts";
import { compileModel } from "../src/index.ts";
import { clampsMixedBytes, requireExactProducts } from "../src/processor.ts";
import { ModelRunner } from "../src/runner.ts";

type Byte = "uint8" | "int8";

/** a · b, with 64 terms. */
function product(operator: "MatMulInteger" | "QLinearMatMul" | "ConvInteger", a: Byte, b: Byte): Uint8Array {
  const scalar = (dtype: DType) => ({ dims: [], values: [0], small: dtype });
  const one = { dims: [], values: [1] };
  const names =
    operator === "QLinearMatMul" ? ["a", "s", "za", "b", "s", "zb", "s", "za"] : ["a", "b", "za", "zb"];
  return buildOnnx({
    inputs: operator === "ConvInteger" ? { a: [1, 64, 1], b: [1, 64, 1] } : { a: [1, 64], b: [64, 1] },
    dtypes: { a: DType[a], b: DType[b] },
    constants: {
      za: scalar(DType[a]),
      zb: scalar(DType[b]),
      ...(operator === "QLinearMatMul" && { s: one }),
    },
    nodes: [[operator, names, ["y"]]],
    outputs: ["y"],
  });
}

test("programs that add products of unsigned by signed bytes are known", async () => {
  const mixed = async (...given: Parameters<typeof product>) =>
    multipliesMixedBytes((await compileModel(product(...given))).program);
  expect(await mixed("MatMulInteger", "uint8", "int8")).toBe(true);
  expect(await mixed("QLinearMatMul", "uint8", "int8")).toBe(true);
  expect(await mixed("ConvInteger", "uint8", "int8")).toBe(true);
  expect(await mixed("MatMulInteger", "uint8", "uint8")).toBe(false);
  expect(await mixed("QLinearMatMul", "uint8", "uint8")).toBe(false);
  expect(await mixed("MatMulInteger", "int8", "int8")).toBe(false);
});

test("what the probe says of this processor is so", async () => {
  const model = await compileModel(product("MatMulInteger", "uint8", "int8"));
  const runner = new ModelRunner(model);
  try {
    const tensor = (dtype: DType, dims: number[], byte: number): Tensor => ({
      dtype,
      dims,
      data: new Uint8Array(64).fill(byte),
    });
    const { y } = await runner.run({
      a: tensor(DType.uint8, [1, 64], 255),
      b: tensor(DType.int8, [64, 1], 127),
    });
    const sum = new DataView(y!.data.buffer, y!.data.byteOffset).getInt32(0, true);
    expect(sum === 64 * 255 * 127).toBe(!(await clampsMixedBytes()));
  } finally {
    await runner.close();
  }
});

test("a model is refused where, and only where, this processor gets it wrong", async () => {
  const [mixed, unsigned] = await Promise.all(
    (["int8", "uint8"] as const).map(
      async (b) => (await compileModel(product("MatMulInteger", "uint8", b))).program,
    ),
  );
  const clamps = () => Promise.resolve(true);
  await expect(requireExactProducts(mixed!, clamps)).rejects.toMatchObject({ code: "PROCESSOR_CLAMPS" });
  await requireExactProducts(unsigned!, clamps);
  await requireExactProducts(mixed!, () => Promise.resolve(false));
  await requireExactProducts(unsigned!, () => Promise.reject(new Error("not asked")));
});
