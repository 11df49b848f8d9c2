/** What the examples share: a client, the deployment that `assay deploy` wrote, the published model and a picture. */
import { readFile } from "node:fs/promises";
import { getHistory, mintDevTokens, readDeployment } from "@assay/protocol";
import { loadModel, rootOf } from "@assay/service";
import { float32Tensor, toStored } from "@assay/tensor";
import { createWalletClient, http, publicActions } from "viem";
import { mnemonicToAccount } from "viem/accounts";
import { hardhat } from "viem/chains";

const models = new URL("../models/digits/", import.meta.url);

/** Development account 5 of a local chain, with tokens. */
export async function connect() {
  const client = createWalletClient({
    account: mnemonicToAccount("test test test test test test test test test test test junk", {
      addressIndex: 5,
    }),
    chain: hardhat,
    transport: http(process.env.ASSAY_RPC ?? "http://127.0.0.1:8545"),
    pollingInterval: 200,
  }).extend(publicActions);
  const deployment = await readDeployment(process.env.ASSAY_DEPLOYMENT ?? ".assay/deployment.json");
  await mintDevTokens(client, { deployment, to: client.account.address, amount: 10n ** 18n });
  return { client, deployment };
}

/** The digits model as `assay model publish` put it on the chain, and one of its samples as stored bytes. */
export async function digit(sample: number, { client, deployment }: Awaited<ReturnType<typeof connect>>) {
  const onnx = new Uint8Array(await readFile(new URL("digits.onnx", models)));
  const { program, programRoot } = await loadModel({ onnx, shapes: { pixels: [1, 1, 8, 8] } });
  const [added] = await getHistory(client, { deployment, id: programRoot, eventNames: ["VersionAdded"] });
  if (added === undefined) throw new Error("publish the model first: `assay model publish`");
  const samples = JSON.parse(await readFile(new URL("samples.json", models), "utf8")) as {
    label: number;
    pixels: number[];
  }[];
  const { label, pixels } = samples[sample]!;
  const [input] = program.inputs;
  const values = float32Tensor(
    input!.dims,
    pixels.map((value) => value / 16),
  );
  const inputs = toStored(values, input!.layout);
  return { modelId: added.args.modelId, programRoot, program, label, inputs, inputRoot: rootOf([inputs]) };
}
