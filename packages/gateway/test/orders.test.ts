/** What the gateway answers to orders: real signatures, model, store and HTTP. */
import { rootOf } from "@assay/service";
import { recoverTypedDataAddress } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseReceipt, type ServedProgram, wireJson } from "@assay/gateway";
import { receiptTypedData } from "@assay/protocol";
import {
  backend,
  body,
  digit,
  domain,
  executor,
  model,
  openRig,
  PRICE,
  type Rig,
  signed,
  zero,
} from "./desk.ts";

let rig: Rig;
beforeAll(async () => {
  rig = await openRig();
});
afterAll(async () => {
  await rig.close();
  await backend.close();
});

async function refused(submitted: unknown, status: number, code: string) {
  const answer = await rig.post(submitted);
  expect({ status: answer.status, code: answer.json.error?.code }).toEqual({ status, code });
  return answer.json.error!;
}

test("an order gets the model's outputs and a receipt that the executor signed", async () => {
  const submitted = await signed({ sample: 3 });
  const { status, json } = await rig.post(body(submitted));
  expect(status).toBe(200);
  const expected = await backend.run([digit(3)]);
  expect(Buffer.from(json.outputs, "base64").equals(Buffer.from(expected[0]!))).toBe(true);
  const receipt = parseReceipt(json.receipt);
  expect(receipt.outputRoot).toBe(rootOf(expected));
  expect(receipt.orderHash).toBe(json.orderHash);
  const typed = receiptTypedData(domain, receipt);
  expect(await recoverTypedDataAddress({ ...typed, signature: json.signature })).toBe(executor.address);
  const order = (await (await fetch(`${rig.url}/v1/orders/${json.orderHash}`)).json()) as object;
  expect(order).toMatchObject({ state: "signed", receiptSignature: json.signature, order: { price: "5" } });
  const inputs = await fetch(`${rig.url}/v1/values/${submitted.order.inputRoot}`);
  expect(Buffer.from(await inputs.arrayBuffer()).equals(Buffer.from(digit(3)))).toBe(true);
});

test("an order as multipart, inputs as they are", async () => {
  const { inputs, ...rest } = await signed({ sample: 4 });
  const form = new FormData();
  form.set(
    "order",
    JSON.stringify(rest, (_, v: unknown) => (typeof v === "bigint" ? String(v) : v)),
  );
  form.set("inputs", new Blob([inputs]), "inputs");
  const { status, json } = await rig.post(form);
  expect(status).toBe(200);
  expect(json.receipt.outputRoot).toBe(rootOf(await backend.run([digit(4)])));
});

test("who asks for bytes gets the outputs as they are, and the receipt in a header", async () => {
  const submitted = body(await signed({ sample: 5 }));
  const text = wireJson(submitted);
  const { json } = await rig.post(submitted);
  const headers = { "content-type": "application/json", accept: "application/octet-stream" };
  const response = await fetch(`${rig.url}/v1/orders`, {
    method: "POST",
    headers,
    body: text,
  });
  const { outputs, ...receipt } = json;
  expect(JSON.parse(response.headers.get("assay-receipt")!)).toEqual(receipt);
  expect(Buffer.from(await response.arrayBuffer()).toString("base64")).toBe(outputs);
  const broken = { method: "POST", headers, body: "{}" };
  const no = (await (await fetch(`${rig.url}/v1/orders`, broken)).json()) as { error: { code: string } };
  expect(no.error.code).toBe("ORDER_MALFORMED");
});

test("the same order gets the same answer, byte for byte, and one run, at once or later", async () => {
  const submitted = body(await signed());
  const before = rig.runs();
  const answers = await Promise.all([1, 2, 3].map(() => rig.post(submitted)));
  answers.push(await rig.post(submitted));
  expect(answers[0]!.status).toBe(200);
  expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
  expect(rig.runs() - before).toBe(1);
});

test("another order under a used nonce is refused", async () => {
  const first = await signed();
  expect((await rig.post(body(first))).status).toBe(200);
  await refused(body(await signed({ order: { nonce: first.order.nonce }, sample: 1 })), 409, "NONCE_USED");
});

