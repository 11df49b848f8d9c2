import { describe, expect, it } from "vitest";
import {
  type Calibration,
  CALIBRATION_KEY,
  compile,
  DEFAULT_LAMBDA,
  lambdaOf,
  MAX_LAMBDA,
  orderMetadata,
  readCalibration,
  readModel,
  writeCalibration,
} from "../src/index.ts";
import { decode, encode } from "../src/onnx/protobuf.ts";
import { buildOnnx } from "./onnx-builder.ts";

const onnx = buildOnnx({
  nodes: [
    ["MatMul", ["a", "b"], ["product"]],
    ["Softmax", ["product"], ["row"], { axis: 1 }],
    ["Neg", ["row"], ["y"]],
  ],
  inputs: { a: [1, 8], b: [8, 4] },
  outputs: ["y"],
});
const float = (dims: number[]) => ({ dtype: 1, dims });
const shapes = new Map([
  ["a", float([1, 8])],
  ["b", float([8, 4])],
  ["product", float([1, 4])],
  ["row", float([1, 4])],
  ["y", float([1, 4])],
]);

const lambdas = (calibration: Calibration) =>
  compile(writeCalibration(onnx, calibration), shapes).instructions.map(lambdaOf);

/** The model with its calibration entry as given. */
function withEntry(...values: string[]): Uint8Array {
  const model = decode("ModelProto", onnx);
  model.metadataProps = values.map((value) => ({ key: CALIBRATION_KEY, value }));
  return encode("ModelProto", model);
}

describe("a calibration in a canonical graph", () => {
  it("sets the multipliers that it names, and no others", () => {
    expect(compile(onnx, shapes).instructions.map(lambdaOf)).toEqual([
      DEFAULT_LAMBDA,
      DEFAULT_LAMBDA,
      undefined,
    ]);
    expect(lambdas(new Map([["product", 77]]))).toEqual([77, DEFAULT_LAMBDA, undefined]);
    expect(lambdas(new Map(Object.entries({ row: 5, product: MAX_LAMBDA })))).toEqual([
      MAX_LAMBDA,
      5,
      undefined,
    ]);
  });

  it("changes nothing else of the program", () => {
    const plain = compile(onnx, shapes);
    const other = compile(writeCalibration(onnx, new Map([["row", 9]])), shapes);
    const without = (program: typeof plain) => ({
      ...program,
      instructions: program.instructions.map(({ params: _, ...rest }) => rest),
    });
    expect(without(other)).toEqual(without(plain));
    expect(other.instructions[0]).toEqual(plain.instructions[0]);
  });

  it("is read as it was written, replaced, and removed", () => {
    const first = writeCalibration(onnx, new Map([["row", 9]]));
    expect([...readCalibration(readModel(first).metadata)]).toEqual([["row", 9]]);
    const second = writeCalibration(first, new Map([["product", 3]]));
    expect([...readCalibration(readModel(second).metadata)]).toEqual([["product", 3]]);
    expect(readModel(writeCalibration(second, new Map())).metadata).toEqual([]);
  });

  it("lives beside other metadata, in one order", () => {
    const model = decode("ModelProto", onnx);
    model.metadataProps = ["z", "a", "m"].map((key) => ({ key, value: key }));
    const ordered = writeCalibration(encode("ModelProto", model), new Map([["row", 9]]));
    expect(readModel(ordered).metadata.map(({ key }) => key)).toEqual(["a", CALIBRATION_KEY, "m", "z"]);
    model.metadataProps.reverse();
    expect(orderMetadata(encode("ModelProto", model))).toEqual(writeCalibration(ordered, new Map()));
  });

  it.each([
    ["no JSON", "{"],
    ["a list", "[1]"],
    ["null", "null"],
    ["a number", "7"],
    ["zero", '{"product":0}'],
    ["a fraction", '{"product":1.5}'],
    ["text", '{"product":"1024"}'],
    ["too much", `{"product":${MAX_LAMBDA + 1}}`],
  ])("is refused when it is %s", (_, value) => {
    expect(() => compile(withEntry(value), shapes)).toThrow(
      expect.objectContaining({ code: "CALIBRATION_MALFORMED" }),
    );
  });

  it("is refused when it is there twice", () => {
    expect(() => compile(withEntry("{}", "{}"), shapes)).toThrow(
      expect.objectContaining({ code: "CALIBRATION_MALFORMED" }),
    );
  });

  it.each(["y", "a", "nothing", "__proto__"])('is refused when it names "%s"', (name) => {
    expect(() => compile(withEntry(`{"product":5,"${name}":5}`), shapes)).toThrow(
      expect.objectContaining({ code: "CALIBRATION_UNKNOWN" }),
    );
  });
});
