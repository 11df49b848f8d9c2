// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

/// @notice Who signed what.
library Signatures {
    /// @notice Whether an account signed a digest: with its key (ECDSA, 65 bytes, low s), or else by its code (EIP-1271).
    /// @dev SignatureChecker asks nobody but the code where there is any, and since EIP-7702 every key can give its account
    /// code, and so take back what it signed: a receipt, a voucher. Here what a key signed stays signed. Whoever has the
    /// key of an account with code commands that account anyhow, and no key is known of a contract that was deployed.
    function isSignedBy(
        address signer,
        bytes32 digest,
        bytes calldata signature
    ) internal view returns (bool) {
        (address recovered, ECDSA.RecoverError failure, ) = ECDSA.tryRecoverCalldata(digest, signature);
        if (failure == ECDSA.RecoverError.NoError && recovered == signer) return true;
        return SignatureChecker.isValidERC1271SignatureNowCalldata(signer, digest, signature);
    }
}
