import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

/** What runs here: an executor must keep onnxruntime and machine as they are while its claims are open. */
export function versions(): Record<"assay" | "node" | "onnxruntime" | "platform", string> {
  const { version } = require("../package.json") as { version: string };
  // onnxruntime is a dependency of the package that runs models, not of this one.
  const fromExecution = createRequire(require.resolve("@assay/execution"));
  const { version: onnxruntime } = fromExecution("onnxruntime-node/package.json") as { version: string };
  return {
    assay: version,
    node: process.version,
    onnxruntime,
    platform: `${process.platform}-${process.arch}`,
  };
}
