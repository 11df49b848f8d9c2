import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { readModel, readTensorFile } from "@assay/program";
import { DType, type Tensor } from "@assay/tensor";
import { decode, encode } from "../../program/src/onnx/protobuf.ts";

const repository = new URL("../../../", import.meta.url);
const root = `${process.env.ASSAY_SHARED ?? fileURLToPath(new URL("../shared", repository))}/onnx-node-tests`;

/** One of ONNX's own operator tests. */
export interface NodeCase {
  case: string;
  ops: Record<string, number>;
  dtypes: string[];
}

export const nodeCases: NodeCase[] = existsSync(`${root}/index.json`)
  ? (JSON.parse(readFileSync(`${root}/index.json`, "utf8")) as NodeCase[])
  : [];

/**
 * A test's model, inputs and expected outputs. ONNX passes everything as inputs; what a real model holds as constants
 * (shapes, axes, scalar bounds) becomes an initialiser here.
 */
export function loadNodeCase(name: string) {
  const folder = `${root}/${name}`;
  const onnx = readFileSync(`${folder}/model.onnx`);
  const read = (kind: string, count: number) =>
    Array.from({ length: count }, (_, i) => {
      const path = `${folder}/test_data_set_0/${kind}_${i}.pb`;
      return existsSync(path) ? readFileSync(path) : undefined;
    });
  const model = readModel(onnx);
  const proto = decode("ModelProto", onnx);
  const graph = proto.graph!;
  const inputs: Record<string, Tensor> = {};
  for (const [i, bytes] of read("input", model.inputs.length).entries()) {
    if (!bytes) continue;
    const tensor = readTensorFile(bytes);
    const name = model.inputs[i]!.name;
    if (tensor.dtype === DType.float32 && tensor.dims.length > 0) {
      inputs[name] = tensor;
      continue;
    }
    graph.initializer.push({ ...decode("TensorProto", bytes), name });
    graph.input = graph.input.filter((input) => input.name !== name);
  }
  const outputs = read("output", model.outputs.length).map((bytes) => bytes && readTensorFile(bytes));
  const expected = Object.fromEntries(model.outputs.map(({ name }, i) => [name, outputs[i]]));
  return { onnx: encode("ModelProto", proto), inputs, expected };
}
