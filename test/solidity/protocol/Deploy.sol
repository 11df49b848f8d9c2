// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAccessManager} from "@openzeppelin/contracts/access/manager/IAccessManager.sol";
import {IKernelVersions} from "../../../contracts/proof/IKernelVersions.sol";
import {BatchMarket} from "../../../contracts/protocol/BatchMarket.sol";
import {BatchRules} from "../../../contracts/protocol/IBatchMarket.sol";
import {InferenceMarket} from "../../../contracts/protocol/InferenceMarket.sol";
import {ModelRegistry} from "../../../contracts/protocol/ModelRegistry.sol";
import {ReceiptFaults} from "../../../contracts/protocol/ReceiptFaults.sol";
import {ReceiptRules} from "../../../contracts/protocol/IReceiptFaults.sol";
import {Referee} from "../../../contracts/protocol/Referee.sol";
import {StakeManager} from "../../../contracts/protocol/StakeManager.sol";
import {Terms} from "../../../contracts/protocol/Terms.sol";
import {DevToken} from "../../../contracts/token/DevToken.sol";
import {vm} from "./Vm.sol";

/// @notice Deploys the protocol's contracts from their artifacts: what tests run is what is deployed, byte by byte. (With
///         `new`, each test would hold, and the compiler would optimise again, a copy of the whole protocol.)
library Deploy {
    function devToken() internal returns (DevToken) {
        return DevToken(_create("DevToken.sol:DevToken", ""));
    }

    function accessManager(address admin) internal returns (IAccessManager) {
        return IAccessManager(_create("AccessManager.sol:AccessManager", abi.encode(admin)));
    }

    function versions(address authority, address verifier) internal returns (IKernelVersions) {
        return IKernelVersions(_create("KernelVersions.sol:KernelVersions", abi.encode(authority, verifier)));
    }

    function modelRegistry(address kernelVersions) internal returns (ModelRegistry) {
        return ModelRegistry(_create("ModelRegistry.sol:ModelRegistry", abi.encode(kernelVersions)));
    }

    function stakeManager(address token, uint256 withdrawalDelay) internal returns (StakeManager) {
        return StakeManager(_create("StakeManager.sol:StakeManager", abi.encode(token, withdrawalDelay)));
    }

    function inferenceMarket(
        address registry,
        address stakes,
        Terms memory terms,
        uint256 callbackGasCap
    ) internal returns (InferenceMarket) {
        bytes memory arguments = abi.encode(registry, stakes, terms, callbackGasCap);
        return InferenceMarket(_create("InferenceMarket.sol:InferenceMarket", arguments));
    }

    function batchMarket(
        address registry,
        address stakes,
        Terms memory terms,
        BatchRules memory rules
    ) internal returns (BatchMarket) {
        bytes memory arguments = abi.encode(registry, stakes, terms, rules);
        return BatchMarket(_create("BatchMarket.sol:BatchMarket", arguments));
    }

    function referee(address market, address kernelVersions) internal returns (Referee) {
        return Referee(_create("Referee.sol:Referee", abi.encode(market, kernelVersions)));
    }

    function receiptFaults(address batches, ReceiptRules memory rules) internal returns (ReceiptFaults) {
        return ReceiptFaults(_create("ReceiptFaults.sol:ReceiptFaults", abi.encode(batches, rules)));
    }

    function _create(string memory artifact, bytes memory arguments) private returns (address deployed) {
        bytes memory code = bytes.concat(vm.getCode(artifact), arguments);
        assembly ("memory-safe") {
            deployed := create(0, add(code, 32), mload(code))
            if iszero(deployed) {
                // The constructor's own error.
                let free := mload(0x40)
                returndatacopy(free, 0, returndatasize())
                revert(free, returndatasize())
            }
        }
    }
}
