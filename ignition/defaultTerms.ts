/**
 * Default terms of a deployment: amounts in units of a token of 18 decimals, windows in seconds, shares in basis points
 * of the collateral. The one place for them; docs/incentives.md says why they are what they are.
 */
const unit = 10n ** 18n;
const hour = 3_600;

export const DEFAULT_TERMS = {
  collateral: 100n * unit,
  challengeBond: 10n * unit,
  voidCostCap: 5n * unit,
  // Of a slashed collateral; the rest, 30 %, is burned. An executor that proves against itself loses at least what is
  // neither bounty nor (when it is its own requester) compensation.
  bountyBps: 4_000,
  compensationBps: 3_000,
  challengeWindow: hour,
  revealWindow: hour,
  proofWindow: 2 * hour,
  // Of one node of 32 bytes; showing it costs about 1,400 gas.
  dataPrice: unit / 10_000n,
  answerWindow: hour / 4,
  demandInterval: 6,
} as const;

/** Seconds; must be longer than the longest life of a claim. */
export const DEFAULT_WITHDRAWAL_DELAY = 24 * hour;

export const DEFAULT_CALLBACK_GAS_CAP = 2_000_000;

/** Times in seconds; see docs/governance.md. */
export const DEFAULT_GOVERNANCE = {
  votesSupply: 1_000_000_000n * unit,
  votingDelay: 24 * hour,
  votingPeriod: 7 * 24 * hour,
  timelockDelay: 48 * hour,
  proposalThreshold: 1_000_000n * unit,
  quorumPercent: 4,
} as const;

/** Claims of off-chain orders come by the thousand and are worth less each; windows and shares are the same. */
export const DEFAULT_BATCH_TERMS = {
  collateral: 10n * unit,
  challengeBond: unit,
  voidCostCap: unit / 2n,
  dataPrice: unit / 100_000n,
} as const;

/** Channels, prices and receipts of the BatchMarket; docs/batches.md. */
export const DEFAULT_BATCH_RULES = {
  closeDelay: 24 * hour,
  priceUnit: 10n ** 9n,
  claimDelay: hour,
  filingWindow: 6 * hour,
  inclusionWindow: 4 * hour,
} as const;
