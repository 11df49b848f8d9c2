// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @notice The smallest EIP-1271 wallet, for tests: anyone may execute, one key signs.
contract ContractWallet is IERC1271 {
    address private immutable _signer;

    error ExecutionFailed(bytes result);

    constructor(address signer) {
        _signer = signer;
    }

    function execute(address target, bytes calldata data) external {
        (bool ok, bytes memory result) = target.call(data);
        if (!ok) revert ExecutionFailed(result);
    }

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        (address recovered, , ) = ECDSA.tryRecover(digest, signature);
        return recovered == _signer ? IERC1271.isValidSignature.selector : bytes4(0);
    }
}

/// @notice Code that has signed nothing: what an account that takes back its word delegates to.
contract DenyingWallet is IERC1271 {
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        return bytes4(0);
    }
}
