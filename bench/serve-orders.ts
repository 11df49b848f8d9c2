/** Signed orders for `bench:serve`, made before the clock starts, and how they are sent. */
import { Agent, request } from "node:http";
import { randomInputs, storedInputs } from "@assay/execution";
import { wireJson } from "@assay/gateway";
import { orderTypedData, type Voucher, voucherTypedData } from "@assay/protocol";
import { rootOf } from "@assay/service";
import type { Published, Scene } from "../test/actors/scene.ts";

/** Token units; a multiple of the market's price unit. */
export const PRICE = 10n ** 9n;

/** Bodies are multipart, as the SDK's client sends them; their bytes are made before the clock starts. */
const BOUNDARY = "assay-bench-serve";
const HEADERS = {
  "content-type": `multipart/form-data; boundary=${BOUNDARY}`,
  accept: "application/octet-stream",
};

function multipart(order: string, inputs: Uint8Array): Uint8Array {
  const head = (disposition: string) =>
    `--${BOUNDARY}\r\ncontent-disposition: form-data; ${disposition}\r\n\r\n`;
  return Buffer.concat([
    Buffer.from(`${head('name="order"')}${order}\r\n${head('name="inputs"; filename="inputs"')}`),
    inputs,
    Buffer.from(`\r\n--${BOUNDARY}--\r\n`),
  ]);
}

/** Signs orders of a model, each with a voucher for all before it and itself. */
export class Orders {
  readonly #scene: Scene;
  readonly #published: Published;
  readonly #stored: Uint8Array[];
  #sent = 0n;

  constructor(scene: Scene, published: Published) {
    this.#scene = scene;
    this.#published = published;
    const { program } = published.model;
    this.#stored = storedInputs(program, randomInputs(program.inputs, 1));
  }

  async sign(count: number): Promise<Uint8Array[]> {
    const { people, deployment } = this.#scene;
    const { account } = people.requester;
    const domain = { chainId: deployment.chainId, batchMarket: deployment.batchMarket };
    const inputRoot = rootOf(this.#stored);
    const inputs = Buffer.concat(this.#stored);
    const signed: Uint8Array[] = [];
    for (let i = 0; i < count; i++) {
      const nonce = ++this.#sent;
      const common = { requester: account.address, executor: people.executor.account.address };
      const order = {
        ...common,
        programRoot: this.#published.model.programRoot,
        inputRoot,
        price: PRICE,
        deadline: BigInt(Math.floor(Date.now() / 1000) + 3600),
        nonce,
      };
      const voucher: Voucher = { ...common, cumulative: PRICE * nonce };
      const [signature, voucherSignature] = await Promise.all([
        account.signTypedData(orderTypedData(domain, order)),
        account.signTypedData(voucherTypedData(domain, voucher)),
      ]);
      signed.push(multipart(wireJson({ order, signature, voucher, voucherSignature }), inputs));
    }
    return signed;
  }
}

/** Posts an order and reads the answer without keeping it: `fetch` would take several times the processor's time. */
function post(url: string, agent: Agent, body: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { ...HEADERS, "content-length": body.length };
    const asked = request(`${url}/v1/orders`, { method: "POST", headers, agent }, (response) => {
      const { statusCode } = response;
      let said = "";
      if (statusCode === 200) response.resume();
      else response.on("data", (chunk: Buffer) => (said += chunk.toString().slice(0, 300)));
      response.once("error", reject);
      response.once("end", () =>
        statusCode === 200 ? resolve() : reject(new Error(`the gateway answered ${statusCode}: ${said}`)),
      );
    });
    asked.once("error", reject);
    asked.end(body);
  });
}

/** Sends orders, `concurrency` at a time, until `seconds` are over or there are none left; milliseconds of each. */
export async function send(url: string, orders: Uint8Array[], concurrency: number, seconds: number) {
  const agent = new Agent({ keepAlive: true, maxSockets: concurrency });
  const started = performance.now();
  const latencies: number[] = [];
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (performance.now() - started < seconds * 1000) {
        const body = orders.shift();
        if (body === undefined) return;
        const before = performance.now();
        await post(url, agent, body);
        latencies.push(performance.now() - before);
      }
    }),
  );
  agent.destroy();
  return { latencies, perSecond: latencies.length / ((performance.now() - started) / 1000) };
}
