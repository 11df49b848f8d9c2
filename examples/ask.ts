/** An application asks for an inference and reads the claim's outputs: `node examples/ask.ts [sample]`. */
import { setTimeout as sleep } from "node:timers/promises";
import { approve, getClaim, getHistory, getRequest, request, ZERO_ROOT } from "@assay/protocol";
import { rootOf } from "@assay/service";
import { float32Values, fromStored } from "@assay/tensor";
import { hexToBytes, toHex } from "viem";
import { connect, digit } from "./digits.ts";

const connection = await connect();
const { client, deployment } = connection;
const { modelId, programRoot, program, label, inputs, inputRoot } = await digit(
  Number(process.argv[2] ?? 0),
  connection,
);

const fee = 10n ** 18n;
await approve(client, { deployment, amount: fee });
const { timestamp } = await client.getBlock();
const { requestId } = await request(client, {
  ...{ deployment, modelId, programRoot, inputRoot, inputs, fee },
  deadline: timestamp + 3600n,
});

let claimId = ZERO_ROOT;
while (claimId === ZERO_ROOT) {
  await sleep(500);
  ({ claimId } = await getRequest(client, { deployment, requestId }));
}
const history = await getHistory(client, { deployment, id: claimId });
const posted = history.find((event) => event.eventName === "ClaimPosted")!;
const [output] = program.outputs;
const bytes = hexToBytes(posted.args.outputs);
if (rootOf([bytes]) !== posted.args.outputRoot) throw new Error("these are not the claim's outputs");
const probabilities = float32Values(fromStored(bytes, output!.dtype, output!.dims, output!.layout));

console.log(`it is a ${label}; the claim says ${probabilities.indexOf(Math.max(...probabilities))}`);
const { phase, challengeEnd } = await getClaim(client, { deployment, claimId });
console.log(`claim ${claimId} is ${phase} until ${new Date(Number(challengeEnd) * 1000).toISOString()}`);
console.log(`request ${requestId}, outputs ${toHex(bytes).slice(0, 18)}…`);
