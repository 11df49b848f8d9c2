// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Float32} from "./Float32.sol";
import {LOG2_E} from "./ScalarPolynomials.sol";

/// @title The fast exponentials of Normalization: x·log2(e) of a float32, in integers
/// @notice ScalarPolynomials has 2^v of its fraction.
library ScalarMath {
    uint32 private constant MAGNITUDE = Float32.MAGNITUDE;

    /// @notice x·log2(e) in units of 2^-60, floored; never falls as x grows. Any float32 but NaN.
    /// @dev Zeros and subnormals are read as if they were normal: they differ by less than 2^-126 from that.
    function log2eTimes(uint32 x) internal pure returns (int256 t) {
        unchecked {
            int256 m = int256(uint256((x & 0x7fffff) | 0x800000));
            if (x > MAGNITUDE) m = -m;
            t = (m * int256(LOG2_E)) >> (319 - ((x >> 23) & 0xff));
        }
    }
}
