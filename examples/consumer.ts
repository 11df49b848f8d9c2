/** A contract asks, is told when the claim is final, and reads the outputs: `node examples/consumer.ts [sample]`. */
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { devTokenAbi, getHistory } from "@assay/protocol";
import { type Abi, type Hex, parseEventLogs, toHex } from "viem";
import { connect, digit } from "./digits.ts";

const connection = await connect();
const { client, deployment } = connection;
const { modelId, programRoot, label, inputs, inputRoot } = await digit(
  Number(process.argv[2] ?? 0),
  connection,
);

const artifact = new URL("../artifacts/contracts/examples/DigitReader.sol/DigitReader.json", import.meta.url);
const { abi, bytecode } = JSON.parse(await readFile(artifact, "utf8")) as { abi: Abi; bytecode: Hex };
const deployed = await client.waitForTransactionReceipt({
  hash: await client.deployContract({
    abi,
    bytecode,
    args: [deployment.inferenceMarket, modelId, programRoot],
  }),
});
const reader = deployed.contractAddress!;
const send = async (address: Hex, of: Abi, functionName: string, args: unknown[]) =>
  client.waitForTransactionReceipt({
    hash: await client.writeContract({ address, abi: of, functionName, args }),
  });

const fee = 10n ** 18n;
await send(deployment.token, devTokenAbi, "approve", [reader, fee]);
const { logs } = await send(reader, abi, "ask", [toHex(inputs), inputRoot, fee]);
const [asked] = parseEventLogs({ abi, logs, eventName: "Asked" });
const { requestId } = asked!.args as unknown as { requestId: Hex };
console.log(`DigitReader ${reader} asked: request ${requestId}`);

const isFinal = () =>
  client.readContract({ address: reader, abi, functionName: "isFinal", args: [requestId] });
console.log("waiting until the claim is final and the contract was told");
while (!(await isFinal())) await sleep(1000);

const history = await getHistory(client, { deployment, id: requestId });
const { outputs } = history.find((event) => event.eventName === "ClaimPosted")!.args;
const receipt = await send(reader, abi, "answer", [requestId, outputs]);
const [answered] = parseEventLogs({ abi, logs: receipt.logs, eventName: "Answered" });
const { digit: read } = answered!.args as unknown as { digit: bigint };
console.log(`it is a ${label}; the contract read ${read}`);
