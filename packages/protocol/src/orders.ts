import type { Address, Hash } from "viem";
import type { Deployment } from "./deployment.ts";
import { structDigest } from "./struct-digest.ts";

/** What off-chain statements are bound to: the chain and its BatchMarket. */
export type OrderDomain = Pick<Deployment, "chainId"> & { batchMarket: Address };

/** A requester's signed order; see docs/batches.md. Amounts in token units, times in seconds. */
export interface Order {
  requester: Address;
  executor: Address;
  programRoot: Hash;
  inputRoot: Hash;
  price: bigint;
  /** The executor need not accept it from then on. */
  deadline: bigint;
  /** Tells otherwise equal orders apart; the requester's choice. */
  nonce: bigint;
}

/** An executor's signed answer: a claim of this order with this output is posted before `claimBy`. */
export interface Receipt {
  /** {@link orderHash} of the order. */
  orderHash: Hash;
  outputRoot: Hash;
  claimBy: bigint;
}

/** A requester's signed promise: all it has ever owed this executor. */
export interface Voucher {
  requester: Address;
  executor: Address;
  /** Token units; never less than in an earlier voucher. */
  cumulative: bigint;
}

/** EIP-712 types of what is signed off-chain. */
export const orderTypes = {
  Order: [
    { name: "requester", type: "address" },
    { name: "executor", type: "address" },
    { name: "programRoot", type: "bytes32" },
    { name: "inputRoot", type: "bytes32" },
    { name: "price", type: "uint128" },
    { name: "deadline", type: "uint64" },
    { name: "nonce", type: "uint64" },
  ],
} as const;
export const receiptTypes = {
  Receipt: [
    { name: "orderHash", type: "bytes32" },
    { name: "outputRoot", type: "bytes32" },
    { name: "claimBy", type: "uint64" },
  ],
} as const;
export const voucherTypes = {
  Voucher: [
    { name: "requester", type: "address" },
    { name: "executor", type: "address" },
    { name: "cumulative", type: "uint128" },
  ],
} as const;

/** The EIP-712 domain of orders, receipts, vouchers, batches and the claims in them. */
export function orderDomain({ chainId, batchMarket }: OrderDomain) {
  return { name: "Assay", version: "1", chainId, verifyingContract: batchMarket } as const;
}

/** An order as EIP-712 typed data, for any wallet to sign. */
export function orderTypedData(deployment: OrderDomain, order: Order) {
  return {
    domain: orderDomain(deployment),
    types: orderTypes,
    primaryType: "Order",
    message: order,
  } as const;
}

/** A receipt as EIP-712 typed data. */
export function receiptTypedData(deployment: OrderDomain, receipt: Receipt) {
  return {
    domain: orderDomain(deployment),
    types: receiptTypes,
    primaryType: "Receipt",
    message: receipt,
  } as const;
}

/** A voucher as EIP-712 typed data. */
export function voucherTypedData(deployment: OrderDomain, voucher: Voucher) {
  return {
    domain: orderDomain(deployment),
    types: voucherTypes,
    primaryType: "Voucher",
    message: voucher,
  } as const;
}

/** An order's EIP-712 digest: what its receipt names, and the `requestId` of its claim. */
export function orderHash(deployment: OrderDomain, order: Order): Hash {
  return structDigest(orderDomain(deployment), "Order", orderTypes.Order, order);
}

/** A receipt's EIP-712 digest. */
export function receiptHash(deployment: OrderDomain, receipt: Receipt): Hash {
  return structDigest(orderDomain(deployment), "Receipt", receiptTypes.Receipt, receipt);
}

/** A voucher's EIP-712 digest. */
export function voucherHash(deployment: OrderDomain, voucher: Voucher): Hash {
  return structDigest(orderDomain(deployment), "Voucher", voucherTypes.Voucher, voucher);
}
