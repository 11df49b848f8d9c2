import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Tensors } from "@assay/execution";
import { readTensorFile } from "@assay/program";
import {
  AssayError,
  DType,
  dtypeName,
  elementCount,
  float32Tensor,
  float32Values,
  type Tensor,
  tensor,
} from "@assay/tensor";

interface Wanted {
  readonly name: string;
  readonly dtype: DType;
  readonly dims: readonly number[];
}

/** All numbers of nested arrays, in C order. */
function flatten(value: unknown, name: string): number[] {
  const numbers: number[] = [];
  const visit = (item: unknown): void => {
    if (Array.isArray(item)) item.forEach(visit);
    else if (typeof item === "number") numbers.push(item);
    else if (typeof item === "boolean") numbers.push(item ? 1 : 0);
    else throw new AssayError("INPUT_INVALID", `input "${name}" holds something that is no number`);
  };
  visit(value);
  return numbers;
}

/** A tensor from its elements in C order. */
export function fromNumbers({ name, dtype, dims }: Wanted, numbers: number[]): Tensor {
  if (numbers.length !== elementCount(dims))
    throw new AssayError(
      "INPUT_SHAPE",
      `input "${name}" has ${numbers.length} numbers, its shape [${dims.join(", ")}] needs ${elementCount(dims)}`,
    );
  switch (dtype) {
    case DType.float32:
      return float32Tensor(dims, numbers);
    case DType.float64:
      return tensor(dtype, dims, new Uint8Array(Float64Array.from(numbers).buffer));
    case DType.int64:
      return tensor(dtype, dims, new Uint8Array(BigInt64Array.from(numbers, BigInt).buffer));
    case DType.int32:
      return tensor(dtype, dims, new Uint8Array(Int32Array.from(numbers).buffer));
    case DType.uint64:
      return tensor(dtype, dims, new Uint8Array(BigUint64Array.from(numbers, BigInt).buffer));
    case DType.uint32:
      return tensor(dtype, dims, new Uint8Array(Uint32Array.from(numbers).buffer));
    case DType.int16:
    case DType.uint16:
      return tensor(dtype, dims, new Uint8Array(Uint16Array.from(numbers).buffer));
    case DType.int8:
    case DType.uint8:
    case DType.bool:
      return tensor(dtype, dims, Uint8Array.from(numbers));
    case DType.float16:
      throw new AssayError("INPUT_DTYPE", `input "${name}" is float16, which JSON cannot give`, {
        hint: "use a .pb file",
      });
  }
}

/**
 * Inputs from a file or a folder.
 *
 * - `.json`: an object of (nested) arrays by input name, or just the array when there is one input
 * - `.pb`: one ONNX TensorProto, for a model with one input
 * - a folder: `NAME.pb`, `NAME.json`, or ONNX's `input_0.pb`, `input_1.pb`, …
 */
export async function readInputs(path: string, wanted: readonly Wanted[]): Promise<Tensors> {
  let files: string[] | undefined;
  try {
    files = await readdir(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOTDIR") throw unreadable(path, error);
  }
  if (files === undefined) return readInputFile(path, wanted);
  const found: Record<string, Tensor> = {};
  for (const [index, port] of wanted.entries()) {
    const candidates = [`${port.name}.pb`, `${port.name}.json`, `input_${index}.pb`];
    const file = candidates.find((candidate) => files.includes(candidate));
    if (file === undefined)
      throw new AssayError("MISSING_INPUT", `${path} has no file for input "${port.name}"`, {
        hint: `expected one of ${candidates.join(", ")}`,
      });
    Object.assign(found, await readInputFile(join(path, file), [port]));
  }
  return found;
}

async function readInputFile(path: string, wanted: readonly Wanted[]): Promise<Tensors> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw unreadable(path, error);
  });
  const only = wanted.length === 1 ? wanted[0] : undefined;
  if (path.endsWith(".pb")) {
    if (only === undefined)
      throw new AssayError(
        "MISSING_INPUT",
        `${path} holds one tensor, the model has ${wanted.length} inputs`,
        {
          hint: "give a folder with input_0.pb, input_1.pb, …",
        },
      );
    return { [only.name]: readTensorFile(new Uint8Array(bytes)) };
  }
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString("utf8"));
  } catch (cause) {
    throw new AssayError("INPUT_INVALID", `${path} is no JSON`, {
      hint: "inputs are .json or .pb files, or a folder of them",
      cause,
    });
  }
  const byName =
    only !== undefined && (Array.isArray(value) || typeof value === "number")
      ? { [only.name]: value }
      : (value as Record<string, unknown>);
  for (const name of Object.keys(byName))
    if (!wanted.some((port) => port.name === name))
      throw new AssayError("UNKNOWN_INPUT", `the model has no input "${name}"`, {
        hint: `its inputs: ${wanted.map((port) => port.name).join(", ")}`,
      });
  return Object.fromEntries(
    wanted.map((port) => {
      if (byName[port.name] === undefined)
        throw new AssayError("MISSING_INPUT", `${path} has no input "${port.name}"`);
      return [port.name, fromNumbers(port, flatten(byName[port.name], port.name))];
    }),
  );
}

function unreadable(path: string, cause: unknown): AssayError {
  return new AssayError("FILE_UNREADABLE", `cannot read ${path}`, { cause });
}

/** A tensor as plain JSON: dtype, dims and its elements in C order. */
export function tensorJson(t: Tensor): { dtype: string; dims: readonly number[]; data: (number | string)[] } {
  return { dtype: dtypeName(t.dtype), dims: t.dims, data: elements(t) };
}

const SHOWN = 16;

/** Tensors for people: a line each, with the first elements. */
export function tensorLines(tensors: Readonly<Record<string, ReturnType<typeof tensorJson>>>): string[] {
  return Object.entries(tensors).map(([name, { dims, data }]) => {
    const shown = data
      .slice(0, SHOWN)
      .map((value) => (typeof value === "number" ? Number(value.toPrecision(7)) : value));
    return `${name} [${dims.join(", ")}]: ${shown.join(", ")}${data.length > SHOWN ? ", …" : ""}`;
  });
}

function elements(t: Tensor): (number | string)[] {
  const bytes = t.data.slice();
  switch (t.dtype) {
    case DType.float32:
      // JSON has no NaN and no infinities.
      return Array.from(float32Values(t), (value) => (Number.isFinite(value) ? value : String(value)));
    case DType.float64:
      return Array.from(new Float64Array(bytes.buffer), (value) =>
        Number.isFinite(value) ? value : String(value),
      );
    case DType.int64:
      return Array.from(new BigInt64Array(bytes.buffer), String);
    case DType.int32:
      return Array.from(new Int32Array(bytes.buffer));
    case DType.uint64:
      return Array.from(new BigUint64Array(bytes.buffer), String);
    case DType.uint32:
      return Array.from(new Uint32Array(bytes.buffer));
    case DType.int16:
      return Array.from(new Int16Array(bytes.buffer));
    case DType.int8:
      return Array.from(new Int8Array(bytes.buffer));
    case DType.uint16:
    case DType.float16:
      return Array.from(new Uint16Array(bytes.buffer));
    case DType.uint8:
    case DType.bool:
      return Array.from(bytes);
  }
}
