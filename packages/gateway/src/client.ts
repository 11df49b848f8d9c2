import {
  approve,
  batchMarketAbi,
  type AssayClient as ChainClient,
  type Deployment,
  forceInclude,
  fundChannel,
  getTerms,
  type Order,
  type OrderDomain,
  orderHash,
  orderTypedData,
  portTensors,
  publishedProgram,
  type PublishedProgram,
  receiptTypedData,
  settleMissing,
  splitStored,
  storedInputs,
  type Voucher,
  voucherTypedData,
} from "@assay/protocol";
import { AssayError, concatBytes, RootTree, type Tensor, tensorRoot } from "@assay/tensor";
import { randomBytes } from "node:crypto";
import {
  type Address,
  bytesToBigInt,
  encodeFunctionData,
  erc20Abi,
  type Hex,
  isAddressEqual,
  type LocalAccount,
  recoverTypedDataAddress,
  toHex,
} from "viem";
import { getBlock } from "viem/actions";
import { Connections, isRefusal } from "./connections.ts";
import { type OrderRecord, type OrderRecords, memoryRecords } from "./records.ts";
import { ShownClaims } from "./shown.ts";
import { type AnsweredOrder, parseReceipt, type ServedProgram, wireJson } from "./wire.ts";

/**
 * Whose orders they are: an account with a key, or a smart-contract wallet (viem's SmartAccount, or whatever makes
 * signatures that the wallet acknowledges by EIP-1271). A wallet's channel is funded by the wallet (`depositCalls`).
 */
export type RequesterAccount = Pick<LocalAccount, "address" | "signTypedData">;

export interface AssayClientOptions {
  /** Address of an executor's gateway, or of several: when one does not answer, the next is sent the same order. */
  gateway: string | readonly string[];
  /** Reads the chain, and sends deposits and `forceInclude`. */
  client: ChainClient;
  deployment: Deployment;
  /** Signs orders and vouchers, and pays. */
  account: RequesterAccount;
  /** Where orders and receipts are kept. Default: in memory, which is to trust the executor. */
  records?: OrderRecords;
  /** Seconds that an executor may let pass between its receipt and the claim. Default 3,600. */
  maxClaimSeconds?: number;
  /** Milliseconds for an answer of one gateway. Default 60,000; of several 25,000 each. */
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
  readonly #nonces = new Set<bigint>();
  readonly #connections: Connections;
  readonly #shown: ShownClaims;
  #served: Promise<ServedProgram[]> | undefined;
  #clock = { at: 0, ahead: 0n };

  constructor(options: AssayClientOptions, records: OrderRecords) {
    this.#options = options;
    this.#records = records;
    const { chainId, batchMarket } = options.deployment;
    this.#domain = { chainId, batchMarket };
    const { gateway, client, deployment, timeout } = options;
    this.#connections = new Connections(typeof gateway === "string" ? [gateway] : gateway, timeout);
    this.#shown = new ShownClaims(this.#connections, client, deployment);
  }

  async load(): Promise<void> {
    for (const record of await this.#records.load()) {
      this.#known.set(record.orderHash, record);
      this.#nonces.add(record.order.nonce);
    }
  }

