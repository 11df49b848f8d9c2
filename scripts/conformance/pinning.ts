import { type CompiledModel, compileModel, type OnnxWorker, type Tensors } from "@assay/execution";
import { pinInputs, UnsupportedModelError } from "@assay/program";
import { AssayError, DType, elementCount, type Tensor } from "@assay/tensor";

export interface CompiledCase {
  model: CompiledModel;
  /** Inputs left to the run. */
  inputs: Tensors;
  /** Inputs whose value the program depends on: constants of the model. */
  pinned: string[];
}

type Attempt = { compiled: CompiledCase } | { error: unknown };

/** Errors that another choice of constants may cure. */
const CURABLE = new Set(["UNSUPPORTED_MODEL", "DATA_DEPENDENT_SHAPE", "ONNXRUNTIME", "WORKER_CRASHED"]);

function attempt(onnx: Uint8Array, inputs: Tensors, pinned: readonly string[], worker: OnnxWorker) {
  const given = Object.entries(inputs);
  const constants = Object.fromEntries(given.filter(([name]) => pinned.includes(name)));
  const runtime = Object.fromEntries(given.filter(([name]) => !pinned.includes(name)));
  const shapes = Object.fromEntries(Object.entries(runtime).map(([name, { dims }]) => [name, dims]));
  const model = pinned.length === 0 ? onnx : pinInputs(onnx, constants);
  return compileModel(model, { shapes, samples: [runtime], worker }).then(
    (compiled): Attempt => ({ compiled: { model: compiled, inputs: runtime, pinned: [...pinned] } }),
    (error: unknown): Attempt => ({ error }),
  );
}

const isFloat = ({ dtype }: Tensor) =>
  dtype === DType.float32 || dtype === DType.float64 || dtype === DType.float16;

/** An input without elements has only one value. */
const isEmpty = ({ dims }: Tensor) => elementCount(dims) === 0;

/** Growing sets of inputs to pin: what usually are shapes, axes and settings before what usually is data. */
function candidates(inputs: Tensors): string[][] {
  const names = (keep: (t: Tensor) => boolean) =>
    Object.keys(inputs).filter((name) => isEmpty(inputs[name]!) || keep(inputs[name]!));
  const sets = [
    names(() => false),
    names((t) => t.dtype === DType.int64 && t.dims.length <= 1),
    names((t) => !isFloat(t) && t.dims.length <= 1),
    names((t) => !isFloat(t)),
    names((t) => !isFloat(t) || elementCount(t.dims) <= 1),
    names((t) => !isFloat(t) || t.dims.length <= 1),
  ];
  return sets.filter((set, i) => i === 0 || set.length > sets[i - 1]!.length);
}

/** Nothing that is pinned makes an operator known. */
function isHopeless(error: unknown): boolean {
  if (!(error instanceof AssayError) || !CURABLE.has(error.code)) return true;
  return (
    error instanceof UnsupportedModelError &&
    error.reasons.some(({ reason }) => /^the operator .* is not supported$/.test(reason))
  );
}

/**
 * Compiles a case with as many inputs as possible left to the run. ONNX's cases pass everything as inputs; where the
 * compiler needs a value (a shape, axes, k), it becomes a constant, as it is in real models.
 */
export async function compileCase(
  onnx: Uint8Array,
  inputs: Tensors,
  worker: OnnxWorker,
): Promise<CompiledCase> {
  const errors: unknown[] = [];
  const unsupported = () => errors.findLast((error) => error instanceof UnsupportedModelError);
  for (const set of candidates(inputs)) {
    const tried = await attempt(onnx, inputs, set, worker);
    if ("compiled" in tried) {
      const found = await leastPinned(onnx, inputs, tried.compiled, worker);
      if (found.model.program.inputs.length > 0) return found;
      // Folding everything away is no way to compile an operator.
      const missing = unsupported();
      throw missing && !asksForConstants(missing) ? missing : nothingLeft(missing ?? errors[0]);
    }
    errors.push(tried.error);
    if (isHopeless(tried.error) && !(tried.error instanceof UnsupportedModelError)) break;
    if (isHopeless(tried.error) && set.length > 0) break;
  }
  // The last that speaks of the model says what is still missing when everything was given.
  throw unsupported() ?? errors[0];
}

function reasonOf(error: AssayError): string {
  if (!(error instanceof UnsupportedModelError)) return error.message;
  return [...new Set(error.reasons.map(({ operator, reason }) => `${operator}: ${reason}`))].join(", ");
}

/** Nothing is wrong but that a value should be constant. */
function asksForConstants({ reasons }: UnsupportedModelError): boolean {
  return reasons.every(({ reason }) => reason.includes("computed, not constant"));
}

function nothingLeft(cause: unknown): AssayError {
  const because = cause instanceof AssayError ? `otherwise: ${reasonOf(cause)}` : "it has no inputs";
  return new AssayError(
    "NOTHING_LEFT",
    `nothing is left to verify when every input is a constant (${because})`,
    {
      cause,
    },
  );
}

/** Leaves to the run again what need not be constant, one input at a time, data first. */
async function leastPinned(
  onnx: Uint8Array,
  inputs: Tensors,
  found: CompiledCase,
  worker: OnnxWorker,
): Promise<CompiledCase> {
  let best = found;
  const order = found.pinned
    .filter((name) => !isEmpty(inputs[name]!))
    .sort((a, b) => Number(isFloat(inputs[b]!)) - Number(isFloat(inputs[a]!)));
  if (order.length <= 1 && found.model.program.inputs.length > 0) return best;
  for (const name of order) {
    const fewer = best.pinned.filter((other) => other !== name);
    if (fewer.length === 0) continue; // that was tried first
    const tried = await attempt(onnx, inputs, fewer, worker);
    if ("compiled" in tried) best = tried.compiled;
  }
  return best;
}
