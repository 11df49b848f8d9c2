import { checkInputs } from "@assay/execution";
import type { Deployment } from "@assay/protocol";
import type { Program } from "@assay/program";
import {
  Chain,
  checkOwner,
  defaultLogger,
  loadModels,
  type Operations,
  startOperations,
  type StoredValues,
  tensorsOf,
} from "@assay/service";
import { AssayError } from "@assay/tensor";
import type { Address, Hex, LocalAccount } from "viem";
import { toAccount } from "viem/accounts";
import { lookAtStake } from "./executor.ts";
import { JobWatch } from "./jobs.ts";
import type { WorkerOptions } from "./options.ts";
import { openProcess } from "./process.ts";
import { runJob } from "./remote-run.ts";
import { countJobs, countRunning } from "./state.ts";
import { declareLines } from "./worker.ts";

export interface RunnerOptions extends Omit<WorkerOptions, "databaseUrl"> {
  databaseUrl: string;
  /** HTTP URL of the node. */
  rpc: string;
  /** A node of somebody else's, to compare with. */
  secondRpc?: string;
  deployment: Deployment;
  /** The executor whose database it is. */
  executor: Address;
}

/** Has an executor's workers run models, without its key. */
export interface Runner {
  /** Reads the chain; whatever would be signed is refused (`KEY_ELSEWHERE`). */
  readonly chain: Chain;
  /** What can be run, by program root. */
  readonly programs: ReadonlyMap<Hex, Program>;
  /** Has a worker run a program: stored bytes in, stored bytes out. */
  run(programRoot: Hex, inputs: StoredValues): Promise<Uint8Array[]>;
  /** Runs that wait for a worker or are with one, whoever asked for them. */
  waiting(): Promise<number>;
  /** Metrics, health and alerts of this process. */
  readonly operations: Operations;
  stop(): Promise<void>;
}

/** An account that is known by its address only. */
function keyless(address: Address): LocalAccount {
  const refuse = (): Promise<never> =>
    Promise.reject(
      new AssayError("KEY_ELSEWHERE", `this process has no key of ${address}`, {
        hint: "only the process that signs and sends (role poster or all) has it",
      }),
    );
  return toAccount({ address, signMessage: refuse, signTransaction: refuse, signTypedData: refuse });
}

/**
 * Opens the database that an executor's processes share, to have its workers run models.
 *
 * @example
 * const runner = await startRunner({ rpc, deployment, executor, databaseUrl, blobs, models, dataDir });
 */
export async function startRunner(options: RunnerOptions): Promise<Runner> {
  const log = options.log ?? defaultLogger("runner");
  const { rpc, secondRpc, deployment, executor } = options;
  const account = keyless(executor);
  const chain = new Chain({ rpc, deployment, account, log, ...(secondRpc !== undefined && { secondRpc }) });
  await chain.connect();
  const shared = await openProcess(options, log);
  let operations: Operations | undefined;
  try {
    await checkOwner(shared.store, chain);
    operations = await startOperations({
      service: "gateway",
      ...options,
      chain,
      log,
      jobs: () => countJobs(shared.store),
      check: (alerts) => lookAtStake(chain, alerts),
    });
    const started = operations;
    const models = await loadModels(options.models, chain);
    const programs = new Map([...models].map(([root, { program }]) => [root, program]));
    await declareLines({ queue: shared.queue, backends: programs });
    const watch = await JobWatch.open(shared.store);
    let stopped: Promise<void> | undefined;
    return {
      chain,
      programs,
      operations,
      async run(programRoot, inputs) {
        const program = programs.get(programRoot);
        if (program === undefined)
          throw new AssayError("PROGRAM_NOT_SERVED", `${programRoot} is not served here`);
        checkInputs(program.inputs, tensorsOf(program, inputs)); // what is wrong with them no worker has to find out
        return runJob({ ...shared, watch }, program, inputs, programRoot);
      },
      waiting: () => countRunning(shared.store),
      stop() {
        stopped ??= started
          .stop()
          .then(() => watch.close())
          .then(() => shared.close());
        return stopped;
      },
    };
  } catch (error) {
    await operations?.stop();
    await shared.close();
    throw error;
  }
}
