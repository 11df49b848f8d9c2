export { type CanonicalGraph, canonicalGraph, canonicalise } from "./canonicalise.ts";
export { type CompiledModel, compileModel, type CompileOptions } from "./compile-model.ts";
export { PINNED_CONFIGURATION } from "./configuration.ts";
export { type FastOptions, FastRunner } from "./fast.ts";
export { checkInputs, type InputSpec, randomInputs, sampleInputs } from "./inputs.ts";
export { ModelRunner, type RunnableModel, type Runner, type RunnerOptions } from "./runner.ts";
export { discoverShapes, exposeAll, inputSpecs } from "./shapes.ts";
export { outputsOfTrace, storedConstants, storedInputs, storedOutputs } from "./values.ts";
export { OnnxWorker, type Tensors, type WorkerOptions } from "./worker.ts";
