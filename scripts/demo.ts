/**
 * `pnpm demo`: a local chain, the shipped model, real executor and challenger processes, and handwritten digits as
 * requests. An honest executor is paid; four cheaters are caught; a dishonest challenger loses its bond.
 */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  approve,
  type AssayClient,
  type AssayEvent,
  deposit,
  getClaim,
  getHistory,
  mintDevTokens,
  readDeployment,
  request,
  watchEvents,
} from "@assay/protocol";
import { join as joinValues, loadModel, rootOf } from "@assay/service";
import { float32Tensor, float32Values, fromStored, toStored } from "@assay/tensor";
import { createTestClient, createWalletClient, type Hex, hexToBytes, http } from "viem";
import { mnemonicToAccount } from "viem/accounts";
import { hardhat } from "viem/chains";
import { getBlock, getTransactionReceipt } from "viem/actions";
import { ACCOUNTS, CHEATS, type CheatName, DEVELOPMENT_MNEMONIC, MODEL } from "./demo/cast.ts";
import type { DishonestExecutorOptions } from "./demo/dishonest-executor.ts";
import { accuseFalsely } from "./demo/dishonest-challenger.ts";
import { type Digit, draw, readDigits } from "./demo/digits.ts";
import { freePort } from "./demo/free-port.ts";
import { Processes } from "./demo/processes.ts";
import { line, row, type Names, tokens } from "./demo/story.ts";
import { table } from "../packages/cli/src/output.ts";
import { run } from "./process.ts";

type Role = keyof typeof ACCOUNTS;

const unit = 10n ** 18n;
const FEE = 5n * unit;
const ROYALTY = unit;
const MONEY = 10_000n * unit;
const STAKE = 500n * unit;
/** Seconds of chain time; the demo lets it pass faster than the clock. */
const WINDOWS = { challenge: 600, reveal: 300, proof: 600 };
/** Seconds of real time after which something must be wrong. */
const PATIENCE = 90;

const CHEAT_STORY: Record<CheatName, string> = {
  "nudged element": "one number of one tensor nudged",
  "cheaper model": "another, cheaper model run",
  "made-up output": "output made up, honest trace",
  "hidden trace": "output made up, trace not revealed",
};

const started = Date.now();
const say = (text: string) => {
  console.log(`${((Date.now() - started) / 1000).toFixed(1).padStart(6)} s  ${text}`);
};
const title = (text: string) => console.log(`\n── ${text} ${"─".repeat(Math.max(0, 90 - text.length))}`);

const root = new URL("..", import.meta.url).pathname;
await mkdir(join(root, ".assay"), { recursive: true });
const folder = await mkdtemp(join(root, ".assay/demo-"));
const processes = new Processes(folder);
const abort = new AbortController();
process.once("SIGINT", () => {
  abort.abort();
  void processes.stop().then(() => process.exit(130));
});

const digits = await readDigits();
const model = await loadModel(MODEL);
const [INPUT] = model.program.inputs;
const [OUTPUT] = model.program.outputs;
const rpc = `http://127.0.0.1:${await freePort()}`;
const deploymentFile = join(folder, "deployment.json");

const clients = new Map<Role, AssayClient>();
function client(role: Role): AssayClient {
  const known = clients.get(role);
  if (known !== undefined) return known;
  const account = mnemonicToAccount(DEVELOPMENT_MNEMONIC, { addressIndex: ACCOUNTS[role] });
  const made = createWalletClient({ account, chain: hardhat, transport: http(rpc), pollingInterval: 100 });
  clients.set(role, made);
  return made;
}
const address = (role: Role) => client(role).account!.address;

/** Waits for a condition of the chain. */
async function until<T>(
  what: string,
  condition: () => Promise<T | undefined | false> | T | undefined | false,
) {
  for (const end = Date.now() + PATIENCE * 1000; Date.now() < end; await sleep(150)) {
    const value = await condition();
    if (value !== undefined && value !== false) return value;
  }
  throw new Error(`waited ${PATIENCE} s in vain until ${what}; the logs are in ${folder}`);
}

async function pass(seconds: number): Promise<void> {
  const chain = createTestClient({ mode: "hardhat", chain: hardhat, transport: http(rpc) });
  await chain.increaseTime({ seconds });
  await chain.mine({ blocks: 1 });
  say(`(${seconds} seconds of chain time pass)`);
}

/** Stored bytes of the model's input for a digit. */
function storedInputs({ pixels }: Digit): Uint8Array[] {
  const dims = [1, 1, 8, 8];
  const values = float32Tensor(
    dims,
    pixels.map((value) => value / 16),
  );
  return [toStored(values, INPUT!.layout)];
}

