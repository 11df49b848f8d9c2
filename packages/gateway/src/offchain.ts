import { type Address, type Hash, hashTypedData, type Hex } from "viem";

/** What a requester asks of one executor. EIP-712, signed by the requester. */
export interface Order {
  requester: Address;
  executor: Address;
  programRoot: Hash;
  inputRoot: Hash;
  /** Token units. */
  price: bigint;
  /** Unix seconds. */
  deadline: bigint;
  nonce: bigint;
}

/** A claim of this order with this output is posted before `claimBy`. Signed by the executor. */
export interface Receipt {
  orderHash: Hash;
  outputRoot: Hash;
  claimBy: bigint;
}

/** All that the requester has ever owed this executor. Signed by the requester. */
export interface Voucher {
  requester: Address;
  executor: Address;
  cumulative: bigint;
}

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

export interface BatchDomain {
  chainId: number;
  batchMarket: Address;
}

function domain({ chainId, batchMarket }: BatchDomain) {
  return { name: "Assay", version: "1", chainId, verifyingContract: batchMarket } as const;
}

export const orderTypedData = (at: BatchDomain, message: Order) =>
  ({ domain: domain(at), types: orderTypes, primaryType: "Order", message }) as const;
export const receiptTypedData = (at: BatchDomain, message: Receipt) =>
  ({ domain: domain(at), types: receiptTypes, primaryType: "Receipt", message }) as const;
export const voucherTypedData = (at: BatchDomain, message: Voucher) =>
  ({ domain: domain(at), types: voucherTypes, primaryType: "Voucher", message }) as const;

export const orderHash = (at: BatchDomain, order: Order): Hex => hashTypedData(orderTypedData(at, order));
export const receiptHash = (at: BatchDomain, receipt: Receipt): Hex =>
  hashTypedData(receiptTypedData(at, receipt));
export const voucherHash = (at: BatchDomain, voucher: Voucher): Hex =>
  hashTypedData(voucherTypedData(at, voucher));
