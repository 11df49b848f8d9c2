/** The model behind docs/incentives.md in closed form: who gains what from one claim. Amounts are in fees. */
import { DEFAULT_TERMS } from "../../ignition/defaultTerms.ts";

/** Terms of a claim as the contracts have them, in fees and shares of the collateral. */
export interface Stakes {
  readonly collateral: number;
  readonly bond: number;
  readonly voidCostCap: number;
  readonly bounty: number; // share of the collateral
  readonly compensation: number; // share of the collateral
}

/** What things cost people, and what a lie is worth; none of it known to the contracts. */
export interface Economy {
  readonly fee: number;
  /** One inference, which is also what checking a claim costs: run, hash, compare. */
  readonly run: number;
  /** Running once more with every value exposed, serving the trace, and the gas of revealTrace. */
  readonly reveal: number;
  /** Gas of challenge. */
  readonly challengeGas: number;
  /** Gas of commitProof and proveElement. */
  readonly proofGas: number;
  /** Gas of request, postClaim and the bait's two records. */
  readonly baitGas: number;
  /** What a wrong result that becomes final is worth to who posted it, beyond the fee and the saved run. */
  readonly gain: number;
  /** What a wrong result that becomes final costs its requester beyond the fee. */
  readonly harm: number;
}

/** A fee of one token under the default terms. */
export const DEFAULT_STAKES: Stakes = {
  collateral: Number(DEFAULT_TERMS.collateral / 10n ** 18n),
  bond: Number(DEFAULT_TERMS.challengeBond / 10n ** 18n),
  voidCostCap: Number(DEFAULT_TERMS.voidCostCap / 10n ** 18n),
  bounty: DEFAULT_TERMS.bountyBps / 10_000,
  compensation: DEFAULT_TERMS.compensationBps / 10_000,
};

export const DEFAULT_ECONOMY: Economy = {
  fee: 1,
  run: 0.5,
  reveal: 1,
  challengeGas: 0.05,
  proofGas: 0.3,
  baitGas: 0.15,
  gain: 10,
  harm: 10,
};

export function burnShare(stakes: Stakes): number {
  return 1 - stakes.bounty - stakes.compensation;
}

/** A cheater that challenges itself as soon as it is found out, and so takes its own bounty back, or not. */
export type Cheat = "plain" | "recapturing";

/** What being caught costs a cheater, the fee it would have had not counted. */
export function caughtLoss(stakes: Stakes, economy: Economy, cheat: Cheat): number {
  if (cheat === "plain") return stakes.collateral;
  return stakes.collateral * (1 - stakes.bounty) + economy.challengeGas;
}

/**
 * Share of claims that must be checked by somebody who acts, so that cheating does not pay:
 * honest fee − run ≥ (1 − p)(fee + gain) − p·loss.
 */
export function detectionNeeded(stakes: Stakes, economy: Economy, cheat: Cheat): number {
  return (economy.run + economy.gain) / (economy.fee + economy.gain + caughtLoss(stakes, economy, cheat));
}

/** What an executor, challenger and requester that are one and the same lose by slashing themselves: burn and gas. */
export function selfChallengeLoss(stakes: Stakes, economy: Economy): number {
  return burnShare(stakes) * stakes.collateral + economy.challengeGas;
}

/** Per challenge of an honest claim: what the griefer pays, and what the executor has more (or less, below 0). */
export function griefing(stakes: Stakes, economy: Economy): { pays: number; victimGets: number } {
  return { pays: stakes.bond + economy.challengeGas, victimGets: stakes.bond - economy.reveal };
}

/** What a challenger gains by checking one claim, when a share `wrong` of those it can be first on is wrong. */
export function checkingIncome(stakes: Stakes, economy: Economy, wrong: number): number {
  return wrong * (stakes.bounty * stakes.collateral - economy.challengeGas) - economy.run;
}

/** What a challenger gains by challenging one claim unseen. */
export function blindIncome(stakes: Stakes, economy: Economy, wrong: number): number {
  return wrong * stakes.bounty * stakes.collateral - (1 - wrong) * stakes.bond - economy.challengeGas;
}

/** Least bait rate at which one independent check per claim pays, when a share `recognised` of baits is told apart. */
export function leastBaitRate(stakes: Stakes, economy: Economy, recognised = 0): number {
  return economy.run / (stakes.bounty * stakes.collateral - economy.challengeGas) / (1 - recognised);
}

/** Bait rate from which challenging unseen pays. */
export function greatestBaitRate(stakes: Stakes, economy: Economy): number {
  return (stakes.bond + economy.challengeGas) / (stakes.bounty * stakes.collateral + stakes.bond);
}

/**
 * Expected checks per claim at which checking only just pays: free entry drives the income of a check to its cost. With
 * checks that fall on claims independently, the share of claims that is checked is 1 − exp(−checks).
 */
export function checksPerClaim(stakes: Stakes, economy: Economy, baitRate: number, recognised = 0): number {
  const income = baitRate * (1 - recognised) * (stakes.bounty * stakes.collateral - economy.challengeGas);
  // x checks per claim share the bounties of a share 1 − e^−x of the baits: income·(1 − e^−x) = cost·x.
  if (income <= economy.run) return 0;
  let [low, high] = [0, income / economy.run];
  for (let i = 0; i < 60; i++) {
    const x = (low + high) / 2;
    if (income * (1 - Math.exp(-x)) > economy.run * x) low = x;
    else high = x;
  }
  return low;
}

/** Cost of a bait to who lays it: caught, its whole collateral but the compensation, which it pays to itself. */
export function baitCost(stakes: Stakes, economy: Economy, caught: number): number {
  return economy.baitGas + caught * (1 - stakes.compensation) * stakes.collateral;
}

/**
 * An executor that makes its own result imprecise and has it voided by a prover of its own. The prover's cost comes out of
 * the fee, at most half of it: what the two have less than by honest work, and what the requester loses.
 */
export function voidSabotage(stakes: Stakes, economy: Economy): { saboteur: number; requester: number } {
  const cost = Math.min(stakes.voidCostCap, economy.fee / 2);
  const { fee, run, challengeGas, reveal, proofGas } = economy;
  return { saboteur: cost - run - challengeGas - reveal - proofGas - (fee - run), requester: -cost };
}
