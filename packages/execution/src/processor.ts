import { MIXED_BYTES_SUM, mixedBytesProbe, multipliesMixedBytes, withUnsignedFactors } from "@assay/program";
import { AssayError, DType } from "@assay/tensor";
import type { RunnableModel } from "./runner.ts";
import { OnnxWorker } from "./worker.ts";

let asked: Promise<boolean> | undefined;

/** Whether onnxruntime, in the pinned configuration, clamps products of unsigned by signed bytes on this processor: tried, once. */
export function clampsMixedBytes(): Promise<boolean> {
  asked ??= probe().catch((error: unknown) => {
    asked = undefined;
    throw error;
  });
  return asked;
}

async function probe(): Promise<boolean> {
  const worker = new OnnxWorker({ timeoutMs: 60_000 });
  try {
    worker.register("probe", mixedBytesProbe());
    const a = { dtype: DType.uint8, dims: [1, 2], data: Uint8Array.of(255, 255) };
    const b = { dtype: DType.int8, dims: [2, 1], data: Uint8Array.of(127, 127) };
    const { y } = await worker.run("probe", { a, b }, ["y"]);
    const { buffer, byteOffset } = y!.data;
    return new DataView(buffer, byteOffset).getInt32(0, true) !== MIXED_BYTES_SUM;
  } finally {
    await worker.close();
  }
}

/**
 * A model with the graph that gives its program's values on this processor: the canonical one, but where the processor
 * clamps products of unsigned by signed bytes, one with unsigned bytes alone. Throws `PROCESSOR_CLAMPS` where there is
 * none: its results would be provably wrong, and honest ones would look so.
 *
 * @param clamps default: what {@link clampsMixedBytes} finds out
 */
export async function forProcessor<M extends RunnableModel>(
  model: M,
  clamps: () => Promise<boolean> = clampsMixedBytes,
): Promise<M & RunnableModel> {
  if (!multipliesMixedBytes(model.program) || !(await clamps())) return model;
  const graph = withUnsignedFactors(model.canonical, model.program);
  if (graph) return { ...model, graph };
  throw new AssayError(
    "PROCESSOR_CLAMPS",
    "the model multiplies unsigned by signed bytes that are not constant, which onnxruntime gets wrong on this processor",
    { hint: "use a processor with VNNI (x86 servers since about 2021) or of ARM" },
  );
}
