import type { ArgumentType, IgnitionModuleBuilder } from "@nomicfoundation/ignition-core";

const unit = 10n ** 18n;
const hour = 3_600;

/**
 * Kernels, verifier, registry, ledger, market and referee, wired once. Parameters (amounts in token units, times in
 * seconds) default to values for a token of 18 decimals; the contracts check their ranges.
 */
export function deployAssay(m: IgnitionModuleBuilder, token: ArgumentType) {
  // In the order of the Solidity enum Family.
  const kernels = {
    contractionKernel: m.contract("ContractionKernel"),
    elementwiseKernel: m.contract("ElementwiseKernel"),
    reductionKernel: m.contract("ReductionKernel"),
    normalizationKernel: m.contract("NormalizationKernel"),
    movementKernel: m.contract("MovementKernel"),
    indexedKernel: m.contract("IndexedKernel"),
    orderingKernel: m.contract("OrderingKernel"),
    quantisedKernel: m.contract("QuantisedKernel"),
    scalarKernel: m.contract("ScalarKernel"),
    integerKernel: m.contract("IntegerKernel"),
  };
  const verifier = m.contract("Verifier", [Object.values(kernels)]);
  const modelRegistry = m.contract("ModelRegistry");

  // Must be longer than the three windows together: `wire` checks it.
  const withdrawalDelay = m.getParameter("withdrawalDelay", 24 * hour);
  const stakeManager = m.contract("StakeManager", [token, withdrawalDelay]);

  const terms = {
    collateral: m.getParameter("collateral", 100n * unit),
    challengeBond: m.getParameter("challengeBond", 10n * unit),
    voidCostCap: m.getParameter("voidCostCap", 5n * unit),
    // Of a slashed collateral; the rest, 30 %, is burned. An executor that proves against itself loses at least what is
    // neither bounty nor (when it is its own requester) compensation.
    bountyBps: m.getParameter("bountyBps", 4_000),
    compensationBps: m.getParameter("compensationBps", 3_000),
    challengeWindow: m.getParameter("challengeWindow", hour),
    revealWindow: m.getParameter("revealWindow", hour),
    proofWindow: m.getParameter("proofWindow", 2 * hour),
  };
  const callbackGasCap = m.getParameter("callbackGasCap", 2_000_000);
  const market = m.contract("InferenceMarket", [modelRegistry, stakeManager, terms, callbackGasCap]);
  const referee = m.contract("Referee", [market, verifier]);
  m.call(stakeManager, "wire", [[{ market, referee }]]);
  return { ...kernels, verifier, modelRegistry, stakeManager, market, referee };
}
