// One of the processes of `pnpm conformance`: a chain, an onnxruntime process, and one case after the other.
import { OnnxWorker } from "@assay/execution";
import { checkCase } from "./check-case.ts";
import { startContracts } from "./contract.ts";
import type { JudgeOptions } from "./judge-case.ts";

export interface WorkerSetup extends Pick<JudgeOptions, "elements" | "tamper" | "proofs"> {
  folder: string;
}

const setup = JSON.parse(process.argv[2]!) as WorkerSetup;
const options: JudgeOptions = {
  ...setup,
  worker: new OnnxWorker({ timeoutMs: 60_000 }),
  contracts: await startContracts(),
};
process.on("message", (name: string) => {
  void checkCase(setup.folder, name, options).then((result) => process.send!(result));
});
process.on("disconnect", () => process.exit(0));
process.send!("ready");
