import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join, matchesGlob } from "node:path";
import { readModel, readTensorFile } from "@assay/program";
import { DType, dtypeName, type Tensor } from "@assay/tensor";
import { decode } from "../../packages/program/src/onnx/protobuf.ts";

/** The element types that issue 3 asks for first. */
const CORE = new Set(["float32", "int8", "uint8", "int32", "int64", "bool"]);

/** Inputs and expected outputs of one run, by name. */
export interface DataSet {
  inputs: Record<string, Tensor>;
  expected: Record<string, Tensor>;
}

/** What a case asks of the compiler, read from its model. */
export interface CaseFacts {
  operators: string[];
  dtypes: string[];
  /** All element types are core ones. */
  core: boolean;
  /** Why it cannot be a program whatever operators there are: ports that are no tensors. */
  obstacle: string | undefined;
}

/** Names of the cases in a folder: subfolders with a `model.onnx` and at least one `test_data_set_*`. */
export function listCases(folder: string, only = "*"): string[] {
  return readdirSync(folder)
    .filter((name) => matchesGlob(name, only) && existsSync(join(folder, name, "model.onnx")))
    .filter((name) => dataSets(join(folder, name)).length > 0)
    .sort();
}

function dataSets(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.startsWith("test_data_set_") && statSync(join(folder, name)).isDirectory())
    .sort();
}

/** The operators, with their domain where it is not ONNX's own, and the element types of the ports and constants. */
export function factsOf(onnx: Uint8Array): CaseFacts {
  const { graph } = decode("ModelProto", onnx);
  const ports = [...(graph?.input ?? []), ...(graph?.output ?? [])];
  const operators = new Set<string>();
  const codes = new Set<number>();
  for (const { domain, opType } of graph?.node ?? [])
    operators.add(domain === "" || domain === "ai.onnx" ? opType : `${domain}.${opType}`);
  for (const { dataType } of graph?.initializer ?? []) codes.add(dataType);
  const other = ports.find(({ type }) => !type?.tensorType);
  for (const { type } of ports) if (type?.tensorType) codes.add(type.tensorType.elemType);
  const dtypes = Array.from(codes, nameOfDtype).sort();
  const obstacle = other
    ? `"${other.name}" is a sequence, an optional or a map`
    : dtypes.includes("string")
      ? "it has strings"
      : undefined;
  return { operators: [...operators], dtypes, core: dtypes.every((name) => CORE.has(name)), obstacle };
}

function nameOfDtype(code: number): string {
  if (code === 8) return "string";
  return Object.values<number>(DType).includes(code) ? dtypeName(code) : `type ${code}`;
}

/** All data sets of a case. */
export function loadDataSets(folder: string, onnx: Uint8Array): DataSet[] {
  const model = readModel(onnx);
  return dataSets(folder).map((name) => {
    const read = (kind: string, ports: readonly { name: string }[]) =>
      Object.fromEntries(
        ports.flatMap((port, i) => {
          const path = join(folder, name, `${kind}_${i}.pb`);
          return port.name !== "" && existsSync(path)
            ? [[port.name, readTensorFile(readFileSync(path))]]
            : [];
        }),
      );
    return { inputs: read("input", model.inputs), expected: read("output", model.outputs) };
  });
}
