/** A population whose members learn which of their role's strategies pays. */
import { pick, type Random } from "./random.ts";

export interface Learning {
  /** Share of agents that reconsider in an epoch, and of those that then try anything at all. */
  readonly revision: number;
  readonly wandering: number;
  /** Difference of income per claim, in fees, that makes e times as many prefer the better strategy. */
  readonly temperature: number;
  /** Weight of an epoch in the running averages. */
  readonly memory: number;
}

/**
 * What every strategy earned, or would have earned, on the claims of an epoch is known to all: settlements are public,
 * and whoever could be caught can count who looks. So nobody errs for want of information, and a strategy that pays is
 * found even when nobody follows it.
 */
export class Population<S extends string> {
  readonly agents: S[];
  readonly strategies: readonly S[];
  readonly #estimate: Map<S, number>;
  #sum = new Map<S, number>();
  #count = new Map<S, number>();

  constructor(size: number, strategies: readonly S[], start: S) {
    this.strategies = strategies;
    this.agents = Array.from({ length: size }, () => start);
    this.#estimate = new Map(strategies.map((strategy) => [strategy, 0]));
  }

  /** Notes what following `strategy` on one claim brings. */
  observe(strategy: S, income: number): void {
    this.#sum.set(strategy, (this.#sum.get(strategy) ?? 0) + income);
    this.#count.set(strategy, (this.#count.get(strategy) ?? 0) + 1);
  }

  share(): Record<S, number> {
    const shares = Object.fromEntries(this.strategies.map((strategy) => [strategy, 0])) as Record<S, number>;
    for (const strategy of this.agents) shares[strategy] += 1 / this.agents.length;
    return shares;
  }

  /** The epoch joins the running averages; some agents reconsider (logit choice). */
  revise(random: Random, learning: Learning): void {
    for (const [strategy, count] of this.#count) {
      const before = this.#estimate.get(strategy)!;
      this.#estimate.set(strategy, before + learning.memory * (this.#sum.get(strategy)! / count - before));
    }
    this.#sum = new Map();
    this.#count = new Map();
    const best = Math.max(...this.#estimate.values());
    const weights = this.strategies.map((strategy) =>
      Math.exp((this.#estimate.get(strategy)! - best) / learning.temperature),
    );
    const total = weights.reduce((a, b) => a + b, 0);
    for (let i = 0; i < this.agents.length; i++) {
      if (random() >= learning.revision) continue;
      if (random() < learning.wandering) {
        this.agents[i] = pick(random, this.strategies);
        continue;
      }
      let die = random() * total;
      this.agents[i] = this.strategies.find((_, s) => (die -= weights[s]!) < 0) ?? this.strategies.at(-1)!;
    }
  }
}
