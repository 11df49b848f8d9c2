import {
  type AssayClient,
  gasFor,
  type receiptFaultsAbi,
  type refereeAbi,
  toAssayError,
  type Transaction,
  TRANSACTION_GAS_CAP,
  withSidecar,
} from "@assay/protocol";
import { AssayError } from "@assay/tensor";
import {
  type ContractFunctionName,
  type Hash,
  type Hex,
  keccak256,
  type LocalAccount,
  type TransactionReceipt,
} from "viem";
import { estimateGas, getTransactionCount, getTransactionReceipt, sendRawTransaction } from "viem/actions";
import { type Fees, larger, marketFees, raised } from "./fees.ts";
import type { Journal, Sent } from "./journal.ts";
import { errorFields, type Logger } from "./log.ts";
import { MinedLately, type Resendable } from "./mined-lately.ts";
import { pause } from "./time.ts";
import { Turns } from "./turns.ts";

export interface SenderOptions {
  client: AssayClient;
  account: LocalAccount;
  chainId: number;
  log: Logger;
  /** Most wei per gas to pay. Transactions that defend stake or prove a fault are above it. Default: no limit. */
  maxFeePerGas?: bigint;
  /** Milliseconds after which a transaction that is in no block is sent again for more. Default 60,000. */
  stuckAfter?: number;
  /** Most transactions under way at a time. Default 8. */
  inFlight?: number;
  /** Milliseconds between two looks for a receipt. Default 1,000. */
  pollInterval?: number;
  /** Told of each transaction's course. */
  observe?: (event: "sent" | "mined" | "reverted" | "replaced" | "failed", functionName: string) => void;
}

type FunctionOf<abi extends readonly unknown[]> = ContractFunctionName<abi, "nonpayable">;

/** These run against a deadline with money at stake: they go first, and no fee limit holds them up. */
const URGENT: ReadonlySet<string> = new Set<
  FunctionOf<typeof refereeAbi> | FunctionOf<typeof receiptFaultsAbi>
>([
  "revealTrace",
  "answerData",
  "answerInclusion",
  "commitProof",
  "proveElement",
  "proveSegment",
  "proveOutput",
  "proveOutputElement",
  "settleUnrevealed",
  "settleWithheld",
]);

/**
 * Sends transactions of one account: nonces in order, several under way, the same nonce for more when one is stuck, the
 * same bytes again when an answer was lost or a reorg has undone one. What was sent is in the journal before it goes out, so
 * that a process that was killed finds its transactions again and never sends two for one nonce.
 *
 * Transactions with blobs are sent while no others are under way, and the other way round: nodes keep them in a pool of
 * their own, and refuse an account's transaction for one pool while it has some in the other.
 */
