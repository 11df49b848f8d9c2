import { Command } from "commander";
import { createAssayClient, fileRecords } from "@assay/gateway";
import { publishedProgram } from "@assay/protocol";
import { AssayError } from "@assay/tensor";
import type { Hash } from "viem";
import { connectAccount } from "../connect.ts";
import { type InputOptions, inputsFor, withInputs } from "../inputs.ts";
import {
  type AccountOptions,
  amount,
  type ChainOptions,
  hash,
  integer,
  rpcUrl,
  withAccount,
  withChain,
  withExample,
} from "../options.ts";
import { print, progress, time } from "../output.ts";
import { tensorJson, tensorLines } from "../tensor-io.ts";

interface Options extends ChainOptions, AccountOptions, InputOptions {
  gateway: string;
  program?: Hash;
  maxPrice?: bigint;
  deposit?: bigint;
  records: string;
  seconds: number;
}

export function orderCommand(): Command {
  const command = new Command("order")
    .description("send one signed order to a gateway: the output and the executor's receipt come at once")
    .option(
      "--gateway <urls>",
      "the executor's gateway; several, separated by commas: the next is asked when one does not answer",
      "http://127.0.0.1:8701",
    )
    .option("--program <root>", "what to run; default: the only one that is served", hash)
    .option("--max-price <amount>", "most token units to pay; default: what the gateway asks", amount)
    .option("--deposit <amount>", "add to the prepaid balance first", amount)
    .option("--records <file>", "where orders and receipts are kept", ".assay/orders.jsonl")
    .option("--seconds <n>", "how long to wait for the answer", integer(1), 60);
  return withExample(
    withAccount(withChain(withInputs(command))),
    "assay order --sample 3 --deposit 1000000000000000000 --account 2",
    "assay order --program 0x12ab… --inputs image.json --account 2 --json",
  ).action(runOrder);
}

async function runOrder(options: Options): Promise<void> {
  const { client, deployment, account } = await connectAccount(options);
  const records = fileRecords(options.records);
  const gateway = options.gateway.split(",").map((url) => rpcUrl(url.trim()));
  const assay = await createAssayClient({ gateway, client, deployment, account, records });
  const served = await assay.programs();
  const [only, ...more] = served;
  const programRoot = options.program ?? (more.length === 0 ? only?.programRoot : undefined);
  if (programRoot === undefined)
    throw new AssayError("PROGRAM_MISSING", `the gateway serves ${served.length} programs`, {
      hint: `name one with --program: ${served.map((each) => each.programRoot).join(", ")}`,
    });
  const inputs = await inputsFor(options, await publishedProgram(client, deployment, programRoot));
  if (options.deposit !== undefined) {
    progress(`adding ${options.deposit} token units to the prepaid balance`);
    await assay.deposit(options.deposit);
  }
  const { orderHash, outputs, record } = await assay.order({
    programRoot,
    inputs,
    seconds: options.seconds,
    ...(options.maxPrice !== undefined && { maxPrice: options.maxPrice }),
  });
  const receipt = record.receipt!;
  const tensors = Object.fromEntries(Object.entries(outputs).map(([name, t]) => [name, tensorJson(t)]));
  print(
    options.json,
    { orderHash, programRoot, price: record.order.price, receipt, outputs: tensors },
    () => [
      ...tensorLines(tensors),
      "",
      `order     ${orderHash}`,
      `executor  ${record.order.executor}, for ${record.order.price} token units`,
      `receipt   kept in ${options.records}: a claim of these outputs is on the chain before ${time(receipt.claimBy)}`,
    ],
  );
}
