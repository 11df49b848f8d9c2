export { type Executor, startExecutor } from "./executor.ts";
export type { ExecutorBackend, ExecutorOptions } from "./options.ts";
export { executorSettings } from "./settings.ts";
export type { Adopted, JobState } from "./state.ts";
