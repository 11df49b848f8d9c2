/**
 * The chain that tests run on, a node of their own. `ASSAY_NODE` chooses whose EVM it is: `hardhat` (default; EDR,
 * Rust, in this process) or `anvil` (Foundry's, from npm). Either way with the limits of a real chain: Osaka, 24,576
 * bytes of code, 2^24 gas a transaction (EIP-7825), 60M gas a block.
 */
import { randomUUID } from "node:crypto";
import hre from "hardhat";
import { createTestClient, http } from "viem";
import { type ChainNode, startAnvil } from "./anvil.ts";

export type NodeKind = "hardhat" | "anvil";

export const NODE = kindOf(process.env.ASSAY_NODE ?? "hardhat");

/** Starts a node that serves JSON-RPC over HTTP on a free port. */
export async function startNode(kind: NodeKind = NODE): Promise<ChainNode> {
  if (kind === "anvil") return startAnvil();
  const server = await hre.network.createServer("hardhat", "127.0.0.1", 0);
  const { address, port } = await server.listen();
  return { rpc: `http://${address}:${port}`, close: () => server.close() };
}

/** For Ignition: a journal of its own for each node of chain 31337, and no wait for blocks that nobody mines. */
export const ignitionOptions = () =>
  NODE === "hardhat"
    ? {}
    : {
        deploymentId: `test-${randomUUID()}`,
        config: { requiredConfirmations: 1, blockPollingInterval: 50 },
      };

/** A Hardhat connection to a chain of its own: in this process, or a node of the chosen kind. */
export async function connect(override: { allowBlocksWithSameTimestamp?: boolean } = {}) {
  if (NODE === "hardhat") return hre.network.create({ network: "hardhat", override });
  const node = await startNode();
  const connection = await hre.network.create({
    network: "localhost",
    chainType: "l1",
    override: { url: node.rpc },
  });
  const close = connection.close.bind(connection);
  return Object.assign(connection, {
    close: async () => {
      await close();
      await node.close();
    },
  });
}

/** Mining, time, snapshots: the methods in whose names the two nodes differ are mapped by viem. */
export const controlOf = (rpc: string, kind: NodeKind = NODE) => {
  const client = createTestClient({ mode: kind, transport: http(rpc) });
  return {
    ...client,
    /** One by one: of blocks that it mines at once, Hardhat cannot say what the state was. */
    async mine({ blocks }: { blocks: number }): Promise<void> {
      for (let i = 0; i < blocks; i++) await client.mine({ blocks: 1 });
    },
  };
};

function kindOf(name: string): NodeKind {
  if (name === "hardhat" || name === "anvil") return name;
  throw new Error(`ASSAY_NODE is ${name}; it must be hardhat or anvil`);
}
