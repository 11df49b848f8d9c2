/** Orders with receipts as the store takes them, signed by nobody. */
import { keccak256, toHex } from "viem";
import type { Placing } from "../src/state.ts";

export const hash = (text: string) => keccak256(toHex(text));
export const alice = "0x00000000000000000000000000000000000A11cE";
const executor = "0x000000000000000000000000000000000000E8ec";

export function placing(n: number, price: bigint, cumulative: bigint, nonce = BigInt(n)): Placing {
  const order = { requester: alice, executor, programRoot: hash("p"), inputRoot: hash("i"), price, deadline: 2n ** 40n, nonce } as const; // prettier-ignore
  const orderHash = hash(`order ${n}`);
  return {
    placed: {
      orderHash,
      order,
      orderSignature: "0x01",
      receipt: { orderHash, outputRoot: hash(`output ${n}`), claimBy: 1000n + BigInt(n) },
      receiptSignature: "0x02",
      claimId: hash(`claim ${n}`),
    },
    voucher: { requester: alice, executor, cumulative },
    voucherSignature: toHex(`voucher ${cumulative}`),
  };
}
