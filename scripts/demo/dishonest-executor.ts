/**
 * An executor process that cheats in one way. All of it is the honest executor's code but for the backend, which
 * computes (or claims to compute) something else: see test/actors/backends.ts.
 */
import { startExecutor } from "@assay/executor";
import { readDeployment } from "@assay/protocol";
import { loadModel, type Model } from "@assay/service";
import { mnemonicToAccount } from "viem/accounts";
import { fabricated, nudged, otherWeights, silent } from "../../test/actors/backends.ts";
import { CHEAPER_MODEL, type CheatName, DEVELOPMENT_MNEMONIC, MODEL } from "./cast.ts";

/** Its command line: one JSON object. */
export interface DishonestExecutorOptions {
  rpc: string;
  deployment: string;
  account: number;
  dataDir: string;
  cheat: CheatName;
}

const options = JSON.parse(process.argv[2]!) as DishonestExecutorOptions;
const cheaper = options.cheat === "cheaper model" ? await loadModel(CHEAPER_MODEL) : undefined;

function backend(model: Model) {
  switch (options.cheat) {
    case "nudged element":
      // One of the 256 numbers that the second convolution writes; everything behind it follows correctly.
      return nudged(model, { instruction: 1, element: 77, recompute: true });
    case "cheaper model":
      return otherWeights(model, cheaper!);
    case "made-up output":
      return fabricated(model);
    case "hidden trace":
      return silent(model);
  }
}

const executor = await startExecutor({
  rpc: options.rpc,
  deployment: await readDeployment(options.deployment),
  account: mnemonicToAccount(DEVELOPMENT_MNEMONIC, { addressIndex: options.account }),
  models: [MODEL],
  dataDir: options.dataDir,
  http: { port: 0 },
  pollInterval: 250,
  backend,
});
process.once("SIGTERM", () => void executor.stop().then(() => process.exit(0)));
