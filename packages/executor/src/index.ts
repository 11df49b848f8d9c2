export { type Executor, startExecutor } from "./executor.ts";
export { addJobs, type JobStorage, JobWatch } from "./jobs.ts";
export type { ExecutorBackend, ExecutorOptions, WorkerOptions } from "./options.ts";
export { startWorker, type Worker } from "./process.ts";
export { type Runner, type RunnerOptions, startRunner } from "./runner.ts";
export { executorSettings } from "./settings.ts";
export type { Adopted, Job, JobKind, JobState, NewJob } from "./state.ts";
