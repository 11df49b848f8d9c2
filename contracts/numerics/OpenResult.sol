// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Verdict} from "../kernels/IKernel.sol";

/// @title Integer results that C++ leaves undefined
/// @dev What processors are known to return instead is Acceptable. Anything else cannot be shown to be wrong, but nobody
///      is to be paid for it: Imprecise. Rules: docs/numerics/integer.md. Twin: packages/numerics/src/open-result.ts.
library OpenResult {
    /// @notice The verdict on a claim of `size` bytes where the result is open.
    /// @param wrapped the result modulo 2^(8·size), where there is one; else 0
    function judge(uint256 claimed, uint256 size, uint256 wrapped) internal pure returns (Verdict) {
        // zero, the lowest and the highest number, with a sign or without, and all ones
        uint256 half = 1 << (8 * size - 1);
        uint256 mask = 2 * half - 1;
        bool known =
            claimed == 0 ||
                claimed == half ||
                claimed == half - 1 ||
                claimed == mask ||
                claimed == wrapped & mask;
        return known ? Verdict.Acceptable : Verdict.Imprecise;
    }
}