  /** Every order sent so far. */
  get records(): OrderRecord[] {
    return [...this.#known.values()];
  }

  /** What the gateway serves. */
  programs(): Promise<ServedProgram[]> {
    this.#served ??= this.#connections.get("/v1/programs") as Promise<ServedProgram[]>;
    this.#served.catch(() => (this.#served = undefined));
    return this.#served;
  }

  async order(options: OrderOptions): Promise<OrderResult> {
    const { account } = this.#options;
    const { programRoot, inputs } = options;
    const [program, served] = await Promise.all([this.#program(programRoot), this.#offer(programRoot)]);
    const stored = storedInputs(program, inputs);
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
      nonce: this.#nonce(),
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
    const [signature, voucherSignature] = await Promise.all([
      account.signTypedData(orderTypedData(this.#domain, order)),
      account.signTypedData(voucherTypedData(this.#domain, voucher)),
    ]).catch((error: unknown) => {
      this.#known.delete(hash); // nobody has seen it
      throw error;
    });
    Object.assign(record, { signature, voucherSignature });
    await this.#records.save(record);
    return this.#answered(record, program, stored);
  }

  /**
   * Sends an order again that got no answer, as it was: the same order, with the same signatures, gets the same receipt.
   * A new one would be another order, to be paid as well.
   */
  async resend(record: OrderRecord, inputs: OrderOptions["inputs"]): Promise<OrderResult> {
    const known = this.#known.get(record.orderHash) ?? record;
    const { order, signature, voucherSignature } = known;
    if (signature === undefined || voucherSignature === undefined)
      throw new AssayError("RECORD_INCOMPLETE", "the order was never signed, and so never sent");
    const program = await this.#program(order.programRoot);
    const stored = storedInputs(program, inputs);
    if (rootOver(stored) !== order.inputRoot)
      throw new AssayError("INPUTS_MISMATCH", "these are not the inputs of the order");
    this.#known.set(known.orderHash, known);
    return this.#answered(known, program, stored);
  }

  /** Sends an order that is signed and kept, and checks the answer. */
  async #answered(
    record: OrderRecord,
    program: PublishedProgram,
    stored: Uint8Array[],
  ): Promise<OrderResult> {
    const { orderHash: hash, order, signature, voucher, voucherSignature } = record;
    const form = new FormData();
    form.set("order", wireJson({ order, signature, voucher, voucherSignature }));
    form.set("inputs", new Blob([concatBytes(stored)]), "inputs");
    const expired = () => BigInt(Math.floor(Date.now() / 1000)) > order.deadline;
    try {
      const answer = await this.#connections.send(form, expired);
      return { orderHash: hash, outputs: await this.#checked(record, program, answer), record };
    } catch (error) {
      // Refused: nothing is owed. Anything else may have reached a gateway, and stays counted.
      if (isRefusal(error) && record.state === "sent") {
        record.state = "refused";
        await this.#records.save(record);
      }
      throw error;
    }
  }

  /** One that no order of ours has: two orders with one nonce would be two to pay, and a gateway takes only one. */
  #nonce(): bigint {
    for (;;) {
      const nonce = bytesToBigInt(randomBytes(8));
      if (this.#nonces.has(nonce)) continue;
      this.#nonces.add(nonce);
      return nonce;
    }
  }

  /**
   * Adds to the prepaid balance that vouchers to this gateway's executor draw on. Approves the StakeManager for it. Throws
   * `WRONG_SIGNER` when the client sends for another account than the requester: the channel would be that one's.
   */
  async deposit(amount: bigint): Promise<Hex> {
    const { client, deployment, account } = this.#options;
    const from = client.account?.address;
    if (from !== undefined && !isAddressEqual(from, account.address))
      throw new AssayError("WRONG_SIGNER", `the channel is funded by ${account.address}, not by ${from}`, {
        hint: "a smart-contract wallet makes the calls that depositCalls returns",
      });
    const executor = await this.#executor();
    await approve(client, { deployment, amount });
    return (await fundChannel(client, { deployment, executor, amount })).receipt.transactionHash;
  }

  /** The calls by which a smart-contract wallet adds to its prepaid balance: the approval, then the deposit. */
  async depositCalls(amount: bigint): Promise<{ to: Address; data: Hex }[]> {
    const { token, stakeManager, batchMarket } = this.#options.deployment;
    const approval = { abi: erc20Abi, functionName: "approve", args: [stakeManager, amount] } as const;
    const args = [await this.#executor(), amount] as const;
    return [
      { to: token, data: encodeFunctionData(approval) },
      {
        to: batchMarket,
        data: encodeFunctionData({ abi: batchMarketAbi, functionName: "fund", args }),
      },
    ];
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
  isPosted(record: OrderRecord): Promise<boolean> {
    return this.#shown.isPosted(record);
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

  async #executor(): Promise<Address> {
    const [served] = await this.programs();
    if (served === undefined) throw new AssayError("PROGRAM_NOT_SERVED", "the gateway serves nothing");
    return served.executor;
  }

  /** Checks an answer and keeps its receipt; throws `RECEIPT_INVALID` or `OUTPUTS_MISMATCH`. */
  async #checked(
    record: OrderRecord,
    program: PublishedProgram,
    answer: AnsweredOrder,
  ): Promise<Record<string, Tensor>> {
    const { order } = record;
    const receipt = parseReceipt(answer.receipt);
    const invalid = (what: string) =>
      new AssayError("RECEIPT_INVALID", `the gateway's receipt is no good: ${what}`, {
        hint: "treat the order as unanswered; do not use this gateway",
      });
    if (receipt.orderHash !== record.orderHash) throw invalid("it is for another order");
    if (!(answer.outputs instanceof Uint8Array)) throw invalid("it came without outputs");
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
    const outputs = splitStored(program.outputs, answer.outputs);
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
      throw new AssayError("PROGRAM_NOT_SERVED", `the gateway does not serve ${programRoot}`);
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
}

function rootOver(stored: readonly Uint8Array[]): Hex {
  return toHex(new RootTree(stored.map(tensorRoot)).root);
}
