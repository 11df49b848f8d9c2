import { exposeValues, readModel, type Shapes, type ValueShape } from "@assay/program";
import { AssayError, type DType, dtypeName } from "@assay/tensor";
import { type InputSpec, randomInputs } from "./inputs.ts";
import type { OnnxWorker } from "./worker.ts";

/** The inputs of a model whose shapes are all fixed. */
export function inputSpecs(model: Uint8Array): InputSpec[] {
  return readModel(model).inputs.map(({ name, dtype, dims }) => {
    dtypeName(dtype);
    if (!dims || dims.some((dim) => dim === undefined))
      throw new AssayError("INPUT_SHAPE", `input "${name}" has no fixed shape`);
    return { name, dtype: dtype as DType, dims: dims as number[] };
  });
}

/** Names of the values that a model's nodes compute. */
export function computedValues(model: Uint8Array): string[] {
  return [...new Set(readModel(model).nodes.flatMap(({ outputs }) => outputs.filter((name) => name !== "")))];
}

/** The model with every computed value as an output. */
export function exposeAll(model: Uint8Array): { model: Uint8Array; values: string[] } {
  const outputs = new Set(readModel(model).outputs.map(({ name }) => name));
  const values = computedValues(model);
  return {
    model: exposeValues(
      model,
      values.filter((name) => !outputs.has(name)),
    ),
    values,
  };
}

/**
 * Every value's dtype and dims, found by running the graph twice on different random inputs. Throws
 * `DATA_DEPENDENT_SHAPE` for a value whose dims differ between the runs.
 */
export async function discoverShapes(canonical: Uint8Array, worker: OnnxWorker): Promise<Shapes> {
  const specs = inputSpecs(canonical);
  const exposed = exposeAll(canonical);
  const shapes = new Map<string, ValueShape>(specs.map((spec) => [spec.name, spec]));
  if (exposed.values.length === 0) return shapes;
  worker.register("shapes", exposed.model);
  const first = await worker.runForShapes("shapes", randomInputs(specs, 1), exposed.values);
  const second = await worker.runForShapes("shapes", randomInputs(specs, 2), exposed.values);
  for (const name of exposed.values) {
    const [a, b] = [first[name]!, second[name]!];
    if (a.dims.join() !== b.dims.join())
      throw new AssayError(
        "DATA_DEPENDENT_SHAPE",
        `the value "${name}" was [${a.dims.join(", ")}] and [${b.dims.join(", ")}] for two inputs`,
        { hint: "a program needs shapes that do not depend on the data" },
      );
    shapes.set(name, a);
  }
  return shapes;
}
