import type { ArgumentType, IgnitionModuleBuilder } from "@nomicfoundation/ignition-core";
import {
  DEFAULT_BATCH_RULES,
  DEFAULT_BATCH_TERMS,
  DEFAULT_CALLBACK_GAS_CAP,
  DEFAULT_TERMS,
  DEFAULT_WITHDRAWAL_DELAY,
} from "./defaultTerms.ts";
import { bindGovernance, deployGovernance } from "./deployGovernance.ts";

/**
 * Kernels, verifier, registry, ledger, markets and referees, wired once, and the governance that may add to them.
 * Parameters (amounts in token units, times in seconds) default to values for a token of 18 decimals; the contracts check
 * their ranges.
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
  const governance = deployGovernance(m);
  const kernelVersions = m.contract("KernelVersions", [governance.accessManager, verifier]);
  const modelRegistry = m.contract("ModelRegistry", [kernelVersions]);

  // Must be longer than the longest life of a claim: `wire` checks it.
  const withdrawalDelay = m.getParameter("withdrawalDelay", DEFAULT_WITHDRAWAL_DELAY);
  const stakeManager = m.contract("StakeManager", [token, withdrawalDelay]);

  const terms = {
    collateral: m.getParameter("collateral", DEFAULT_TERMS.collateral),
    challengeBond: m.getParameter("challengeBond", DEFAULT_TERMS.challengeBond),
    voidCostCap: m.getParameter("voidCostCap", DEFAULT_TERMS.voidCostCap),
    bountyBps: m.getParameter("bountyBps", DEFAULT_TERMS.bountyBps),
    compensationBps: m.getParameter("compensationBps", DEFAULT_TERMS.compensationBps),
    challengeWindow: m.getParameter("challengeWindow", DEFAULT_TERMS.challengeWindow),
    revealWindow: m.getParameter("revealWindow", DEFAULT_TERMS.revealWindow),
    proofWindow: m.getParameter("proofWindow", DEFAULT_TERMS.proofWindow),
    dataPrice: m.getParameter("dataPrice", DEFAULT_TERMS.dataPrice),
    answerWindow: m.getParameter("answerWindow", DEFAULT_TERMS.answerWindow),
    demandInterval: m.getParameter("demandInterval", DEFAULT_TERMS.demandInterval),
  };
  const callbackGasCap = m.getParameter("callbackGasCap", DEFAULT_CALLBACK_GAS_CAP);
  const market = m.contract("InferenceMarket", [modelRegistry, stakeManager, terms, callbackGasCap]);
  const referee = m.contract("Referee", [market, kernelVersions]);

  const batchTerms = {
    ...terms,
    collateral: m.getParameter("batchCollateral", DEFAULT_BATCH_TERMS.collateral),
    challengeBond: m.getParameter("batchChallengeBond", DEFAULT_BATCH_TERMS.challengeBond),
    voidCostCap: m.getParameter("batchVoidCostCap", DEFAULT_BATCH_TERMS.voidCostCap),
    dataPrice: m.getParameter("batchDataPrice", DEFAULT_BATCH_TERMS.dataPrice),
  };
  const batchMarket = m.contract("BatchMarket", [
    modelRegistry,
    stakeManager,
    batchTerms,
    {
      closeDelay: m.getParameter("closeDelay", DEFAULT_BATCH_RULES.closeDelay),
      priceUnit: m.getParameter("priceUnit", DEFAULT_BATCH_RULES.priceUnit),
    },
  ]);
  const batchReferee = m.contract("Referee", [batchMarket, kernelVersions], { id: "BatchReferee" });
  const receiptFaults = m.contract("ReceiptFaults", [
    batchMarket,
    {
      claimDelay: m.getParameter("claimDelay", DEFAULT_BATCH_RULES.claimDelay),
      filingWindow: m.getParameter("filingWindow", DEFAULT_BATCH_RULES.filingWindow),
      inclusionWindow: m.getParameter("inclusionWindow", DEFAULT_BATCH_RULES.inclusionWindow),
    },
  ]);
  // A record that nothing depends on, and so not wired.
  const baitRegistry = m.contract("BaitRegistry", [market]);
  m.call(stakeManager, "wire", [
    [
      { market, referee },
      { market: batchMarket, referee: batchReferee },
      { market: receiptFaults, referee: receiptFaults },
    ],
  ]);
  bindGovernance(m, governance, kernelVersions, { market, batchMarket });
  return {
    ...kernels,
    verifier,
    ...governance,
    kernelVersions,
    modelRegistry,
    stakeManager,
    market,
    referee,
    batchMarket,
    batchReferee,
    receiptFaults,
    baitRegistry,
  };
}
