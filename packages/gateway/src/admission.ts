import { inputSizes, recoverSigner, rootOf, split, type StoredValues } from "@assay/service";
import { AssayError } from "@assay/tensor";
import type { Address, Hex } from "viem";
import { type Budget, Buckets } from "./budget.ts";
import type { Channels } from "./channels.ts";
import {
  type AssayClient,
  isContractSignature,
  type Order,
  type OrderDomain,
  orderHash,
  priceInUnits,
  voucherHash,
} from "@assay/protocol";
import type { Program } from "@assay/program";
import type { SubmittedOrder } from "./wire.ts";

/** A program that orders can name, and what a run of it costs. */
export interface Offer {
  program: Program;
  /** Token units. */
  price: bigint;
}

/** Who sent an order, and what its checks have taken of the budgets for strangers. */
export interface Visitor {
  address: string;
  checks: number;
  calls: number;
}

export interface AdmissionLimits {
  /**
   * Orders to check for one address, and for all together, that come to nothing or are not yet paid for: all the work but
   * reading the body that a stranger can cause. One costs about 0.5 ms.
   */
  strangers: { each: Budget; all: Budget };
  /** Calls to the chain about signatures of contract accounts (EIP-1271), likewise. An order has two signatures. */
  contracts: { each: Budget; all: Budget };
  /** Orders of one signer. */
  signer: Budget;
  /** Orders worked on or waiting at a time. */
  pending: number;
  /** Seconds that must be left to an order's deadline. */
  minSeconds: bigint;
  /** An order's deadline is at most this far away: what is remembered of an order can be forgotten some day. */
  maxSeconds: bigint;
}

export const DEFAULT_LIMITS: AdmissionLimits = {
  strangers: { each: { burst: 200, perSecond: 50 }, all: { burst: 1000, perSecond: 300 } },
  contracts: { each: { burst: 10, perSecond: 1 }, all: { burst: 50, perSecond: 10 } },
  signer: { burst: 2000, perSecond: 1000 },
  pending: 1024,
  minSeconds: 2n,
  maxSeconds: 86_400n,
};

export interface AdmissionContext {
  domain: OrderDomain;
  executor: Address;
  /** Prices are multiples of it, in token units. */
  priceUnit: bigint;
  /** Whether new orders are taken: not while the node cannot be relied on, or the disk is full. */
  accepting: () => boolean;
  /** Orders that can be taken now, for stake to back their claims. */
  room: () => number;
  offers: ReadonlyMap<Hex, Offer>;
  channels: Channels;
  client: AssayClient;
  limits: AdmissionLimits;
  /** The signers' budget where several processes share it; resolves to the seconds to wait. */
  signers?: (requester: Address) => Promise<number>;
  /** Unix seconds: the later of the machine's and the chain's. */
  now: () => bigint;
}

const refuse = (code: string, message: string, hint?: string) =>
  new AssayError(code, message, hint === undefined ? {} : { hint });

function tooFast(code: string, wait: number): AssayError {
  return refuse(code, "too many orders", `try again in ${Math.ceil(wait)} s`);
}

/** The checks of an order, in the order of what they cost. */
export class Admission {
  readonly #context: AdmissionContext;
  readonly #strangers: Buckets;
  readonly #contracts: Buckets;
  readonly #signers: Buckets;

  constructor(context: AdmissionContext) {
    const { strangers, contracts, signer } = context.limits;
    this.#context = context;
    this.#strangers = new Buckets(strangers.each, strangers.all);
    this.#contracts = new Buckets(contracts.each, contracts.all);
    this.#signers = new Buckets(signer, { burst: 1e9, perSecond: 1e9 });
  }

