/**
 * `pnpm bench:overhead [--json] [model.onnx…]`: what a claim costs an executor beyond the inference itself, and how long
 * a wrong one lasts.
 *
 * Compares, in interleaved rounds on the same canonical graph in the pinned configuration, plain onnxruntime-node with
 * the same run in the executor's child process and with the commitment (output root and signature) that makes it a
 * claim. Without arguments: the shipped models, and larger ones from ../shared where that folder is there.
 */
import { existsSync } from "node:fs";
import { glob, readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { parseArgs } from "node:util";
import {
  compileModel,
  ModelRunner,
  PINNED_CONFIGURATION,
  randomInputs,
  storedOutputs,
} from "@assay/execution";
import { float32Tensor, float32Values, RootTree, type Tensor, tensorRoot } from "@assay/tensor";
import { type Program, readModel } from "@assay/program";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { bytesToHex, type Hex, zeroAddress, zeroHash } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { measureDispute } from "./dispute.ts";
import { type Arm, type ArmResult, interleave } from "./interleave.ts";

const root = join(import.meta.dirname, "..");
const shared = join(process.env.ASSAY_SHARED ?? join(root, "../shared"), "models");
const SHARED_MODELS = ["mnist-12", "super-resolution-10", "fastestdet"];
/** Inferences in a row of an executor that has no lack of requests. */
const BUSY = 8;

const account = privateKeyToAccount(generatePrivateKey());

function signClaim(outputRoot: Hex): Promise<Hex> {
  const word = (name: string) => ({ name, type: "bytes32" }) as const;
  return account.signTypedData({
    domain: { name: "Assay", version: "1", chainId: 1, verifyingContract: zeroAddress },
    types: {
      Claim: [
        ...["requestId", "programRoot", "inputRoot", "outputRoot", "traceRoot"].map(word),
        { name: "executor", type: "address" },
      ],
    },
    primaryType: "Claim",
    message: {
      requestId: zeroHash,
      programRoot: zeroHash,
      inputRoot: zeroHash,
      outputRoot,
      traceRoot: zeroHash,
      executor: account.address,
    },
  });
}

/** What turns outputs into a claim. */
function commit(program: Program, outputs: Record<string, Tensor>): Promise<Hex> {
  return signClaim(bytesToHex(new RootTree(storedOutputs(program, outputs).map(tensorRoot)).root));
}

interface Overhead {
  model: string;
  arms: ArmResult[];
}

async function measure(path: string): Promise<Overhead> {
  const onnx = await readFile(path);
  const open = readModel(onnx).inputs.map(
    ({ name, dims }) => [name, dims?.map((dim) => dim ?? 1) ?? []] as const,
  );
  const model = await compileModel(onnx, { shapes: Object.fromEntries(open) });
  const inputs = randomInputs(model.program.inputs, 1);
  const feeds = Object.fromEntries(
    Object.entries(inputs).map(([name, t]) => [name, new OrtTensor("float32", float32Values(t), t.dims)]),
  );
  const session = await InferenceSession.create(model.canonical, PINNED_CONFIGURATION.session);
  const runner = new ModelRunner(model);
  const plain = () => session.run(feeds);
  const inProcess = async () => {
    const results = await plain();
    const outputs = Object.entries(results).map(([name, t]) => [
      name,
      float32Tensor(t.dims, t.data as Float32Array),
    ]);
    return commit(model.program, Object.fromEntries(outputs) as Record<string, Tensor>);
  };
  await runner.run(inputs);
  const arms: Arm[] = [
    { name: "onnxruntime-node", run: plain },
    { name: "with commitment", run: inProcess },
    { name: "child process", run: () => runner.run(inputs) },
    {
      name: "child process with commitment",
      run: async () => commit(model.program, await runner.run(inputs)),
    },
    {
      // A busy executor has sent the next request before it commits to this one's result.
      name: "the same, requests waiting",
      inferences: BUSY,
      run: async () => {
        let next = runner.run(inputs);
        for (let i = 0; i < BUSY; i++) {
          const outputs = next;
          if (i + 1 < BUSY) next = runner.run(inputs);
          await commit(model.program, await outputs);
        }
      },
    },
  ];
  try {
    const [probe] = await interleave([arms[0]!], { rounds: 5, warmup: 2 });
    const rounds = Math.min(300, Math.max(25, Math.ceil(1500 / Math.max(probe!.milliseconds, 1))));
    const name = basename(path) === "model.onnx" ? basename(dirname(path)) : basename(path, ".onnx");
    return { model: name, arms: await interleave(arms, { rounds, warmup: 5 }) };
  } finally {
    await runner.close();
    await session.release();
  }
}

async function defaultModels(): Promise<string[]> {
  const shipped: string[] = [];
  for await (const path of glob("models/**/*.onnx", { cwd: root })) shipped.push(join(root, path));
  const larger = SHARED_MODELS.map((name) => join(shared, name, "model.onnx")).filter((path) =>
    existsSync(path),
  );
  if (larger.length === 0) console.error(`no models in ${shared}: measuring the shipped ones only`);
  return [...shipped, ...larger];
}

const { values, positionals } = parseArgs({ options: { json: { type: "boolean" } }, allowPositionals: true });
const results: Overhead[] = [];
for (const path of positionals.length > 0 ? positionals : await defaultModels()) {
  const result = await measure(path);
  results.push(result);
  if (values.json) continue;
  console.log(`\n${result.model}`);
  for (const { name, milliseconds, ratio, ratioQuartiles } of result.arms) {
    const spread = ratioQuartiles.map((value) => value.toFixed(3)).join(" – ");
    console.log(
      `  ${name.padEnd(32)}${milliseconds.toFixed(3).padStart(10)} ms  ${ratio.toFixed(3)}×  (${spread})`,
    );
  }
}
const dispute = positionals.length > 0 ? undefined : await measureDispute();
if (values.json) console.log(JSON.stringify({ overhead: results, dispute }, null, 2));
else if (dispute !== undefined) {
  console.log(`\nwrong claim about ${dispute.model} (median of ${dispute.rounds}; a block per transaction)`);
  for (const { event, milliseconds } of dispute.steps)
    console.log(`  … to ${event.padEnd(25)}  ${milliseconds.toFixed(1).padStart(10)} ms`);
  console.log(`  challenge to slash              ${dispute.challengeToSlash.toFixed(1).padStart(10)} ms`);
  console.log(`  claim to slash                  ${dispute.claimToSlash.toFixed(1).padStart(10)} ms`);
  console.log(`  ${dispute.transactions} transactions from challenge to slash, ${dispute.gas} gas`);
}
