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

/** Every value's dtype and dims, found by running the graph twice on different random inputs. */
export async function probeShapes(canonical: Uint8Array, worker: OnnxWorker): Promise<ShapeProbe> {
  const specs = inputSpecs(canonical);
  const exposed = exposeAll(canonical);
  const shapes = new Map<string, ValueShape>(specs.map((spec) => [spec.name, spec]));
  const varying: string[] = [];
  if (exposed.values.length === 0) return { shapes, varying };
  worker.register("shapes", exposed.model);
  const first = await worker.runForShapes("shapes", randomInputs(specs, 1), exposed.values);
  const second = await worker.runForShapes("shapes", randomInputs(specs, 2), exposed.values);
  for (const name of exposed.values) {
    const [a, b] = [first[name]!, second[name]!];
    if (a.dims.join() === b.dims.join()) shapes.set(name, a);
    else
      varying.push(
        `the value "${name}" was [${a.dims.join(", ")}] and [${b.dims.join(", ")}] for two inputs`,
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

/** Every value's shape; throws `DATA_DEPENDENT_SHAPE`. */
export async function discoverShapes(canonical: Uint8Array, worker: OnnxWorker): Promise<Shapes> {
  const probe = await probeShapes(canonical, worker);
  requireFixed(probe);
  return probe.shapes;
}
