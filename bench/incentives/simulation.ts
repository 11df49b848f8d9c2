/**
 * Agent-based simulation of the protocol's incentives. Every agent follows one of its role's strategies and moves to
 * what pays (population.ts), with a little wandering, so that every way of cheating is always tried again. Nobody is
 * assumed to be honest: honesty has to pay.
 */
import { DEFAULT_ECONOMY, DEFAULT_STAKES, type Economy, type Stakes } from "./model.ts";
import { type Learning, Population } from "./population.ts";
import { pick, seeded } from "./random.ts";

/** `recapture` cheats, and challenges itself the moment somebody else would, so that it gets its own bounty. */
export type ExecutorStrategy = "honest" | "cheat" | "recapture";
/** `blind` challenges unseen; `spot` checks only what it can tell for a bait. */
export type ChallengerStrategy = "idle" | "check" | "blind" | "spot";
/** `stamp` says that it checked, and did not. */
export type AuditorStrategy = "check" | "stamp";
/** `check`: a share `requesterChecks` of its own results. */
export type RequesterStrategy = "trust" | "check";

export type Mechanism =
  | { readonly kind: "none" }
  /** `rate`: baits per claim; `recognised`: share of them that a challenger can tell apart. */
  | { readonly kind: "baits"; readonly rate: number; readonly recognised: number }
  /** A share `rate` of claims gets `auditors` of the pool, liable with `liability` for a claim that is proven wrong. */
  | {
      readonly kind: "audits";
      readonly rate: number;
      readonly auditors: number;
      readonly pay: number;
      readonly liability: number;
    };

export interface Scenario extends Learning {
  readonly stakes: Stakes;
  readonly economy: Economy;
  readonly mechanism: Mechanism;
  readonly epochs: number;
  readonly claimsPerEpoch: number;
  readonly agents: number; // of each role
  /** Share of all claims that one challenger looks at when it looks. */
  readonly coverage: number;
  readonly requesterChecks: number;
  /** Griefers challenge every tenth right claim while their money lasts; they never learn. */
  readonly griefBudget: number;
  readonly seed: number;
}

export interface Epoch {
  readonly wrong: number; // share of claims posted wrong
  readonly wrongFinal: number; // share of claims that were wrong and became final
  readonly checked: number; // share of claims that somebody checked
  readonly spend: number; // of the mechanism, per claim
  readonly griefSpend: number;
  readonly griefedIncome: number; // of executors, from being griefed
  readonly executors: Record<ExecutorStrategy, number>;
  readonly challengers: Record<ChallengerStrategy, number>;
  readonly auditors: Record<AuditorStrategy, number>;
}

export const BASE: Scenario = {
  stakes: DEFAULT_STAKES,
  economy: DEFAULT_ECONOMY,
  mechanism: { kind: "none" },
  epochs: 2_000,
  claimsPerEpoch: 300,
  agents: 60,
  coverage: 0.1,
  requesterChecks: 0,
  revision: 0.05,
  wandering: 0.01,
  temperature: 0.05,
  memory: 0.1,
  griefBudget: 0,
  seed: 1,
};

