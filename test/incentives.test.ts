import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  blindIncome,
  burnShare,
  checkingIncome,
  DEFAULT_ECONOMY as ECONOMY,
  DEFAULT_STAKES as STAKES,
  detectionNeeded,
  greatestBaitRate,
  griefing,
  leastBaitRate,
  selfChallengeLoss,
} from "../bench/incentives/model.ts";
import { renderChart } from "../bench/incentives/plot.ts";
import { BASE, type Mechanism, settled, simulate } from "../bench/incentives/simulation.ts";

describe("the model", () => {
  test("the default terms make every dishonest strategy lose", () => {
    expect(selfChallengeLoss(STAKES, ECONOMY)).toBeGreaterThan(25);
    expect(griefing(STAKES, ECONOMY).pays).toBeGreaterThan(10);
    expect(griefing(STAKES, ECONOMY).victimGets).toBeGreaterThan(0);
    expect(blindIncome(STAKES, ECONOMY, 0.05)).toBeLessThan(0);
    // A share of baits exists at which checking pays and challenging unseen does not.
    expect(leastBaitRate(STAKES, ECONOMY)).toBeLessThan(greatestBaitRate(STAKES, ECONOMY) / 10);
  });

  test("without wrong claims nobody earns by checking, at any terms", () => {
    expect(checkingIncome(STAKES, ECONOMY, 0)).toBeLessThan(0);
  });

  const terms = fc
    .record({
      collateral: fc.double({ min: 1, max: 1e6, noNaN: true }),
      bountyBps: fc.integer({ min: 1, max: 9_000 }),
      bondShare: fc.double({ min: 0.05, max: 1, noNaN: true }),
    })
    .chain(({ collateral, bountyBps, bondShare }) =>
      fc.integer({ min: 0, max: 9_000 - bountyBps }).map((compensationBps) => ({
        collateral,
        bounty: bountyBps / 1e4,
        compensation: compensationBps / 1e4,
        bond: (bondShare * collateral * bountyBps) / 1e4,
        voidCostCap: 0,
      })),
    );

  test("whatever terms the contracts accept, self-challenging loses the burn, and blind challenging loses up to 4.7 % wrong", () => {
    fc.assert(
      fc.property(terms, (stakes) => {
        expect(burnShare(stakes)).toBeGreaterThanOrEqual(0.1 - 1e-9);
        expect(selfChallengeLoss(stakes, ECONOMY)).toBeGreaterThanOrEqual(0.1 * stakes.collateral);
        expect(blindIncome(stakes, ECONOMY, 0.047)).toBeLessThan(0);
      }),
    );
  });

  test("a cheater that takes its bounty back must be checked more often", () => {
    expect(detectionNeeded(STAKES, ECONOMY, "recapturing")).toBeGreaterThan(
      detectionNeeded(STAKES, ECONOMY, "plain"),
    );
  });
});

describe("the simulation", () => {
  const finals = (mechanism: Mechanism) => {
    const run = simulate({ ...BASE, epochs: 1_200, mechanism });
    return settled(run, ({ wrongFinal }) => wrongFinal);
  };

  test("the verifier's dilemma: bounties alone do not keep anybody checking", () => {
    expect(finals({ kind: "none" })).toBeGreaterThan(0.05);
  });

  test("baits keep checkers in business; audits that cost as much leave more fraud", () => {
    const baits = finals({ kind: "baits", rate: 0.02, recognised: 0 });
    const audits = finals({ kind: "audits", rate: 0.8, auditors: 2, pay: 0.6, liability: STAKES.collateral });
    expect(baits).toBeLessThan(0.005);
    expect(audits).toBeGreaterThan(2 * baits);
  });

  test("baits that everybody recognises buy nothing", () => {
    expect(finals({ kind: "baits", rate: 0.02, recognised: 1 })).toBeGreaterThan(0.05);
  });

  test("griefers run out of money, and their victims gain", () => {
    const run = simulate({ ...BASE, epochs: 60, griefBudget: 5_000 });
    const spent = run.reduce((sum, { griefSpend }) => sum + griefSpend, 0);
    expect(5_000 - spent).toBeLessThan(STAKES.bond + ECONOMY.challengeGas);
    expect(run.reduce((sum, { griefedIncome }) => sum + griefedIncome, 0)).toBeGreaterThan(0);
    expect(run.at(-1)!.griefSpend).toBe(0);
  });

  test("is the same for the same seed, and another for another", () => {
    const run = (seed: number) => simulate({ ...BASE, epochs: 40, seed }).map(({ checked }) => checked);
    expect(run(7)).toEqual(run(7));
    expect(run(7)).not.toEqual(run(8));
  });
});

test("charts are well-formed, with logarithmic axes too", () => {
  const svg = renderChart({
    title: "a < b & c",
    x: "x",
    y: "y",
    logY: true,
    series: [
      {
        name: "s",
        points: [
          [0, 0.001],
          [1, 0],
          [2, 1],
        ],
      },
    ],
  });
  expect(svg).toContain("a &lt; b &amp; c");
  expect(svg).not.toMatch(/NaN|Infinity|undefined/);
});
