import { keccak256, toHex } from "viem";
import { expect, test } from "vitest";
import { Policy } from "../src/policy.ts";

const seed = toHex(7, { size: 32 });
const claims = Array.from({ length: 4_000 }, (_, i) => keccak256(toHex(i, { size: 4 })));
const share = (chosen: (claimId: `0x${string}`) => boolean) => claims.filter(chosen).length / claims.length;

test("a rate is the share of claims that are checked, the same ones after a restart", () => {
  const policy = new Policy({ seed, checkRate: 0.25, sampling: 0.1 });
  // Four standard deviations of 4,000 draws.
  expect(Math.abs(share((id) => policy.checks(id, undefined)) - 0.25)).toBeLessThan(0.028);
  expect(Math.abs(share((id) => policy.audits(id)) - 0.1)).toBeLessThan(0.02);
  const again = new Policy({ seed, checkRate: 0.25, sampling: 0.1 });
  expect(claims.every((id) => again.checks(id, 1n) === policy.checks(id, undefined))).toBe(true);
});

test("another seed chooses other claims, and audits are drawn apart from checks", () => {
  const one = new Policy({ seed, checkRate: 0.5, sampling: 0.5 });
  const other = new Policy({ seed: toHex(8, { size: 32 }), checkRate: 0.5, sampling: 0.5 });
  const agreement = share((id) => one.checks(id, undefined) === other.checks(id, undefined));
  expect(Math.abs(agreement - 0.5)).toBeLessThan(0.032);
  expect(Math.abs(share((id) => one.checks(id, undefined) === one.audits(id)) - 0.5)).toBeLessThan(0.032);
});

test("0 checks none and 1 checks all; from a fee on, every claim is checked", () => {
  const none = new Policy({ seed, checkRate: 0, checkFrom: 100n, sampling: 0 });
  const all = new Policy({ seed, checkRate: 1, sampling: 1 });
  expect(share((id) => none.checks(id, 99n) || none.audits(id))).toBe(0);
  expect(share((id) => none.checks(id, 100n))).toBe(1);
  expect(share((id) => all.checks(id, undefined) && all.audits(id))).toBe(1);
  expect([none.byFee, all.byFee]).toEqual([true, false]);
});
