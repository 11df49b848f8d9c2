import type { Address, Hex } from "viem";
import type { AssayClient } from "../client.ts";
import {
  type Order,
  type OrderDomain,
  orderHash,
  type Receipt,
  receiptHash,
  type Voucher,
  voucherHash,
} from "../orders.ts";
import { isValidSignature } from "../signatures.ts";

interface Signed {
  deployment: OrderDomain;
  signature: Hex;
}

export interface VerifyOrderParameters extends Signed {
  order: Order;
}

/**
 * Whether an order is signed by its requester, as the contracts judge it (ECDSA or EIP-1271).
 *
 * @example
 * const genuine = await verifyOrder(client, { deployment, order, signature });
 */
export async function verifyOrder(
  client: AssayClient,
  { deployment, order, signature }: VerifyOrderParameters,
): Promise<boolean> {
  return isValidSignature(client, orderHash(deployment, order), signature, order.requester);
}

export interface VerifyReceiptParameters extends Signed {
  receipt: Receipt;
  /** The order's. */
  executor: Address;
}

/** Whether a receipt is signed by the order's executor, as the contracts judge it. */
export async function verifyReceipt(
  client: AssayClient,
  { deployment, receipt, executor, signature }: VerifyReceiptParameters,
): Promise<boolean> {
  return isValidSignature(client, receiptHash(deployment, receipt), signature, executor);
}

export interface VerifyVoucherParameters extends Signed {
  voucher: Voucher;
}

/** Whether a voucher is signed by its requester, as the contracts judge it. */
export async function verifyVoucher(
  client: AssayClient,
  { deployment, voucher, signature }: VerifyVoucherParameters,
): Promise<boolean> {
  return isValidSignature(client, voucherHash(deployment, voucher), signature, voucher.requester);
}
