import { readFile } from "node:fs/promises";
import { type InputShapes, pinInputs, readModel } from "@assay/program";
import { AssayError, type DType } from "@assay/tensor";
import type { ModelOptions } from "./options.ts";
import { type ShapeOptions, shapeFamily } from "./shape-family.ts";
import { fromNumbers } from "./tensor-io.ts";

/** The bytes of an ONNX file; throws `FILE_UNREADABLE`. */
export async function readModelFile(path: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readFile(path));
  } catch (cause) {
    throw new AssayError("FILE_UNREADABLE", `cannot read ${path}`, {
      hint: "give the path of an ONNX file",
      cause,
    });
  }
}

/** The model with the named inputs made constants; an input of open length is as long as its values. */
export function pinned(onnx: Uint8Array, pins: Readonly<Record<string, number[]>>): Uint8Array {
  const { inputs } = readModel(onnx);
  const values = Object.entries(pins).map(([name, numbers]) => {
    const port = inputs.find((input) => input.name === name);
    if (!port) throw new AssayError("UNKNOWN_INPUT", `the model has no input "${name}"`);
    const open = port.dims?.filter((dim) => dim === undefined).length ?? 1;
    if (open > 1) throw new AssayError("INPUT_SHAPE", `input "${name}" leaves too many dimensions open`);
    const known = (port.dims ?? []).reduce<number>((product, dim) => product * (dim ?? 1), 1);
    const dims = (port.dims ?? [undefined]).map((dim) => dim ?? numbers.length / known);
    return [name, fromNumbers({ name, dtype: port.dtype as DType, dims }, numbers)] as const;
  });
  return values.length === 0 ? onnx : pinInputs(onnx, Object.fromEntries(values));
}

/** ONNX files with those of the given shapes and pins that each one's inputs need: one source for each program. */
export async function modelSources(
  paths: readonly string[],
  { shape = {}, pin = {} }: ModelOptions = {},
): Promise<{ onnx: Uint8Array; shapes: InputShapes }[]> {
  const used = new Set<string>();
  const sources = await Promise.all(
    paths.map(async (path) => {
      const onnx = await readModelFile(path);
      const names = readModel(onnx).inputs.map(({ name }) => name);
      const own = <T>(options: Readonly<Record<string, T>>) =>
        Object.fromEntries(Object.entries(options).filter(([name]) => names.includes(name)));
      for (const name of names) used.add(name);
      const given = pinned(onnx, own(pin));
      return shapeFamily(own(shape)).map((shapes) => ({ onnx: given, shapes }));
    }),
  );
  for (const name of [...Object.keys(shape), ...Object.keys(pin)])
    if (!used.has(name)) throw new AssayError("UNKNOWN_INPUT", `no model has an input "${name}"`);
  return sources.flat();
}

/** A model of a settings file; a list of lists: several shapes to serve. */
export interface ModelSetting {
  onnx: string;
  shapes?: Record<string, number[] | number[][]> | undefined;
  pins?: Record<string, number[]> | undefined;
}

/** What a service runs: the files of the command line, or else those of its settings. */
export async function modelsToServe(
  paths: readonly string[],
  options: ModelOptions,
  settings: readonly ModelSetting[] = [],
): Promise<{ onnx: Uint8Array; shapes: InputShapes }[]> {
  if (paths.length > 0) return modelSources(paths, options);
  if (settings.length === 0)
    throw new AssayError("MODEL_MISSING", "there is no model to run", {
      hint: "name ONNX files, or list `models` in the settings file",
    });
  const each = settings.map(({ onnx, shapes = {}, pins = {} }) => {
    const lists = Object.entries(shapes).map(([name, dims]) => [
      name,
      typeof dims[0] === "number" ? [dims as number[]] : (dims as number[][]),
    ]);
    return modelSources([onnx], { shape: Object.fromEntries(lists) as ShapeOptions, pin: pins });
  });
  return (await Promise.all(each)).flat();
}
