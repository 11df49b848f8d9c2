/** A gateway's desk and HTTP server on the digits model, without a chain: its channels hold what the test says. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultLogger, folderPlace, loadModel, ModelBackend, rootOf, type Store } from "@assay/service";
import { float32Tensor, toStored } from "@assay/tensor";
import { createClient, custom, type Hex, type LocalAccount } from "viem";
import { mnemonicToAccount } from "viem/accounts";
import { shippedFile, shippedSamples } from "../../execution/test/models.ts";
import {
  Admission,
  type AdmissionLimits,
  Channels,
  createGatewayServer,
  DEFAULT_LIMITS,
  Desk,
  openGatewayStore,
  type OrderAnswer,
  signer,
  type SubmittedOrder,
  Values,
  wireJson,
} from "@assay/gateway";
import { type Order, orderTypedData, type Voucher, voucherTypedData } from "@assay/protocol";

const MNEMONIC = "test test test test test test test test test test test junk";
export const executor = mnemonicToAccount(MNEMONIC, { addressIndex: 3 });
export const requester = mnemonicToAccount(MNEMONIC, { addressIndex: 2 });
export const domain = { chainId: 31337, batchMarket: "0x00000000000000000000000000000000000ba7c4" } as const;
export const PRICE = 5n;
export const FUNDS = 1_000n;
const log = defaultLogger("test", "silent");

export const model = await loadModel({
  onnx: shippedFile("digits/digits.onnx"),
  shapes: { pixels: [1, 1, 8, 8] },
});
export const backend = new ModelBackend(model);

export function digit(sample: number): Uint8Array {
  const [port] = model.program.inputs;
  const values = shippedSamples()[sample]!.pixels.map((value) => value / 16);
  return toStored(float32Tensor(port!.dims, values), port!.layout);
}

/** Either an answer or an error. */
export type Reply = OrderAnswer & { error?: { code: string; message: string; hint?: string } };

export interface Rig {
  url: string;
  store: Store;
  runs: () => number;
  post(body: unknown): Promise<{ status: number; text: string; json: Reply }>;
  close(): Promise<void>;
}

export async function openRig(
  options: { folder?: string; limits?: Partial<AdmissionLimits>; addressRate?: number } = {},
): Promise<Rig> {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), "assay-desk-")));
  const store = await openGatewayStore({ dataDir: folder });
  const values = new Values(folderPlace(join(folder, "values")));
  const channels = new Channels(store, async () => ({ funds: FUNDS, redeemed: 0n }));
  const now = () => BigInt(Math.floor(Date.now() / 1000));
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const offers = new Map([[model.programRoot, { program: model.program, price: PRICE }]]);
  // No account has code.
  const client = createClient({ transport: custom({ request: async () => "0x" }) });
  const admission = new Admission({
    domain,
    executor: executor.address,
    priceUnit: 1n,
    accepting: () => true,
    room: () => 1_000,
    offers,
    channels,
    client,
    limits,
    now,
  });
  let runs = 0;
  const desk = new Desk({
    store,
    values,
    channels,
    admission,
    offers,
    domain,
    receipts: { sign: signer({ account: executor, domain, claimSeconds: 600n, now }) },
    run: (_, inputs) => (runs++, backend.run(inputs)),
    pending: limits.pending,
    placed: () => undefined,
    log,
  });
  const server = await createGatewayServer({
    store,
    values,
    desk,
    offers,
    executor: executor.address,
    addressRate: options.addressRate ?? 10_000,
    trustProxy: false,
    inclusionOf: () => ({}),
    blobOf: () => zero,
    health: async () => ({ ok: true }),
    answered: () => undefined,
    log,
  });
  const url = await server.listen({ host: "127.0.0.1", port: 0 });
  return {
    url,
    store,
    runs: () => runs,
    async post(body) {
      const response = await fetch(`${url}/v1/orders`, {
        method: "POST",
        ...(body instanceof FormData
          ? { body }
          : {
              body: typeof body === "string" ? body : wireJson(body),
              headers: { "content-type": "application/json" },
            }),
      });
      const text = await response.text();
      return { status: response.status, text, json: JSON.parse(text) as Reply };
    },
    async close() {
      await server.close();
      await store.close();
      if (options.folder === undefined) await rm(folder, { recursive: true, force: true });
    },
  };
}

let nonces = 0n;

export interface Ask {
  by?: LocalAccount;
  order?: Partial<Order>;
  voucher?: Partial<Voucher>;
  inputs?: Uint8Array;
  sample?: number;
}

/** A signed order as the SDK makes one; `order` and `voucher` are changed before they are signed. */
export async function signed(ask: Ask = {}): Promise<SubmittedOrder> {
  const { by = requester, inputs = digit(ask.sample ?? 0) } = ask;
  const order: Order = {
    requester: by.address,
    executor: executor.address,
    programRoot: model.programRoot,
    inputRoot: rootOf([inputs]),
    price: PRICE,
    deadline: BigInt(Math.floor(Date.now() / 1000) + 600),
    nonce: ++nonces,
    ...ask.order,
  };
  const voucher = {
    requester: by.address,
    executor: executor.address,
    cumulative: PRICE * nonces,
    ...ask.voucher,
  };
  return {
    order,
    signature: await by.signTypedData(orderTypedData(domain, order)),
    inputs,
    voucher,
    voucherSignature: await by.signTypedData(voucherTypedData(domain, voucher)),
  };
}

export function body(submitted: SubmittedOrder): Record<string, unknown> {
  return { ...submitted, inputs: Buffer.from(submitted.inputs).toString("base64") };
}

export const zero: Hex = `0x${"00".repeat(32)}`;
