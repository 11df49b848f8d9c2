import {
  approve,
  type AssayClient as ChainClient,
  type BatchEntry,
  type BatchHeader,
  batchMarketAbi,
  ContractError,
  decodeBlobs,
  type Deployment,
  encodeEntry,
  ENTRIES_PER_BLOB,
  forceInclude,
  fundChannel,
  getBatch,
  getTerms,
  isBlob,
  portTensors,
  publishedProgram,
  type PublishedProgram,
  settleMissing,
  splitStored,
  toAssayError,
} from "@assay/protocol";
import { fetchBytes } from "@assay/service";
import { AssayError, RootTree, type Tensor, tensorRoot, toStored } from "@assay/tensor";
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type Address,
  bytesToBigInt,
  bytesToHex,
  type Hex,
  type LocalAccount,
  recoverTypedDataAddress,
  toHex,
} from "viem";
import { getBlock, readContract } from "viem/actions";
import type { Inclusion } from "./book.ts";
import { type OrderRecord, type OrderRecords, memoryRecords } from "./records.ts";
import {
  type OrderDomain,
  type Order,
  orderHash,
  orderTypedData,
  receiptTypedData,
  type Voucher,
  voucherTypedData,
} from "@assay/protocol";
import { type OrderAnswer, parseReceipt, type ServedProgram, wireJson } from "./wire.ts";

/** How often an order is sent when the gateway does not answer. */
const TRIES = 3;

export interface AssayClientOptions {
  /** Address of an executor's gateway. */
  gateway: string;
  /** Reads the chain, and sends deposits and `forceInclude`. */
  client: ChainClient;
  deployment: Deployment;
  /** Signs orders and vouchers, and pays. */
  account: LocalAccount;
  /** Where orders and receipts are kept. Default: in memory, which is to trust the executor. */
  records?: OrderRecords;
  /** Seconds that an executor may let pass between its receipt and the claim. Default 3,600. */
  maxClaimSeconds?: number;
  /** Milliseconds for an answer. Default 60,000. */
  timeout?: number;
}

export interface OrderOptions {
  programRoot: Hex;
  /** By name. */
  inputs: Readonly<Record<string, Tensor>>;
  /** Token units; default: what the gateway asks. */
  price?: bigint;
  /** Highest price to pay; throws `PRICE_TOO_HIGH` when the gateway asks more. Default: any. */
  maxPrice?: bigint;
  /** Seconds for an answer. Default 60. */
  seconds?: number;
}

export interface OrderResult {
  orderHash: Hex;
  /** By name. */
  outputs: Record<string, Tensor>;
  record: OrderRecord;
}

/**
 * Asks an executor's gateway for inferences, off-chain: signs the order and the voucher that pays for it, checks the
 * answer against the executor's signature and keeps the receipt.
 *
 * @example
 * const assay = await createAssayClient({ gateway, client, deployment, account });
 * const { outputs } = await assay.order({ programRoot, inputs: { pixels } });
 * await assay.settle(); // now and then: forces claims that were promised and not posted
 */
export async function createAssayClient(options: AssayClientOptions): Promise<AssayOrders> {
  const records = options.records ?? memoryRecords();
  const orders = new AssayOrders(options, records);
  await orders.load();
  return orders;
}

export class AssayOrders {
  readonly #options: AssayClientOptions;
  readonly #records: OrderRecords;
  readonly #domain: OrderDomain;
  readonly #programs = new Map<Hex, Promise<PublishedProgram>>();
  readonly #known = new Map<Hex, OrderRecord>();
  /** Entries of blobs, by versioned hash. */
  readonly #blobs = new Map<Hex, (BatchEntry | undefined)[]>();
  #served: Promise<ServedProgram[]> | undefined;
  #clock = { at: 0, ahead: 0n };

  constructor(options: AssayClientOptions, records: OrderRecords) {
    this.#options = options;
    this.#records = records;
    const { chainId, batchMarket } = options.deployment;
    this.#domain = { chainId, batchMarket };
  }

