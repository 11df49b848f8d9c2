import { createWalletClient, custom, type EIP1193Provider, publicActions } from "viem";
import { mnemonicToAccount } from "viem/accounts";
import { hardhat } from "viem/chains";
import { connect } from "../../../test/actors/node.ts";

const MNEMONIC = "test test test test test test test test test test test junk";

/** A chain of its own, with a client for each of the first accounts. */
export async function localChain() {
  const connection = await connect();
  const clients = Array.from({ length: 6 }, (_, addressIndex) =>
    createWalletClient({
      account: mnemonicToAccount(MNEMONIC, { addressIndex }),
      chain: hardhat,
      transport: custom(connection.provider as unknown as EIP1193Provider, { retryCount: 0 }),
      pollingInterval: 20,
    }).extend(publicActions),
  );
  const request = (method: string, params: unknown[] = []) => connection.provider.request({ method, params });
  return {
    clients,
    request,
    /** Lets time pass and mines a block. */
    async pass(seconds: number) {
      await request("evm_increaseTime", [seconds]);
      await request("evm_mine");
    },
    close: () => connection.close(),
  };
}
