/**
 * `hardhat run scripts/deploy.ts --network localhost`: deploys Assay with the network's first account and writes a
 * deployment file. ASSAY_DEPLOYMENT names the file (default .assay/deployment.json), ASSAY_TOKEN an ERC-20 that exists.
 */
import { network } from "hardhat";
import { deployAssay } from "@assay/cli";
import { DEPLOYMENT_FILE, writeDeployment } from "@assay/protocol";
import { type Address, type EIP1193Provider, createWalletClient, custom } from "viem";

const connection = await network.create();
const transport = custom(connection.provider as unknown as EIP1193Provider);
const [account] = await createWalletClient({ transport }).getAddresses();
if (account === undefined) throw new Error("the network has no account: set `accounts` in hardhat.config.ts");
const token = process.env.ASSAY_TOKEN as Address | undefined;
const deployment = await deployAssay(
  createWalletClient({ account, transport }),
  token === undefined ? {} : { token },
);
const file = process.env.ASSAY_DEPLOYMENT ?? DEPLOYMENT_FILE;
if (connection.networkConfig.type === "http") await writeDeployment(deployment, file);
else console.error("the network ends with this process: no deployment file is written");
for (const [name, value] of Object.entries(deployment)) console.log(`${name.padEnd(16)}${value}`);