  /** What can be seen by looking at it; then whose it is. Returns the order's hash. */
  async authenticate(submitted: SubmittedOrder, visitor: Visitor): Promise<Hex> {
    const { domain } = this.#context;
    const { order, signature, inputs, voucher } = submitted;
    const { program } = this.#plausible(order);
    const size = inputSizes(program).reduce((sum, each) => sum + each, 0);
    if (inputs.length !== size)
      throw refuse(
        "INPUTS_SIZE",
        `the inputs have ${inputs.length} bytes, the program reads ${size}`,
        "send the inputs' stored bytes, one after the other, in the order and layout of GET /v1/programs",
      );
    if (voucher.requester !== order.requester || voucher.executor !== order.executor)
      throw refuse("VOUCHER_MISMATCH", "the voucher is not from this order's requester to its executor");
    const wait = this.#strangers.take(visitor.address);
    if (wait > 0) throw tooFast("RATE_LIMITED", wait);
    visitor.checks++;
    const hash = orderHash(domain, order);
    if (!(await this.#signed(order.requester, hash, signature, visitor)))
      throw refuse(
        "SIGNATURE_INVALID",
        `the order is not signed by ${order.requester}`,
        `sign it as EIP-712 typed data for chain ${domain.chainId} and BatchMarket ${domain.batchMarket}`,
      );
    return hash;
  }

  #plausible(order: Order): Offer {
    const { executor, offers, now, limits } = this.#context;
    if (order.executor !== executor)
      throw refuse("WRONG_EXECUTOR", `this is the gateway of ${executor}, the order names ${order.executor}`);
    const offer = offers.get(order.programRoot);
    if (offer === undefined)
      throw refuse(
        "PROGRAM_NOT_SERVED",
        `${order.programRoot} is not served here`,
        "GET /v1/programs lists what is",
      );
    const time = now();
    if (order.deadline < time + limits.minSeconds)
      throw refuse(
        "DEADLINE_PASSED",
        `the deadline ${order.deadline} is over or too near: it is ${time} here`,
        "is the clock right? A deadline is in Unix seconds",
      );
    if (order.deadline > time + limits.maxSeconds)
      throw refuse("DEADLINE_TOO_FAR", `the deadline is more than ${limits.maxSeconds} s away`);
    if (order.price < offer.price)
      throw refuse("PRICE_TOO_LOW", `the order offers ${order.price}, a run costs ${offer.price}`);
    priceInUnits(order.price, this.#context.priceUnit); // throws PRICE_NOT_REPRESENTABLE
    return offer;
  }

  /** What comes before a first answer to an order that is known to be its requester's: returns its inputs, checked. */
  async admit(
    { order, inputs, voucher, voucherSignature }: SubmittedOrder,
    visitor: Visitor,
  ): Promise<StoredValues> {
    const { domain, offers } = this.#context;
    const { requester } = order;
    if (!this.#context.accepting())
      throw refuse(
        "NOT_ACCEPTING",
        "no new orders are taken now: something is wrong here",
        "try again in a minute, or at another gateway of this executor",
      );
    const wait = this.#signers.take(requester) || ((await this.#context.signers?.(requester)) ?? 0);
    if (wait > 0) throw tooFast("RATE_LIMITED", wait);
    // A receipt whose claim could not be posted would cost its executor a collateral.
    if (this.#context.room() <= 0)
      throw refuse(
        "BUSY",
        "the executor's stake backs no more claims now",
        "try again once earlier ones are final",
      );
    const held = await this.#context.channels.voucherOf(order.requester);
    // A voucher that is held already, or is lower, adds nothing that would have to be checked.
    if (held === undefined || voucher.cumulative > held.cumulative)
      if (!(await this.#signed(order.requester, voucherHash(domain, voucher), voucherSignature, visitor)))
        throw refuse("VOUCHER_SIGNATURE_INVALID", `the voucher is not signed by ${order.requester}`);
    const { program } = offers.get(order.programRoot)!;
    const values = split(inputs, inputSizes(program))!;
    if (rootOf(values) !== order.inputRoot)
      throw refuse("INPUTS_MISMATCH", "the input bytes are not what the order's input root commits to");
    return values;
  }

  /** Whoever pays for its order is no stranger: gives back what the order's checks took. */
  paid(visitor: Visitor): void {
    this.#strangers.give(visitor.address, visitor.checks);
    this.#contracts.give(visitor.address, visitor.calls);
  }

  /**
   * As the contracts have it: by the signer's key, or else by its code (EIP-1271), if a stranger's contract may still be
   * asked.
   */
  async #signed(signer: Address, hash: Hex, signature: Hex, visitor: Visitor): Promise<boolean> {
    if (recoverSigner(hash, signature) === signer) return true;
    const wait = this.#contracts.take(visitor.address);
    if (wait > 0) throw tooFast("RATE_LIMITED", wait);
    visitor.calls++;
    try {
      return await isContractSignature(this.#context.client, hash, signature, signer);
    } catch (cause) {
      throw new AssayError("CHAIN_UNREACHABLE", "the chain cannot be asked about the signature now", {
        hint: "try again in a moment",
        cause,
      });
    }
  }
}
