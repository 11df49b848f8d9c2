import { createHmac } from "node:crypto";
import { type Hex, hexToBytes } from "viem";

export interface PolicyOptions {
  /** Secret: who knows it knows which claims nobody looks at. */
  seed: Hex;
  /** Share of claims to run again. */
  checkRate: number;
  /** Claims that pay at least this fee are run again in any case. */
  checkFrom?: bigint;
  /** Share of claims with right outputs whose trace to audit all the same. */
  sampling: number;
}

/**
 * Which claims a challenger spends its time and its bonds on. The choice follows from the claim's id and a private seed: it
 * is the same after a restart, so that a restart is no second chance for anybody, and no executor can foresee it.
 */
export class Policy {
  readonly #options: PolicyOptions;

  constructor(options: PolicyOptions) {
    this.#options = options;
  }

  /** Whether `checks` wants to know the fee. */
  get byFee(): boolean {
    return this.#options.checkRate < 1 && this.#options.checkFrom !== undefined;
  }

  /** Whether to run the model again for this claim. */
  checks(claimId: Hex, fee: bigint | undefined): boolean {
    const { checkRate, checkFrom } = this.#options;
    if (checkFrom !== undefined && fee !== undefined && fee >= checkFrom) return true;
    return this.#draw("check", claimId) < checkRate;
  }

  /** Whether to demand the trace of a claim whose outputs are right. */
  audits(claimId: Hex): boolean {
    return this.#draw("audit", claimId) < this.#options.sampling;
  }

  /** A number in [0, 1) of 48 bits. */
  #draw(purpose: string, claimId: Hex): number {
    const mac = createHmac("sha256", hexToBytes(this.#options.seed))
      .update(purpose)
      .update(hexToBytes(claimId));
    return mac.digest().readUIntBE(0, 6) / 2 ** 48;
  }
}
