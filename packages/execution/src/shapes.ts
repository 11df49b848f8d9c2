import { exposeValues, readModel, type Shapes, type ValueShape } from "@assay/program";
import { AssayError, type DType, dtypeName } from "@assay/tensor";
import { dataDependentShape } from "./data-shapes.ts";
import { type InputSpec, randomInputs } from "./inputs.ts";
import type { OnnxWorker, Tensors } from "./worker.ts";

/** The inputs of a model whose shapes are all fixed. */
export function inputSpecs(model: Uint8Array): InputSpec[] {
  return readModel(model).inputs.map(({ name, dtype, dims }) => {
    dtypeName(dtype);
    if (!dims || dims.some((dim) => dim === undefined))
      throw new AssayError("INPUT_SHAPE", `input "${name}" has no fixed shape`);
    return { name, dtype: dtype as DType, dims: dims as number[] };
  });
}

/** Names of the tensors that a model's nodes compute. */
export function computedValues(model: Uint8Array): string[] {
  const { nodes, outputs, nonTensors } = readModel(model);
  const values = new Set(nodes.flatMap((node) => node.outputs.filter((name) => name !== "")));
  const given = new Set(outputs.map(({ name }) => name));
  return [...values].filter((name) => given.has(name) || !nonTensors.has(name));
}

/** The model with every computed tensor as an output. */
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

/** What two runs showed. */
export interface ShapeProbe {
  /** The values whose dims were the same. */
  readonly shapes: Shapes;
  /** The others, and why they are no values of a program. */
  readonly varying: readonly string[];
}

/** What is known of a model without a run. */
export function inputShapes(model: Uint8Array): Shapes {
  return new Map(inputSpecs(model).map((spec) => [spec.name, spec]));
}

/**
 * Every value's dtype and dims, found by running the graph on different inputs: random ones, ones that are safe to
 * divide by where those fail, and the samples. Throws the first run's error when no input can be run.
 */
export async function probeShapes(
  canonical: Uint8Array,
  worker: OnnxWorker,
  samples: readonly Tensors[] = [],
): Promise<ShapeProbe> {
  const specs = inputSpecs(canonical);
  const exposed = exposeAll(canonical);
  const shapes = new Map<string, ValueShape>(specs.map((spec) => [spec.name, spec]));
  if (exposed.values.length === 0) return { shapes, varying: [] };
  worker.register("shapes", exposed.model);
  const runs: Record<string, ValueShape>[] = [];
  const failures: unknown[] = [];
  const probe = (inputs: Tensors) =>
    worker.runForShapes("shapes", inputs, exposed.values).then(
      (found) => runs.push(found),
      (error: unknown) => failures.push(error),
    );
  for (const seed of [1, 2]) await probe(randomInputs(specs, seed));
  // Zeros are no divisors.
  if (failures.length > 0) await probe(randomInputs(specs, 1, 1));
  for (const sample of samples) await probe(sample);
  const [first, ...others] = runs;
  if (!first) throw failures[0];

  const varying: string[] = [];
  for (const name of exposed.values) {
    const dims = first[name]!.dims;
    const other = others.find((run) => run[name]!.dims.join() !== dims.join());
    if (!other) shapes.set(name, first[name]!);
    else
      varying.push(
        `the value "${name}" was [${dims.join(", ")}] and [${other[name]!.dims.join(", ")}] for two inputs`,
      );
  }
  return { shapes, varying };
}

/** Throws `DATA_DEPENDENT_SHAPE` for a value whose dims differed between the runs. */
export function requireFixed({ varying }: ShapeProbe): void {
  if (varying[0] !== undefined)
    throw new AssayError("DATA_DEPENDENT_SHAPE", varying[0], {
      hint: "a program needs shapes that do not depend on the data",
    });
}

/** Throws `DATA_DEPENDENT_SHAPE` for a value whose dims are computed from elements of the inputs, whatever runs showed. */
export function requireShapesOfShapes(canonical: Uint8Array): void {
  const found = dataDependentShape(canonical);
  if (!found) return;
  const { value, operator, input } = found;
  throw new AssayError(
    "DATA_DEPENDENT_SHAPE",
    `the shape of "${value}" (${operator}) is computed from "${input}", which depends on the inputs' elements`,
    { hint: "a program needs shapes that follow from the inputs' shapes: make that input a constant" },
  );
}

/** Every value's shape; throws `DATA_DEPENDENT_SHAPE`. */
export async function discoverShapes(canonical: Uint8Array, worker: OnnxWorker): Promise<Shapes> {
  const probe = await probeShapes(canonical, worker);
  requireFixed(probe);
  requireShapesOfShapes(canonical);
  return probe.shapes;
}
