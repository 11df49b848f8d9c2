/**
 * The one configuration whose bits an executor must be able to repeat: onnxruntime's own, on the canonical graph, with
 * optimisation off (measured: the only one whose final outputs do not change when intermediates are exposed), one
 * thread (bits depend on the thread count) and the exact version.
 */
export const PINNED_CONFIGURATION = {
  engine: "onnxruntime-node",
  version: "1.30.0",
  /** Level at which onnxruntime writes the canonical graph. */
  canonicalLevel: "basic",
  /** Session options of every run. */
  session: {
    executionProviders: ["cpu"],
    graphOptimizationLevel: "disabled",
    executionMode: "sequential",
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
    // Against clamped products on processors without VNNI. Heeded only where constants are optimised, which is not here:
    // what is run there has no such products (processor.ts, docs/numerics/quantised.md).
    extra: { session: { x64quantprecision: "1" } },
  },
} as const;

/** Session options of runs whose bits nobody needs to repeat: onnxruntime's own best. */
export const FAST_SESSION = {
  executionProviders: ["cpu"],
  graphOptimizationLevel: "all",
  executionMode: "sequential",
  logSeverityLevel: 3,
} as const;