  async load(): Promise<void> {
    for (const record of await this.#records.load()) this.#known.set(record.orderHash, record);
  }

  /** Every order sent so far. */
  get records(): OrderRecord[] {
    return [...this.#known.values()];
  }

  /** What the gateway serves. */
  programs(): Promise<ServedProgram[]> {
    this.#served ??= this.#fetch("/v1/programs") as Promise<ServedProgram[]>;
    this.#served.catch(() => (this.#served = undefined));
    return this.#served;
  }

  async order(options: OrderOptions): Promise<OrderResult> {
    const { account } = this.#options;
    const { programRoot, inputs } = options;
    const [program, served] = await Promise.all([this.#program(programRoot), this.#offer(programRoot)]);
    const stored = program.inputs.map((port) => {
      const value = inputs[port.name];
      if (value?.dtype !== port.dtype || value.dims.join() !== port.dims.join())
        throw new AssayError(
          "INPUT_SHAPE",
          `input "${port.name}" must have the shape [${port.dims.join(", ")}]`,
        );
      return toStored(value, port.layout);
    });
    const price = options.price ?? BigInt(served.price);
    if (options.maxPrice !== undefined && price > options.maxPrice)
      throw new AssayError("PRICE_TOO_HIGH", `the gateway asks ${price}, more than ${options.maxPrice}`);
    const order: Order = {
      requester: account.address,
      executor: served.executor,
      programRoot,
      inputRoot: rootOver(stored),
      price,
      deadline: (await this.#now()) + BigInt(options.seconds ?? 60),
      nonce: bytesToBigInt(randomBytes(8)),
    };
    const hash = orderHash(this.#domain, order);
    // Counted from here on: the orders sent at the same time must be covered by the later ones' vouchers.
    const voucher: Voucher = {
      requester: account.address,
      executor: served.executor,
      cumulative: this.#owed(served.executor) + price,
    };
    const record: OrderRecord = { orderHash: hash, order, voucher, state: "sent" };
    this.#known.set(hash, record);
    try {
      const [signature, voucherSignature] = await Promise.all([
        account.signTypedData(orderTypedData(this.#domain, order)),
        account.signTypedData(voucherTypedData(this.#domain, voucher)),
      ]);
      Object.assign(record, { signature });
      await this.#records.save(record);
      const bytes = new Uint8Array(Buffer.concat(stored));
      const answer = await this.#send({ order, signature, voucher, voucherSignature }, bytes);
      const outputs = await this.#checked(record, program, answer);
      return { orderHash: hash, outputs, record };
    } catch (error) {
      // Refused: nothing is owed. Anything else may have reached the gateway, and stays counted.
      if (isRefusal(error)) {
        record.state = "refused";
        await this.#records.save(record);
      }
      throw error;
    }
  }

  /** Adds to the prepaid balance that vouchers to this gateway's executor draw on. Approves the StakeManager for it. */
  async deposit(amount: bigint): Promise<Hex> {
    const { client, deployment } = this.#options;
    const executor = await this.#executor();
    await approve(client, { deployment, amount });
    return (await fundChannel(client, { deployment, executor, amount })).receipt.transactionHash;
  }

  /**
   * Looks whether claims that were promised are on the chain, and demands there those that are not though their time is
   * over (`forceInclude`, which takes a bond: back when the executor had not posted it). Resolves to the demanded ones.
   */
  async settle(): Promise<OrderRecord[]> {
    const { timestamp } = await getBlock(this.#options.client);
    const forced: OrderRecord[] = [];
    for (const record of this.#known.values()) {
      if (record.state !== "promised") continue;
      if (await this.isPosted(record)) record.state = "posted";
      else if (timestamp >= record.receipt!.claimBy) {
        await this.forceInclude(record);
        record.state = "forced";
        forced.push(record);
      } else continue;
      await this.#records.save(record);
    }
    return forced;
  }

  /**
   * Whether the claim that a receipt promised is in a batch on the chain. The gateway says where; the chain is asked
   * whether that is so.
   */
  async isPosted({ orderHash: hash, order, receipt }: OrderRecord): Promise<boolean> {
    const { client, deployment } = this.#options;
    const shown = await this.#inclusion(hash);
    if (shown === undefined) return false;
    const { header, index, entry, opening } = shown;
    const same =
      header.executor.toLowerCase() === order.executor.toLowerCase() &&
      entry.orderHash === hash &&
      entry.outputRoot === receipt?.outputRoot &&
      entry.inputRoot === order.inputRoot &&
      header.programRoots[entry.program] === order.programRoot;
    if (!same) return false;
    if (opening === undefined)
      return this.#isInBlob({ ...header, nonce: BigInt(header.nonce) }, index, entry);
    try {
      await readContract(client, {
        address: deployment.batchMarket,
        abi: batchMarketAbi,
        functionName: "requireEntry",
        args: [{ ...header, nonce: BigInt(header.nonce) }, BigInt(index), entry, opening],
      });
      return true;
    } catch (cause) {
      const error = toAssayError(cause);
      if (error instanceof ContractError) return false;
      throw error;
    }
  }

  /** An entry of a blob batch is shown by the blob itself, which the versioned hash checks. */
  async #isInBlob(header: BatchHeader, index: number, entry: BatchEntry): Promise<boolean> {
    const { client, deployment } = this.#options;
    const hash = header.blobHashes[Math.floor(index / ENTRIES_PER_BLOB)];
    if (hash === undefined || index >= header.count) return false;
    if ((await getBatch(client, { deployment, header })) === undefined) return false;
    let entries = this.#blobs.get(hash);
    if (entries === undefined) {
      const limit = 131_072;
      const url = `${this.#options.gateway.replace(/\/$/, "")}/v1/blobs/${hash}`;
      const bytes = await fetchBytes(url, { limit }).catch(() => undefined);
      if (bytes?.length !== limit || !(await isBlob(bytesToHex(bytes), hash))) return false;
      entries = decodeBlobs([bytesToHex(bytes)], ENTRIES_PER_BLOB);
      this.#blobs.set(hash, entries);
      if (this.#blobs.size > 16) this.#blobs.delete(this.#blobs.keys().next().value!);
    }
    const there = entries[index % ENTRIES_PER_BLOB];
    const encoded = encodeEntry(entry);
    return there !== undefined && Buffer.compare(encodeEntry(there), encoded) === 0;
  }

  /** Demands the claim of a receipt on the chain; its bond is pulled from the account. */
  async forceInclude({ order, receipt, receiptSignature }: OrderRecord): Promise<Hex> {
    const { client, deployment } = this.#options;
    if (receipt === undefined || receiptSignature === undefined)
      throw new AssayError("RECEIPT_MISSING", "an order without a receipt has no claim to demand");
    const { challengeBond } = await getTerms(client, {
      deployment: { ...deployment, inferenceMarket: deployment.batchMarket },
    });
    await approve(client, { deployment, amount: challengeBond });
    const parameters = { deployment, order, signedReceipt: receipt, signature: receiptSignature };
    return (await forceInclude(client, parameters)).receipt.transactionHash;
  }

  /** Ends a demand that the executor has not answered: it is slashed, and this account compensated. */
  async settleMissing({ order, receipt }: OrderRecord): Promise<Hex> {
    const { client, deployment } = this.#options;
    const ended = await settleMissing(client, { deployment, order, signedReceipt: receipt! });
    return ended.receipt.transactionHash;
  }

  async #inclusion(hash: Hex): Promise<WireInclusion | undefined> {
    try {
      return (await this.#fetch(`/v1/orders/${hash}/inclusion`)) as WireInclusion;
    } catch (error) {
      // Not there, or not answering: for the requester it is all the same.
      if (error instanceof AssayError) return undefined;
      throw error;
    }
  }

  async #executor(): Promise<Address> {
    const [served] = await this.programs();
    if (served === undefined) throw new AssayError("PROGRAM_NOT_SERVED", "the gateway serves nothing");
    return served.executor;
  }

  /** Checks an answer and keeps its receipt; throws `RECEIPT_INVALID` or `OUTPUTS_MISMATCH`. */
  async #checked(
    record: OrderRecord,
    program: PublishedProgram,
    answer: OrderAnswer,
  ): Promise<Record<string, Tensor>> {
    const { order } = record;
    const receipt = parseReceipt(answer.receipt);
    const invalid = (what: string) =>
      new AssayError("RECEIPT_INVALID", `the gateway's receipt is no good: ${what}`, {
        hint: "treat the order as unanswered; do not use this gateway",
      });
    if (receipt.orderHash !== record.orderHash) throw invalid("it is for another order");
    const typed = receiptTypedData(this.#domain, receipt);
    const signer = await recoverTypedDataAddress({ ...typed, signature: answer.signature }).catch(
      () => undefined,
    );
    if (signer !== order.executor) throw invalid(`it is not signed by ${order.executor}`);
    const latest = (await this.#now()) + BigInt(this.#options.maxClaimSeconds ?? 3600);
    // The receipt is kept whatever else is wrong: it is what the executor can be held to.
    Object.assign(record, { receipt, receiptSignature: answer.signature, state: "promised" });
    await this.#records.save(record);
    if (receipt.claimBy > latest) throw invalid(`it promises a claim by ${receipt.claimBy} only`);
    const outputs = splitStored(program.outputs, new Uint8Array(Buffer.from(answer.outputs, "base64")));
    if (rootOver(outputs) !== receipt.outputRoot)
      throw new AssayError("OUTPUTS_MISMATCH", "the outputs are not those that the receipt is about", {
        hint: "do not use them; the claim will be about the receipt's",
      });
    return portTensors(program.outputs, outputs);
  }

  /** The later of this machine's time and the chain's, in Unix seconds. */
  async #now(): Promise<bigint> {
    const machine = BigInt(Math.floor(Date.now() / 1000));
    if (Date.now() - this.#clock.at > 10_000) {
      const { timestamp } = await getBlock(this.#options.client);
      this.#clock = { at: Date.now(), ahead: timestamp > machine ? timestamp - machine : 0n };
    }
    return machine + this.#clock.ahead;
  }

  /** Prices of all orders to an executor that were not refused. */
  #owed(executor: Address): bigint {
    let sum = 0n;
    for (const { order, state } of this.#known.values())
      if (order.executor === executor && state !== "refused") sum += order.price;
    return sum;
  }

  async #offer(programRoot: Hex): Promise<ServedProgram> {
    const offer = (await this.programs()).find((each) => each.programRoot === programRoot);
    if (offer === undefined)
      throw new AssayError("PROGRAM_NOT_SERVED", `${this.#options.gateway} does not serve ${programRoot}`);
    return offer;
  }

  /** From the chain: a gateway could say anything about layouts. */
  #program(programRoot: Hex): Promise<PublishedProgram> {
    let program = this.#programs.get(programRoot);
    if (program === undefined) {
      program = publishedProgram(this.#options.client, this.#options.deployment, programRoot);
      program.catch(() => this.#programs.delete(programRoot));
      this.#programs.set(programRoot, program);
    }
    return program;
  }

  async #send(rest: object, inputs: Uint8Array<ArrayBuffer>): Promise<OrderAnswer> {
    const form = new FormData();
    form.set("order", wireJson(rest));
    form.set("inputs", new Blob([inputs]), "inputs");
    // The same order gets the same receipt, however often it is sent.
    for (let tries = 1; ; tries++)
      try {
        return (await this.#fetch("/v1/orders", { method: "POST", body: form })) as OrderAnswer;
      } catch (error) {
        const passing =
          error instanceof AssayError &&
          ["GATEWAY_UNREACHABLE", "BUSY", "NOT_ACCEPTING", "RECEIPT_PENDING"].includes(error.code);
        if (!passing || tries === TRIES) throw error;
        await sleep(tries * 500);
      }
  }

  async #fetch(path: string, init: RequestInit = {}): Promise<unknown> {
    const { gateway, timeout = 60_000 } = this.#options;
    let response: Response;
    let text: string;
    try {
      response = await fetch(gateway.replace(/\/$/, "") + path, {
        ...init,
        signal: AbortSignal.timeout(timeout),
      });
      text = await response.text();
    } catch (cause) {
      throw new AssayError("GATEWAY_UNREACHABLE", `${gateway} does not answer: ${(cause as Error).message}`, {
        hint: "send the same order again: it gets the same receipt",
        cause,
      });
    }
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      throw new AssayError("GATEWAY_UNREACHABLE", `${gateway} answered ${response.status} and no JSON`);
    }
    if (response.ok) return value;
    const { code, message, hint } =
      (value as { error?: { code?: string; message?: string; hint?: string } }).error ?? {};
    throw new Refusal(
      code ?? `HTTP_${response.status}`,
      message ?? text.slice(0, 200),
      response.status,
      hint,
    );
  }
}

/** An inclusion as JSON. */
interface WireInclusion extends Omit<Inclusion, "header"> {
  header: Omit<BatchHeader, "nonce"> & { nonce: string };
}

/** The gateway's own "no". */
class Refusal extends AssayError {
  readonly status: number;
  constructor(code: string, message: string, status: number, hint?: string) {
    super(code, message, hint === undefined ? {} : { hint });
    this.status = status;
  }
}

/** Whether the gateway has refused an order for good: of one that failed inside it nobody can say. */
function isRefusal(error: unknown): boolean {
  return (
    error instanceof Refusal &&
    (error.status < 500 || ["BUSY", "NOT_ACCEPTING", "MODEL_FAILED"].includes(error.code))
  );
}

function rootOver(stored: readonly Uint8Array[]): Hex {
  return toHex(new RootTree(stored.map(tensorRoot)).root);
}