/** The digit with the largest probability. */
function readDigit(outputs: Hex): number {
  const values = float32Values(fromStored(hexToBytes(outputs), 1, [1, 10], OUTPUT!.layout));
  return values.indexOf(Math.max(...values));
}

try {
  title("A local chain, the contracts, a model");
  const build = await run("hardhat", ["build", "--no-tests"]);
  if (build.code !== 0) throw new Error(`the contracts do not compile:\n${build.output}`);
  say("contracts compiled");
  const port = new URL(rpc).port;
  processes.startAssay("chain", "chain", "--port", port, "--block-time", "1");
  await until("the chain answers", () =>
    getBlock(client("publisher")).then(
      () => true,
      () => false,
    ),
  );
  say(`chain 31337 at ${rpc}`);
  const account = (role: Role) => ["--account", String(ACCOUNTS[role])];
  await processes.assay(
    "deploy",
    ...["--rpc", rpc, "--out", deploymentFile, ...account("publisher")],
    ...["--challenge-window", String(WINDOWS.challenge), "--reveal-window", String(WINDOWS.reveal)],
    ...["--proof-window", String(WINDOWS.proof)],
  );
  const deployment = await readDeployment(deploymentFile);
  say(`contracts deployed; market ${deployment.inferenceMarket}`);
  const chainOptions = ["--rpc", rpc, "--deployment", deploymentFile];
  const shape = ["--shape", "pixels=1,1,8,8"];
  const { modelId, programRoot } = await processes.assay<{ modelId: Hex; programRoot: Hex }>(
    ...["model", "publish", MODEL.onnx, ...shape, "--name", "digits", "--royalty", String(ROYALTY)],
    ...[...chainOptions, ...account("publisher")],
  );
  if (model.programRoot !== programRoot) throw new Error("two compilations, two program roots");
  say(`model published; program ${programRoot}`);
  say(
    `${model.program.instructions.length} instructions: ${model.program.nodes.map((n) => n.join("+")).join(", ")}`,
  );

  title("Executors with stake, a challenger");
  const executors: Role[] = ["honest executor", ...CHEATS];
  await Promise.all(
    [...executors, "requester", "challenger", "dishonest challenger"].map(async (name) => {
      const who = client(name as Role);
      await mintDevTokens(who, { deployment, to: who.account!.address, amount: MONEY });
      await approve(who, { deployment, amount: MONEY });
      if (executors.includes(name as Role)) await deposit(who, { deployment, amount: STAKE });
    }),
  );
  say(`every executor has deposited ${tokens(STAKE)}`);
  processes.startAssay(
    "honest-executor",
    ...["executor", "start", MODEL.onnx, ...shape, ...chainOptions],
    ...[...account("honest executor"), "--data-dir", join(folder, "honest-executor"), "--port", "0"],
  );
  for (const cheat of CHEATS) {
    const name = cheat.replaceAll(" ", "-");
    const options: DishonestExecutorOptions = {
      rpc,
      deployment: deploymentFile,
      account: ACCOUNTS[cheat],
      dataDir: join(folder, name),
      cheat,
    };
    processes.startScript(name, "scripts/demo/dishonest-executor.ts", JSON.stringify(options));
  }
  processes.startAssay(
    "challenger",
    ...["challenger", "start", MODEL.onnx, ...shape, ...chainOptions],
    ...[...account("challenger"), "--data-dir", join(folder, "challenger")],
  );
  say("started: one honest executor, four that cheat, one challenger: six processes");

  title("Requests");
  const claims: { name: string; what: string; role: Role; digit: Digit; requestId: Hex; claimId: Hex }[] = [];
  const plan: { name: string; what: string; role: Role }[] = [
    { name: "A", what: "honest", role: "honest executor" },
    { name: "B", what: "honest, falsely accused", role: "honest executor" },
    ...CHEATS.map((cheat, i) => ({ name: "CDEF"[i]!, what: CHEAT_STORY[cheat], role: cheat })),
  ];
  for (const [i, { name, what, role }] of plan.entries()) {
    const digit = digits[i]!;
    const inputs = storedInputs(digit);
    const { timestamp } = await getBlock(client("requester"));
    const { requestId } = await request(client("requester"), {
      deployment,
      modelId,
      programRoot,
      inputRoot: rootOf(inputs),
      inputs: joinValues(inputs),
      fee: FEE,
      maxRoyalty: ROYALTY,
      executor: address(role),
      deadline: timestamp + 3600n,
    });
    claims.push({ name, what, role, digit, requestId, claimId: "0x" });
  }
  for (const text of draw(
    claims.map(({ digit }) => digit),
    claims.map(({ name, digit }) => `${name}: a ${digit.label}`),
  ))
    console.log(`          ${text}`);
  say(
    `${claims.length} requests, ${tokens(FEE)} each and ${tokens(ROYALTY)} royalty; who must answer is named`,
  );

  title("What happens");
  const people = new Map(Object.keys(ACCOUNTS).map((role) => [address(role as Role).toLowerCase(), role]));
  const names: Names = {
    person: (who) => people.get(who.toLowerCase()) ?? who,
    claim: (id) => claims.find(({ claimId }) => claimId === id)?.name ?? id.slice(0, 10),
  };
  const seen: AssayEvent[] = [];
  const watching = (async () => {
    for await (const step of watchEvents(client("publisher"), {
      deployment,
      pollingInterval: 150,
      signal: abort.signal,
    })) {
      if (step.type !== "events") continue;
      for (const event of step.events) {
        if (event.eventName === "ClaimPosted") {
          const entry = claims.find(({ requestId }) => requestId === event.args.requestId);
          if (entry !== undefined) entry.claimId = event.args.claimId;
          const text = line(event, names)!;
          say(`${text}: reads a ${readDigit(event.args.outputs)}`);
        } else {
          const text = line(event, names);
          if (text !== undefined) say(text);
        }
        seen.push(event);
      }
    }
  })();
  say(
    "waiting for the executors: each opens its database, compiles the model and compares its root with the chain's",
  );
  await until("every request has a claim", () => claims.every(({ claimId }) => claimId !== "0x"));

  const accused = claims[1]!;
  const answer = await accuseFalsely(
    client("dishonest challenger"),
    deployment,
    model,
    accused.claimId,
    storedInputs(accused.digit),
  );
  say(`the dishonest challenger tries to prove a right element of B wrong: the contract answers ${answer}`);

  const settled = (wanted: string) => seen.filter(({ eventName }) => eventName === wanted).length;
  await until("three cheats are slashed", () => settled("ClaimSlashed") === CHEATS.length - 1);
  await pass(WINDOWS.reveal);
  await until("the hidden trace is slashed", () => settled("ClaimSlashed") === CHEATS.length);
  await pass(WINDOWS.challenge + WINDOWS.proof);
  await until("the honest claims are final", () => settled("ClaimFinalised") === 2);

  title("The end");
  const gas = new Map<Hex, bigint>();
  const rows = [];
  for (const { name, what, claimId, requestId } of claims) {
    const ofRequest = await getHistory(client("publisher"), { deployment, id: requestId });
    const ofClaim = await getHistory(client("publisher"), { deployment, id: claimId });
    // Events that name both are in both.
    const key = ({ blockNumber, logIndex }: AssayEvent) => `${blockNumber}:${logIndex}`;
    const events = [...new Map([...ofRequest, ...ofClaim].map((event) => [key(event), event])).values()];
    for (const { transactionHash } of events)
      if (!gas.has(transactionHash))
        gas.set(
          transactionHash,
          (await getTransactionReceipt(client("publisher"), { hash: transactionHash })).gasUsed,
        );
    rows.push(row(name, what, events, gas, names, model.program.nodes));
    const { phase } = await getClaim(client("publisher"), { deployment, claimId });
    if ((phase === "Finalised") !== what.startsWith("honest"))
      throw new Error(`claim ${name} (${what}) ended ${phase}`);
  }
  const columns = ["claim", "what happened", "verdict", "disputed", "exact value", "claimed value"] as const;
  const cells = rows.map((r) => [
    ...columns.map((c) => r[c]),
    String(r.transactions),
    r.gas.toLocaleString("en"),
  ]);
  for (const text of table([[...columns, "transactions", "gas"], ...cells])) console.log(text);
  console.log("\nWho was paid, and who lost what:");
  for (const { claim, money } of rows) console.log(`  ${claim}  ${money}`);
  const proofGas = seen
    .filter(({ eventName }) => eventName === "ElementJudged")
    .map(({ transactionHash }) => gas.get(transactionHash)!);
  console.log(
    `\nThe dishonest challenger's bond went to the honest executor. Fraud proofs: ${proofGas.join(", ")} gas, one transaction each.`,
  );
  console.log(`${((Date.now() - started) / 1000).toFixed(0)} seconds. No arbiter was asked.`);
  abort.abort();
  await watching;
  await processes.stop();
  await rm(folder, { recursive: true, force: true });
} catch (error) {
  abort.abort();
  await processes.stop();
  console.error(`\n${(error as Error).message}\nLogs of the processes: ${folder}`);
  process.exit(1);
}
