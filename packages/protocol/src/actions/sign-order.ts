import type { Account, Address, Hash, Hex, TypedDataDefinition } from "viem";
import { signTypedData } from "viem/actions";
import { AssayError } from "@assay/tensor";
import type { AssayClient } from "../client.ts";
import { toAssayError } from "../errors.ts";
import {
  type Order,
  type OrderDomain,
  orderHash,
  orderTypedData,
  type Receipt,
  receiptHash,
  receiptTypedData,
  type Voucher,
  voucherHash,
  voucherTypedData,
} from "../orders.ts";

interface Signer {
  deployment: OrderDomain;
  /** Default: the client's. */
  account?: Account;
}

export interface SignOrderParameters extends Signer {
  order: Order;
}

export interface SignOrderReturnType {
  orderHash: Hash;
  signature: Hex;
}

/**
 * Signs an order as its requester (EIP-712). No transaction is sent.
 * Errors: `WRONG_SIGNER` when the account is not the order's requester.
 *
 * @example
 * const { orderHash, signature } = await signOrder(client, { deployment, order });
 */
export async function signOrder(
  client: AssayClient,
  { deployment, order, account = client.account }: SignOrderParameters,
): Promise<SignOrderReturnType> {
  const signature = await sign(
    client,
    account,
    order.requester,
    "an order",
    orderTypedData(deployment, order),
  );
  return { orderHash: orderHash(deployment, order), signature };
}

export interface SignReceiptParameters extends Signer {
  receipt: Receipt;
  /** The order's, who signs. */
  executor: Address;
}

export interface SignReceiptReturnType {
  receiptHash: Hash;
  signature: Hex;
}

/**
 * Signs a receipt as the order's executor (EIP-712). It binds: the claim must be in a batch, with this output and no
 * other, or stake can be slashed. So write it down before it is sent, and never sign two for one order.
 * Errors: `WRONG_SIGNER` when the account is not the executor.
 *
 * @example
 * const { signature } = await signReceipt(client, { deployment, receipt, executor: order.executor });
 */
export async function signReceipt(
  client: AssayClient,
  { deployment, receipt, executor, account = client.account }: SignReceiptParameters,
): Promise<SignReceiptReturnType> {
  const signature = await sign(client, account, executor, "a receipt", receiptTypedData(deployment, receipt));
  return { receiptHash: receiptHash(deployment, receipt), signature };
}

export interface SignVoucherParameters extends Signer {
  voucher: Voucher;
}

export interface SignVoucherReturnType {
  voucherHash: Hash;
  signature: Hex;
}

/**
 * Signs a voucher as its requester (EIP-712): all that it has ever owed the executor, orders that are already paid
 * included.
 * Errors: `WRONG_SIGNER` when the account is not the voucher's requester.
 *
 * @example
 * const { signature } = await signVoucher(client, { deployment, voucher });
 */
export async function signVoucher(
  client: AssayClient,
  { deployment, voucher, account = client.account }: SignVoucherParameters,
): Promise<SignVoucherReturnType> {
  const signature = await sign(
    client,
    account,
    voucher.requester,
    "a voucher",
    voucherTypedData(deployment, voucher),
  );
  return { voucherHash: voucherHash(deployment, voucher), signature };
}

async function sign(
  client: AssayClient,
  account: Account | undefined,
  expected: Address,
  what: string,
  typedData: unknown,
): Promise<Hex> {
  if (account?.address.toLowerCase() !== expected.toLowerCase())
    throw new AssayError(
      "WRONG_SIGNER",
      `${what} is signed by ${expected}, not by ${account?.address ?? "nobody"}`,
    );
  try {
    return await signTypedData(client, { account, ...(typedData as TypedDataDefinition) });
  } catch (error) {
    throw toAssayError(error);
  }
}
