import type { ContractFuture, IgnitionModuleBuilder } from "@nomicfoundation/ignition-core";
import { keccak256, toFunctionSelector, toHex, zeroAddress } from "viem";
import { DEFAULT_GOVERNANCE } from "./defaultTerms.ts";

/** Role in the AccessManager of who may append terms and kernel versions. */
export const GOVERNANCE_ROLE = 1n;
const ADMIN_ROLE = 0n;

const APPEND_TERMS = toFunctionSelector(
  "appendTerms((uint128,uint128,uint128,uint16,uint16,uint32,uint32,uint32,uint128,uint32,uint32))",
);
const ADD_VERSION = toFunctionSelector("add(address)");

/**
 * Votes, timelock, governor, and the AccessManager that says what they may do. The manager exists before what it
 * manages; {@link bindGovernance} gives it its one role, for ever.
 */
export function deployGovernance(m: IgnitionModuleBuilder) {
  const deployer = m.getAccount(0);
  const accessManager = m.contract("AccessManager", [deployer]);
  const votes = m.contract("AssayVotes", [
    m.getParameter("votesHolder", deployer),
    m.getParameter("votesSupply", DEFAULT_GOVERNANCE.votesSupply),
  ]);
  // Anyone may execute what was voted for and waited; nobody but the governor may propose, and nobody administers.
  const timelock = m.contract("TimelockController", [
    m.getParameter("timelockDelay", DEFAULT_GOVERNANCE.timelockDelay),
    [],
    [zeroAddress],
    deployer,
  ]);
  const governor = m.contract("AssayGovernor", [
    votes,
    timelock,
    m.getParameter("votingDelay", DEFAULT_GOVERNANCE.votingDelay),
    m.getParameter("votingPeriod", DEFAULT_GOVERNANCE.votingPeriod),
    m.getParameter("proposalThreshold", DEFAULT_GOVERNANCE.proposalThreshold),
    m.getParameter("quorumPercent", DEFAULT_GOVERNANCE.quorumPercent),
  ]);
  return { accessManager, votes, timelock, governor };
}

/** Gives the timelock the one role, and takes every other power away from the deployer: after this, nobody can grant any. */
export function bindGovernance(
  m: IgnitionModuleBuilder,
  { accessManager, timelock, governor }: ReturnType<typeof deployGovernance>,
  kernelVersions: ContractFuture<string>,
  markets: Record<string, ContractFuture<string>>,
): void {
  const deployer = m.getAccount(0);
  const allow = (id: string, target: ContractFuture<string>, selector: string) =>
    m.call(accessManager, "setTargetFunctionRole", [target, [selector], GOVERNANCE_ROLE], { id });
  const role = (name: string) => keccak256(toHex(name));
  const managed = [
    allow("allowVersions", kernelVersions, ADD_VERSION),
    ...Object.entries(markets).map(([name, market]) => allow(`allowTerms_${name}`, market, APPEND_TERMS)),
    m.call(accessManager, "grantRole", [GOVERNANCE_ROLE, timelock, 0], { id: "governs" }),
  ];
  m.call(accessManager, "renounceRole", [ADMIN_ROLE, deployer], { id: "nobodyGrants", after: managed });
  const granted = [
    m.call(timelock, "grantRole", [role("PROPOSER_ROLE"), governor], { id: "governorProposes" }),
    m.call(timelock, "grantRole", [role("CANCELLER_ROLE"), governor], { id: "governorCancels" }),
  ];
  m.call(timelock, "renounceRole", [`0x${"0".repeat(64)}`, deployer], {
    id: "nobodyAdministers",
    after: granted,
  });
}
