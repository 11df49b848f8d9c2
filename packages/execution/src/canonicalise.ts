import { expand, fixInputShapes, type InputShapes, orderMetadata, type Shapes } from "@assay/program";
import { AssayError } from "@assay/tensor";
import { inputShapes, probeShapes, requireFixed, requireShapesOfShapes, type ShapeProbe } from "./shapes.ts";
import { OnnxWorker, type Tensors } from "./worker.ts";

/** What is run and compiled: constants folded by onnxruntime, and only primitive operators. */
export interface CanonicalGraph {
  readonly model: Uint8Array;
  readonly shapes: Shapes;
}

/** A round for each level of what is expanded in what is expanded; nothing real comes near. */
const MAX_ROUNDS = 50;

/**
 * The canonical graph and every value's shape: input shapes fixed, constants folded and standard operators fused by
 * onnxruntime, offline, and what is not primitive expanded, in turns until nothing is left to expand.
 *
 * Throws `DATA_DEPENDENT_SHAPE`, and `ONNXRUNTIME` for what onnxruntime cannot run.
 */
export async function canonicalGraph(
  onnx: Uint8Array,
  shapes: InputShapes,
  worker: OnnxWorker,
  samples: readonly Tensors[] = [],
): Promise<CanonicalGraph> {
  const { model, probe } = await rewrite(fixInputShapes(onnx, shapes), worker, samples);
  requireFixed(probe);
  requireShapesOfShapes(model);
  return { model, shapes: probe.shapes };
}

/** The canonical graph alone. */
export async function canonicalise(
  onnx: Uint8Array,
  shapes: InputShapes = {},
  worker?: OnnxWorker,
): Promise<Uint8Array> {
  const own = worker ?? new OnnxWorker();
  try {
    return (await rewrite(fixInputShapes(onnx, shapes), own)).model;
  } finally {
    if (!worker) await own.close();
  }
}

interface Rewritten {
  model: Uint8Array;
  probe: ShapeProbe;
}

async function rewrite(
  fixed: Uint8Array,
  worker: OnnxWorker,
  samples: readonly Tensors[] = [],
): Promise<Rewritten> {
  try {
    return await rewriteWith(fixed, worker, samples, true);
  } catch (error) {
    if (!isOnnxruntime(error)) throw error;
    // A branch that is not taken may fail where it is run all the same.
    return rewriteWith(fixed, worker, samples, false).catch(() => Promise.reject(error));
  }
}

function isOnnxruntime(error: unknown): error is AssayError {
  return error instanceof AssayError && error.code === "ONNXRUNTIME";
}

/** What onnxruntime writes, but for the order of the metadata, which changes each time. */
async function written(model: Uint8Array, worker: OnnxWorker): Promise<Uint8Array> {
  return orderMetadata(await worker.canonicalise(model));
}

async function rewriteWith(
  fixed: Uint8Array,
  worker: OnnxWorker,
  samples: readonly Tensors[],
  speculate: boolean,
): Promise<Rewritten> {
  let model = fixed;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const before = model;
    let failure: unknown;
    const attempt = async <T>(action: () => Promise<T>, otherwise: () => T): Promise<T> => {
      try {
        return await action();
      } catch (error) {
        if (!isOnnxruntime(error)) throw error;
        failure ??= error;
        return otherwise();
      }
    };
    // What onnxruntime cannot load or run may be gone after an expansion that needs no shapes.
    model = await attempt(
      () => written(before, worker),
      () => before,
    );
    const probe = await attempt(
      () => (failure === undefined ? probeShapes(model, worker, samples) : Promise.reject(failure as Error)),
      () => ({ shapes: inputShapes(model), varying: [] }),
    );
    const expanded = expand(model, probe.shapes, speculate);
    if (expanded) {
      model = expanded;
      continue;
    }
    if (failure !== undefined) throw failure as Error;
    // onnxruntime may find more to do in what it wrote itself. What is published must be what comes of it again.
    const again = await written(model, worker);
    if (Buffer.compare(again, model) === 0) return { model, probe };
    model = again;
  }
  throw new AssayError("EXPANSION_ROUNDS", `the model is still changing after ${MAX_ROUNDS} rounds`);
}
