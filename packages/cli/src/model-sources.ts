import { readFile } from "node:fs/promises";
import { type InputShapes, readModel } from "@assay/program";
import { AssayError } from "@assay/tensor";
import { type ShapeOptions, shapeFamily } from "./shape-family.ts";

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

/** ONNX files with those of the given shapes that each one's inputs need: one source for each program. */
export async function modelSources(
  paths: readonly string[],
  shapes: ShapeOptions = {},
): Promise<{ onnx: Uint8Array; shapes: InputShapes }[]> {
  const used = new Set<string>();
  const sources = await Promise.all(
    paths.map(async (path) => {
      const onnx = await readModelFile(path);
      const names = readModel(onnx).inputs.map(({ name }) => name);
      const own = Object.entries(shapes).filter(([name]) => names.includes(name));
      for (const [name] of own) used.add(name);
      return shapeFamily(Object.fromEntries(own)).map((each) => ({ onnx, shapes: each }));
    }),
  );
  for (const name of Object.keys(shapes))
    if (!used.has(name)) throw new AssayError("UNKNOWN_INPUT", `no model has an input "${name}"`);
  return sources.flat();
}
