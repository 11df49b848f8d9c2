/** Signed orders as they are sent, made without the SDK's client: the same bytes can be sent anywhere, any number of times. */
import { wireJson } from "@assay/gateway";
import { type Order, orderHash, orderTypedData, voucherTypedData } from "@assay/protocol";
import { rootOf } from "@assay/service";
import type { Hex } from "viem";
import type { Person, Scene } from "./scene.ts";

export interface SignedOrder {
  order: Order;
  hash: Hex;
  /** What `POST /v1/orders` takes. */
  body: string;
}

/** An order of digits sample `nonce`, with a voucher for all that `by` owes then. */
export async function signedOrder(
  scene: Scene,
  given: { by: Person; nonce: number; price: bigint; cumulative: bigint; seconds?: number; executor?: Hex },
): Promise<SignedOrder> {
  const { deployment, people, model } = scene;
  const { by, nonce, price, cumulative, seconds = 600 } = given;
  const { account } = by;
  const domain = { chainId: deployment.chainId, batchMarket: deployment.batchMarket };
  const inputs = scene.inputs(nonce);
  const parties = { requester: account.address, executor: given.executor ?? people.executor.account.address };
  const order: Order = {
    ...parties,
    programRoot: model.programRoot,
    inputRoot: rootOf(inputs),
    price,
    deadline: BigInt(Math.floor(Date.now() / 1000) + seconds),
    nonce: BigInt(nonce),
  };
  const voucher = { ...parties, cumulative };
  const body = wireJson({
    order,
    signature: await account.signTypedData(orderTypedData(domain, order)),
    inputs: Buffer.concat(inputs).toString("base64"),
    voucher,
    voucherSignature: await account.signTypedData(voucherTypedData(domain, voucher)),
  });
  return { order, hash: orderHash(domain, order), body };
}

/** Sends an order; an answer that is none of the gateway's (it died) throws. */
export async function sendOrder(url: string, body: string): Promise<{ status: number; text: string }> {
  const headers = { "content-type": "application/json" };
  const response = await fetch(`${url}/v1/orders`, { method: "POST", body, headers });
  return { status: response.status, text: await response.text() };
}