export class Sender {
  readonly #options: SenderOptions;
  readonly #turns: Turns;
  readonly #signal: AbortSignal;
  readonly #abort = new AbortController();
  readonly #inFlight = new Map<number, Sent>();
  readonly #mined = new MinedLately();
  #floor = { nonce: 0, until: 0 };
  #journal: Journal | undefined;
  #recovered: Promise<unknown> = Promise.resolve();
  #stuck = 0;
  /** Transactions with blobs, and urgent ones, that wait for the others to be mined. */
  readonly #waiting = { blobs: 0, urgent: 0 };

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#turns = new Turns(options.inFlight ?? 8);
    this.#signal = this.#abort.signal;
  }

  /** Transactions under way, and how many of them have had to be sent for more. */
  get state(): { inFlight: number; stuck: number } {
    return { inFlight: this.#inFlight.size, stuck: this.#stuck };
  }

  /** Keeps what is sent in `journal` from now on, and brings what is in it to an end before anything new goes out. */
  async useJournal(journal: Journal): Promise<void> {
    this.#journal = journal;
    const { log } = this.#options;
    const left = await journal.all();
    if (left.length === 0) return;
    log.info({ nonces: left.map(({ nonce }) => nonce) }, "following transactions of an earlier run");
    for (const sent of left) this.#inFlight.set(sent.nonce, sent);
    this.#recovered = Promise.all(
      left.map((sent) =>
        this.#untilMined(sent, true).catch((error: unknown) =>
          log.warn(
            { nonce: sent.nonce, ...errorFields(error) },
            "an earlier transaction has not gone through",
          ),
        ),
      ),
    );
  }

  /** Sends a transaction and waits for its receipt, whether it reverted or not. Throws the reason if it would revert. */
  async transact(transaction: Transaction): Promise<TransactionReceipt> {
    const { functionName } = transaction;
    const urgent = transaction.urgent === true || URGENT.has(functionName);
    await this.#recovered;
    try {
      for (;;) {
        await this.#untilClear(transaction, urgent);
        const done = await this.#turns.take(urgent);
        try {
          this.#signal.throwIfAborted();
          const sent = await this.#turns.alone(async () =>
            this.#isClear(transaction) ? this.#send(transaction, urgent) : undefined,
          );
          if (sent === undefined) continue;
          this.#options.observe?.("sent", functionName);
          const receipt = await this.#untilMined(sent, urgent);
          this.#options.observe?.(receipt.status === "success" ? "mined" : "reverted", functionName);
          return receipt;
        } finally {
          done();
        }
      }
    } catch (error) {
      this.#options.observe?.("failed", functionName);
      throw toAssayError(error);
    }
  }

  /** Whether no transaction for a node's other pool is under way. */
  #isClear({ sidecar }: Transaction): boolean {
    return [...this.#inFlight.values()].every(
      (sent) => (sent.sidecar === undefined) === (sidecar === undefined),
    );
  }

  async #untilClear(transaction: Transaction, urgent: boolean): Promise<void> {
    const kind = transaction.sidecar !== undefined ? "blobs" : urgent ? "urgent" : undefined;
    // So that blobs get their turn, what is neither urgent nor blobs waits for those that wait already.
    const clear = () => this.#isClear(transaction) && (kind !== undefined || this.#waiting.blobs === 0);
    if (kind !== undefined) this.#waiting[kind]++;
    try {
      while (!clear()) {
        this.#signal.throwIfAborted();
        await pause(Math.min(this.#options.pollInterval ?? 1_000, 100), this.#signal);
      }
    } finally {
      if (kind !== undefined) this.#waiting[kind]--;
    }
  }

  /** Gives up waiting; what is under way is in the journal. */
  stop(): void {
    this.#abort.abort(
      new AssayError("STOPPED", "the service is stopping", { hint: "taken up again at the next start" }),
    );
  }

  async #send(transaction: Transaction, urgent: boolean): Promise<Sent> {
    const { client, account } = this.#options;
    const gas = transaction.gas ?? (await gasFor(client, account, transaction));
    const withBlobs = transaction.sidecar !== undefined;
    let fees = await this.#fees(urgent, withBlobs);
    for (let attempt = 0; ; attempt++) {
      const nonce = await this.#nextNonce();
      const sent = await this.#sign({ ...transaction, nonce, gas, ...fees });
      await this.#journal?.put(sent);
      this.#inFlight.set(nonce, sent);
      const refused = await this.#broadcast(sent);
      if (refused === undefined) return sent;
      this.#inFlight.delete(nonce);
      await this.#journal?.remove(nonce);
      if (attempt === 5) throw refused;
      const text = messageOf(refused);
      if (/underpriced/i.test(text)) fees = raised(fees);
      else if (/nonce/i.test(text)) this.#floor.until = 0;
      else if (/(insufficient|enough) funds/i.test(text))
        throw new AssayError("INSUFFICIENT_FUNDS", "the account cannot pay for the transaction's gas", {
          hint: `send ${account.address} some of the chain's own currency`,
          cause: refused,
        });
      else throw refused;
    }
  }

  /** Undefined once the node may have it; else why it does not. */
  async #broadcast(sent: Resendable): Promise<Error | undefined> {
    try {
      const { raw, sidecar } = sent;
      const serializedTransaction = sidecar === undefined ? raw : withSidecar(raw, sidecar);
      await sendRawTransaction(this.#options.client, { serializedTransaction });
      return undefined;
    } catch (error) {
      const text = messageOf(error);
      if (/already known|already imported|known transaction/i.test(text)) return undefined;
      // A node that mines at once reports a revert as an error. And an answer that was lost says nothing: the same
      // bytes are sent again until there is a receipt.
      const known = toAssayError(error);
      if (known instanceof AssayError && known.code === "RPC_UNREACHABLE") return undefined;
      return (await this.#receipt(sent).catch(() => undefined)) === undefined ? (error as Error) : undefined;
    }
  }

  async #nextNonce(): Promise<number> {
    const { client, account } = this.#options;
    const pending = await getTransactionCount(client, { address: account.address, blockTag: "pending" });
    // Behind a load balancer another node may not have seen our last transactions yet.
    const floor = Date.now() < this.#floor.until ? this.#floor.nonce : 0;
    return Math.max(pending, floor, ...[...this.#inFlight.keys()].map((nonce) => nonce + 1));
  }

  #fees(urgent: boolean, withBlobs: boolean): Promise<Fees> {
    const { client, maxFeePerGas } = this.#options;
    return marketFees(client, urgent ? undefined : maxFeePerGas, withBlobs);
  }

  async #sign(fields: Transaction & Fees & { nonce: number; gas: bigint; hashes?: Hash[] }): Promise<Sent> {
    const { account, chainId } = this.#options;
    const { to, data, nonce, functionName, maxFeePerGas, maxPriorityFeePerGas, legacy } = fields;
    const { sidecar, maxFeePerBlobGas } = fields;
    const gas = fields.gas < TRANSACTION_GAS_CAP ? fields.gas : TRANSACTION_GAS_CAP;
    const common = { chainId, to, data, nonce, gas };
    const raw: Hex = await account.signTransaction(
      legacy
        ? { ...common, type: "legacy", gasPrice: maxFeePerGas }
        : sidecar === undefined || maxFeePerBlobGas === undefined
          ? { ...common, type: "eip1559", maxFeePerGas, maxPriorityFeePerGas }
          : {
              ...common,
              type: "eip4844",
              maxFeePerGas,
              maxPriorityFeePerGas,
              maxFeePerBlobGas,
              blobVersionedHashes: sidecar.versionedHashes,
            },
    );
    const hashes = [...(fields.hashes ?? []), keccak256(raw)];
    return {
      to,
      data,
      functionName,
      nonce,
      gas,
      maxFeePerGas,
      maxPriorityFeePerGas,
      legacy,
      raw,
      hashes,
      ...(sidecar !== undefined && { sidecar }),
      ...(maxFeePerBlobGas !== undefined && { maxFeePerBlobGas }),
    };
  }

  /** Any of the transactions sent for this nonce may be the one that was mined. */
  async #receipt({ hashes }: Resendable): Promise<TransactionReceipt | undefined> {
    for (const hash of [...hashes].reverse())
      try {
        return await getTransactionReceipt(this.#options.client, { hash });
      } catch (error) {
        if ((error as Error).name !== "TransactionReceiptNotFoundError") throw error;
      }
    return undefined;
  }

  async #untilMined(first: Sent, urgent: boolean): Promise<TransactionReceipt> {
    const { log, stuckAfter = 60_000, pollInterval = 1_000 } = this.#options;
    let sent = first;
    let since = Date.now();
    let wasStuck = false;
    let foreign = 0;
    try {
      for (let look = 0; ; look++) {
        try {
          const receipt = await this.#receipt(sent);
          if (receipt !== undefined) {
            this.#keep(sent);
            return receipt;
          }
          const count = await this.#count();
          if (count > sent.nonce && ++foreign >= 5)
            throw new AssayError(
              "TRANSACTION_REPLACED",
              `another transaction of this account has nonce ${sent.nonce}; ${sent.functionName} is void`,
              { hint: "does anything else use this key? Give every service an account of its own" },
            );
          if (count <= sent.nonce) foreign = 0;
          if (Date.now() - since > stuckAfter) {
            since = Date.now();
            if (!wasStuck) this.#stuck++;
            wasStuck = true;
            if (count === sent.nonce) sent = await this.#replace(sent, urgent);
            else if (count < sent.nonce) await this.#fillGap(count, sent.nonce);
          } else if (look % (sent.sidecar === undefined ? 10 : 60) === 9) await this.#broadcast(sent); // in case it was dropped, or never arrived
        } catch (error) {
          if (error instanceof AssayError && error.code === "TRANSACTION_REPLACED") throw error;
          log.warn(
            { nonce: sent.nonce, function: sent.functionName, ...errorFields(error) },
            "cannot look after a transaction; trying again",
          );
        }
        this.#signal.throwIfAborted();
        await pause(Math.min(pollInterval, 20 * 2 ** Math.min(look, 12)), this.#signal);
        this.#signal.throwIfAborted();
      }
    } finally {
      if (wasStuck) this.#stuck--;
      this.#inFlight.delete(sent.nonce);
      if (!this.#signal.aborted) await this.#journal?.remove(sent.nonce).catch(() => undefined);
    }
  }

  #keep(sent: Sent): void {
    this.#floor = { nonce: Math.max(this.#floor.nonce, sent.nonce + 1), until: Date.now() + 15_000 };
    this.#mined.keep(sent);
  }

  #count(): Promise<number> {
    const { client, account } = this.#options;
    return getTransactionCount(client, { address: account.address, blockTag: "latest" });
  }

  /** The same transaction for more. */
  async #replace(sent: Sent, urgent: boolean): Promise<Sent> {
    const { log, maxFeePerGas: limit, observe } = this.#options;
    const market = await this.#fees(true, sent.sidecar !== undefined);
    const old = raised(sent);
    const fees: Fees = {
      legacy: sent.legacy,
      maxFeePerGas: larger(market.maxFeePerGas, old.maxFeePerGas),
      maxPriorityFeePerGas: larger(market.maxPriorityFeePerGas, old.maxPriorityFeePerGas),
      ...(old.maxFeePerBlobGas !== undefined && {
        maxFeePerBlobGas: larger(market.maxFeePerBlobGas ?? 0n, old.maxFeePerBlobGas),
      }),
    };
    const fields = { nonce: sent.nonce, function: sent.functionName };
    // Blobs that are stuck hold up what is urgent: then they are no less so.
    const pressing = urgent || (sent.sidecar !== undefined && this.#waiting.urgent > 0);
    if (limit !== undefined && !pressing && fees.maxFeePerGas > limit) {
      log.warn({ ...fields, maxFeePerGas: limit.toString() }, "transaction is stuck at the fee limit");
      await this.#broadcast(sent);
      return sent;
    }
    const replacement = await this.#sign({ ...sent, ...fees });
    await this.#journal?.put(replacement);
    this.#inFlight.set(sent.nonce, replacement);
    observe?.("replaced", sent.functionName);
    log.warn(
      { ...fields, maxFeePerGas: fees.maxFeePerGas.toString() },
      "transaction is stuck; sent again for more",
    );
    const refused = await this.#broadcast(replacement);
    if (refused !== undefined) log.warn({ ...fields, ...errorFields(refused) }, "the replacement is refused");
    return replacement;
  }

  /**
   * A reorg has undone transactions before one that is under way: the same bytes go out again. What was mined before this
   * process started is not known to it: a transaction of nothing to itself takes its nonce, for the later ones wait on it.
   */
  async #fillGap(from: number, to: number): Promise<void> {
    for (let nonce = from; nonce < to; nonce++) {
      if (this.#inFlight.has(nonce)) continue;
      const known = this.#mined.get(nonce);
      const sent = known ?? (await this.#nothing(nonce));
      const fields = { nonce, function: sent.functionName };
      this.#options.log.warn(fields, "a reorg has undone a transaction; its nonce is used again");
      await this.#broadcast(sent);
    }
  }

  async #nothing(nonce: number): Promise<Sent> {
    const { client, account } = this.#options;
    const { address: to } = account;
    const [fees, gas] = await Promise.all([this.#fees(true, false), estimateGas(client, { account, to })]);
    return this.#sign({ to, data: "0x", functionName: "nothing", nonce, gas, ...fees });
  }
}

/** What the node said, however viem has wrapped it. */
function messageOf(error: unknown): string {
  const parts: string[] = [];
  for (let at: unknown = error; at instanceof Error && parts.length < 8; at = at.cause) {
    const { details, message } = at as { details?: unknown; message: string };
    parts.push(typeof details === "string" ? details : message.slice(0, 500));
  }
  return parts.join(" ");
}