test("what is wrong with an order is named", async () => {
  const fine = await signed();
  const other = privateKeyToAccount(generatePrivateKey());
  const now = BigInt(Math.floor(Date.now() / 1000));
  await refused("{", 400, "ORDER_MALFORMED");
  await refused(body({ ...fine, signature: "0x12" as const }), 401, "SIGNATURE_INVALID");
  await refused({ ...body(fine), inputs: "no base64!" }, 400, "ORDER_MALFORMED");
  await refused({ ...body(fine), order: { ...fine.order, price: "-1" } }, 400, "ORDER_MALFORMED");
  await refused(body(await signed({ order: { executor: other.address } })), 400, "WRONG_EXECUTOR");
  await refused(body(await signed({ order: { programRoot: zero } })), 404, "PROGRAM_NOT_SERVED");
  await refused(body(await signed({ order: { price: PRICE - 1n } })), 402, "PRICE_TOO_LOW");
  await refused(body(await signed({ order: { deadline: now - 5n } })), 400, "DEADLINE_PASSED");
  await refused(body(await signed({ order: { deadline: now + 10_000_000n } })), 400, "DEADLINE_TOO_FAR");
  await refused(body(await signed({ inputs: digit(0).subarray(4) })), 400, "INPUTS_SIZE");
  await refused(body(await signed({ order: { inputRoot: zero } })), 400, "INPUTS_MISMATCH");
  await refused(body(await signed({ voucher: { executor: other.address } })), 400, "VOUCHER_MISMATCH");
  await refused(body(await signed({ by: other, voucher: { cumulative: 1n } })), 402, "VOUCHER_TOO_LOW");
  await refused(body(await signed({ by: other, voucher: { cumulative: 10n ** 9n }, order: { price: 5000n } })), 402, "BALANCE_TOO_LOW"); // prettier-ignore
  const forged = await signed({ voucher: { cumulative: 900n } });
  await refused(
    body({ ...forged, voucherSignature: fine.voucherSignature }),
    401,
    "VOUCHER_SIGNATURE_INVALID",
  );
  const nan = digit(0).slice();
  new DataView(nan.buffer).setUint32(0, 0x7fc00000, true);
  const { hint } = await refused(body(await signed({ inputs: nan })), 422, "INPUT_NAN");
  expect(hint).toContain("NaN");
  const huge = { ...body(fine), inputs: "A".repeat(200_000) };
  await refused(huge, 413, "BODY_TOO_LARGE");
  expect((await rig.post(body(fine))).status).toBe(200);
});

test("what an order that failed had set aside is free again", async () => {
  const by = privateKeyToAccount(generatePrivateKey());
  const nan = digit(0).slice();
  new DataView(nan.buffer).setUint32(0, 0x7fc00000, true);
  const voucher = { cumulative: PRICE };
  await refused(body(await signed({ by, voucher, inputs: nan })), 422, "INPUT_NAN");
  expect((await rig.post(body(await signed({ by, voucher })))).status).toBe(200);
  await refused(body(await signed({ by, voucher, sample: 1 })), 402, "VOUCHER_TOO_LOW");
});

test("floods are held off, by address and by stranger", async () => {
  const few = { each: { burst: 3, perSecond: 0.01 }, all: { burst: 100, perSecond: 1 } };
  const small = await openRig({ addressRate: 5, limits: { strangers: few, contracts: few } });
  try {
    const submitted = await signed();
    const forged = body({ ...submitted, order: { ...submitted.order, nonce: 10n ** 9n } });
    const codes = (await Promise.all(Array.from({ length: 30 }, () => small.post(forged)))).map(
      ({ status, json }) => `${status} ${json.error!.message}`,
    );
    const refused = (reason: string) => codes.filter((code) => code === `429 ${reason}`).length;
    // How many of either depends on how long the requests take.
    expect(refused("too many requests from this address")).toBeGreaterThan(0);
    expect(refused("too many orders")).toBeGreaterThan(0);
    expect(refused("too many requests from this address") + refused("too many orders")).toBe(27);
    expect(small.runs()).toBe(0);
  } finally {
    await small.close();
  }
});

test("who pays is no stranger: its orders leave the budget as it was, their repetition does not", async () => {
  const few = { each: { burst: 3, perSecond: 0.001 }, all: { burst: 100, perSecond: 0.001 } };
  const small = await openRig({ limits: { strangers: few } });
  try {
    const statuses = async (count: number, next: () => Promise<unknown>) => {
      const found = [];
      for (let i = 0; i < count; i++) found.push((await small.post(await next())).status);
      return found;
    };
    expect(await statuses(8, async () => body(await signed()))).toEqual(Array(8).fill(200));
    const repeated = body(await signed());
    expect(await statuses(5, () => Promise.resolve(repeated))).toEqual([200, 200, 200, 200, 429]);
    expect(small.runs()).toBe(9);
  } finally {
    await small.close();
  }
});

test("GET /v1/programs says what is served", async () => {
  const [program] = (await (await fetch(`${rig.url}/v1/programs`)).json()) as ServedProgram[];
  expect(program).toMatchObject({ programRoot: model.programRoot, price: "5", executor: executor.address });
  expect(program!.inputs).toMatchObject([
    { name: "pixels", dtype: "float32", dims: [1, 1, 8, 8], size: 256 },
  ]);
  expect((await fetch(`${rig.url}/v1/nothing`)).status).toBe(404);
});
