import { readFile } from "node:fs/promises";
import { totalmem } from "node:os";
import {
  type CompiledModel,
  compileModel,
  type CompileOptions,
  forProcessor,
  ModelRunner,
  runLimits,
  type RunnerOptions,
} from "@assay/execution";
import type { Program } from "@assay/program";
import { AssayError, fromStored } from "@assay/tensor";
import { type Hex, sha256, toHex } from "viem";
import type { Backend } from "./backend.ts";
import type { Chain } from "./chain.ts";
import { fetchBytes } from "./fetch.ts";
import type { StoredValues } from "./values.ts";

/** Where a model's ONNX file is, and how to compile it. */
export interface ModelSource extends CompileOptions {
  /** A path, an http(s) address, or the bytes of the ONNX file. */
  onnx: string | Uint8Array;
  /** SHA-256 that the file must have. Needed for an address. */
  sha256?: Hex;
}

/** A model ready to be run, and to prove things about. */
export interface Model extends CompiledModel {
  readonly programRoot: Hex;
  /** The ONNX file that it was compiled from. */
  readonly source?: Uint8Array;
}

const MAX_MODEL_BYTES = 2 ** 31;

async function readSource({ onnx, sha256: expected }: ModelSource): Promise<Uint8Array> {
  const remote = typeof onnx === "string" && /^https?:\/\//.test(onnx);
  if (remote && expected === undefined)
    throw new AssayError("HASH_MISSING", `${onnx} needs the SHA-256 of the file`, {
      hint: "the registry has it: the artifactHash of the model's version",
    });
  const bytes =
    typeof onnx !== "string"
      ? onnx
      : remote
        ? await fetchBytes(onnx, { limit: MAX_MODEL_BYTES, timeout: 600_000 })
        : new Uint8Array(await readFile(onnx));
  const actual = sha256(bytes);
  if (expected !== undefined && actual !== expected.toLowerCase())
    throw new AssayError("HASH_MISMATCH", `the ONNX file hashes to ${actual}, not ${expected}`, {
      hint: "it is not the file that was registered",
    });
  return bytes;
}

/** A model file that goes beyond these is refused: whoever made it, it must not take the service with it. */
const COMPILE_LIMITS = { timeoutMs: 1_800_000, memoryBytes: Math.ceil(0.75 * totalmem()) };

/**
 * Compiles a model from its ONNX file: the program root then names what will be run. Throws `PROCESSOR_CLAMPS` for one that
 * this processor cannot but get wrong.
 */
export async function loadModel(source: ModelSource): Promise<Model> {
  const { onnx: _onnx, sha256: _sha256, ...options } = source;
  const bytes = await readSource(source);
  const compiled = await forProcessor(await compileModel(bytes, { ...COMPILE_LIMITS, ...options }));
  return { ...compiled, programRoot: toHex(compiled.root), source: bytes };
}

/** Loads models and checks that the chain knows each one's program. By program root. */
export async function loadModels(sources: readonly ModelSource[], chain: Chain): Promise<Map<Hex, Model>> {
  const models = new Map<Hex, Model>();
  for (const source of sources) {
    const model = await loadModel(source);
    if (!(await chain.isPublished(model.programRoot)))
      throw new AssayError(
        "PROGRAM_NOT_PUBLISHED",
        `${typeof source.onnx === "string" ? source.onnx : "a model"} compiles to program ${model.programRoot}, which is not on the chain`,
        {
          hint: "register it (`assay model publish`), or check the file, its input shapes and the deployment",
        },
      );
    models.set(model.programRoot, model);
  }
  return models;
}

/** Runs a model as it is: onnxruntime in child processes, in the pinned configuration and within {@link runLimits}. */
export class ModelBackend implements Backend {
  readonly programRoot: Hex;
  readonly program: Program;
  readonly #runner: ModelRunner;

  constructor(model: Model, options: RunnerOptions = {}) {
    this.programRoot = model.programRoot;
    this.program = model.program;
    this.#runner = new ModelRunner(model, { ...runLimits(model.program), ...options });
  }

  async run(inputs: StoredValues): Promise<Uint8Array[]> {
    return this.#runner.runStored(this.#tensors(inputs));
  }

  trace(inputs: StoredValues): Promise<Uint8Array[]> {
    return this.#runner.trace(this.#tensors(inputs));
  }

  replay(inputs: StoredValues, trace: StoredValues): Promise<Uint32Array[] | undefined> {
    return this.#runner.replay(this.#tensors(inputs), trace);
  }

  close(): Promise<void> {
    return this.#runner.close();
  }

  #tensors(inputs: StoredValues) {
    return tensorsOf(this.program, inputs);
  }
}

/** A program's inputs as onnxruntime takes them. */
export function tensorsOf(program: Program, inputs: StoredValues) {
  if (inputs.length !== program.inputs.length)
    throw new AssayError("MISSING_INPUT", `the program has ${program.inputs.length} inputs`);
  return Object.fromEntries(
    program.inputs.map(({ name, dtype, dims, layout }, i) => [
      name,
      fromStored(inputs[i]!, dtype, dims, layout),
    ]),
  );
}
