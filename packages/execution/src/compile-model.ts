import {
  CommittedTensors,
  compile,
  encodeHeader,
  type InputShapes,
  type Program,
  programRoot,
  staticReasons,
  UnsupportedModelError,
} from "@assay/program";
import { AssayError } from "@assay/tensor";
import { canonicalGraph } from "./canonicalise.ts";
import { OnnxWorker, type Tensors, type WorkerOptions } from "./worker.ts";
import { storedConstants } from "./values.ts";

export interface CompileOptions extends WorkerOptions {
  /** Dims of the inputs whose shape the model leaves open. */
  shapes?: InputShapes;
  /** Inputs that the model is known to run on: shapes are looked for with them too. */
  samples?: readonly Tensors[];
  /** An onnxruntime process to use and leave running; default: one of its own. */
  worker?: OnnxWorker;
}

export interface CompiledModel {
  /** The graph that is run; `program` speaks of its values. */
  readonly canonical: Uint8Array;
  readonly program: Program;
  readonly constants: CommittedTensors;
  /** Canonical bytes of the program's header: what `publishProgram` takes. */
  readonly header: Uint8Array;
  /** The model's identity. */
  readonly root: Uint8Array;
}

/**
 * An ONNX model as a program, and the graph to run it with.
 *
 * @example
 * const model = await compileModel(await readFile("model.onnx"), { shapes: { pixels: [1, 1, 8, 8] } });
 * const runner = new ModelRunner(model);
 * const outputs = await runner.run({ pixels });
 */
export async function compileModel(onnx: Uint8Array, options: CompileOptions = {}): Promise<CompiledModel> {
  const { shapes, samples, worker: given, ...limits } = options;
  const worker = given ?? new OnnxWorker(limits);
  try {
    const { model: canonical, shapes: values } = await canonicalGraph(onnx, shapes ?? {}, worker, samples);
    const program = compile(canonical, values);
    const constants = new CommittedTensors(storedConstants(program, canonical));
    const header = encodeHeader(program, constants.root);
    return { canonical, program, constants, header, root: programRoot(header) };
  } catch (error) {
    throw explain(onnx, error);
  } finally {
    if (!given) await worker.close();
  }
}

/** Where onnxruntime or its process gave up, the operators and types that could not be compiled anyway say more. */
function explain(onnx: Uint8Array, error: unknown): unknown {
  if (!(error instanceof AssayError) || !["ONNXRUNTIME", "WORKER_CRASHED"].includes(error.code)) return error;
  const reasons = staticReasons(onnx);
  return reasons.length > 0 ? new UnsupportedModelError(reasons, error) : error;
}