export function simulate(scenario: Scenario): Epoch[] {
  const { stakes, economy, mechanism } = scenario;
  const random = seeded(scenario.seed);
  const bounty = stakes.bounty * stakes.collateral;
  const { agents } = scenario;
  const executors = new Population<ExecutorStrategy>(agents, ["honest", "cheat", "recapture"], "honest");
  const challengers = new Population<ChallengerStrategy>(
    agents,
    mechanism.kind === "baits" ? ["idle", "check", "blind", "spot"] : ["idle", "check", "blind"],
    "check",
  );
  const auditors = new Population<AuditorStrategy>(agents, ["check", "stamp"], "check");
  const requesters = new Population<RequesterStrategy>(agents, ["trust", "check"], "check");
  let griefBudget = scenario.griefBudget;

  /** Challengers on one claim: how many look, how many challenge unseen; and what each strategy brings on it. */
  function visit(wrong: boolean, recapture: boolean, spotted: boolean): { looking: number; blind: number } {
    let [looking, blind] = [0, 0];
    for (const strategy of challengers.agents) {
      if (strategy === "check" && random() < scenario.coverage) looking++;
      else if (strategy === "spot" && spotted) looking++;
      else if (strategy === "blind" && random() < scenario.coverage) blind++;
    }
    // One is first, and one more would be with chance 1 in (others + 1). Who finds a challenge there adds none.
    const first = wrong ? 1 / (looking + blind + 1) : 0;
    const prize = (recapture ? 0 : bounty) - economy.challengeGas;
    challengers.observe("idle", 0);
    challengers.observe("check", first * prize - economy.run);
    challengers.observe("blind", wrong ? first * prize : -stakes.bond - economy.challengeGas);
    // Telling baits apart costs nothing here.
    if (mechanism.kind === "baits") challengers.observe("spot", spotted ? first * prize - economy.run : 0);
    return { looking, blind };
  }

  const epochs: Epoch[] = [];
  for (let e = 0; e < scenario.epochs; e++) {
    let [wrongs, wrongFinals, checked, spend, griefSpend, griefedIncome] = [0, 0, 0, 0, 0, 0];
    for (let c = 0; c < scenario.claimsPerEpoch; c++) {
      const strategy = pick(random, executors.agents);
      const wrong = strategy !== "honest";
      const recapture = strategy === "recapture";
      const { looking, blind } = visit(wrong, recapture, false);
      const requesterLooks =
        pick(random, requesters.agents) === "check" && random() < scenario.requesterChecks;

      // Audits are assigned after the claim, so that the executor cannot know.
      const team =
        mechanism.kind === "audits" && random() < mechanism.rate
          ? Array.from({ length: mechanism.auditors }, () => pick(random, auditors.agents))
          : [];
      const working = team.filter((auditor) => auditor === "check").length;
      const seen = looking > 0 || requesterLooks || working > 0;
      const found = seen || blind > 0; // should the claim be wrong
      const caught = wrong && found;

      if (mechanism.kind === "audits" && team.length > 0) {
        spend += mechanism.pay * team.length;
        // What one more auditor in the place of one of these would get.
        const others = working * (1 - 1 / team.length);
        const share = wrong && !recapture ? bounty / (others + 1) : 0;
        const foundByOthers = looking + blind > 0 || requesterLooks || random() < others;
        auditors.observe("check", mechanism.pay - economy.run + share);
        auditors.observe("stamp", mechanism.pay - (wrong && foundByOthers ? mechanism.liability : 0));
      }
      if (!wrong && c % 10 === 0 && griefBudget >= stakes.bond + economy.challengeGas) {
        griefBudget -= stakes.bond + economy.challengeGas;
        griefSpend += stakes.bond + economy.challengeGas;
        griefedIncome += stakes.bond - economy.reveal;
      }

      const challengedRight = blind > 0 ? blind * stakes.bond - economy.reveal : 0;
      executors.observe("honest", economy.fee - economy.run + challengedRight);
      executors.observe("cheat", found ? -stakes.collateral : economy.fee + economy.gain);
      executors.observe(
        "recapture",
        found ? bounty - stakes.collateral - economy.challengeGas : economy.fee + economy.gain,
      );
      // A requester's own check of this claim, at its rate, besides everybody else's looks.
      const foundByOthers = looking + blind > 0 || working > 0;
      const saved =
        wrong && !foundByOthers ? stakes.compensation * stakes.collateral + economy.fee + economy.harm : 0;
      requesters.observe("trust", 0);
      requesters.observe("check", scenario.requesterChecks * (saved - economy.run));

      if (wrong) wrongs++;
      if (wrong && !caught) wrongFinals++;
      if (seen) checked++;
    }

    if (mechanism.kind === "baits") {
      const expected = mechanism.rate * scenario.claimsPerEpoch;
      const baits = Math.floor(expected) + (random() < expected % 1 ? 1 : 0);
      for (let b = 0; b < baits; b++) {
        const { looking, blind } = visit(true, false, random() < mechanism.recognised);
        spend += economy.baitGas;
        if (looking + blind > 0) spend += (1 - stakes.compensation) * stakes.collateral;
      }
    }

    const claims = scenario.claimsPerEpoch;
    epochs.push({
      wrong: wrongs / claims,
      wrongFinal: wrongFinals / claims,
      checked: checked / claims,
      spend: spend / claims,
      griefSpend,
      griefedIncome,
      executors: executors.share(),
      challengers: challengers.share(),
      auditors: auditors.share(),
    });
    executors.revise(random, scenario);
    challengers.revise(random, scenario);
    auditors.revise(random, scenario);
    requesters.revise(random, scenario);
  }
  return epochs;
}

/** Mean over the second half, when the start is forgotten. */
export function settled(epochs: readonly Epoch[], of: (epoch: Epoch) => number): number {
  const half = epochs.slice(Math.floor(epochs.length / 2));
  return half.reduce((sum, epoch) => sum + of(epoch), 0) / half.length;
}

/** What one epoch in twenty exceeds, in the second half. */
export function worst(epochs: readonly Epoch[], of: (epoch: Epoch) => number): number {
  const half = epochs.slice(Math.floor(epochs.length / 2)).map(of);
  return half.sort((a, b) => a - b)[Math.floor(half.length * 0.95)]!;
}
