// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title Reading IEEE-754 binary32 bits as integers
/// @dev A finite value is ±mantissa·2^exponent with mantissa < 2^24 and -149 ≤ exponent ≤ 104. Mirrored by float32.ts.
library Float32 {
    uint32 internal constant SIGN = 0x80000000;
    uint32 internal constant MAGNITUDE = 0x7fffffff;
    uint32 internal constant INFINITY = 0x7f800000;
    uint32 internal constant NEGATIVE_INFINITY = 0xff800000;
    /// @dev The largest finite value.
    uint32 internal constant LARGEST = 0x7f7fffff;
    uint32 internal constant ONE = 0x3f800000;
    /// @dev Smallest normal magnitude, 2^-126.
    uint32 internal constant SMALLEST_NORMAL = 0x00800000;

    function isFinite(uint32 bits) internal pure returns (bool) {
        return bits & MAGNITUDE < INFINITY;
    }

    function isNaN(uint32 bits) internal pure returns (bool) {
        return bits & MAGNITUDE > INFINITY;
    }

    function isZero(uint32 bits) internal pure returns (bool) {
        return bits & MAGNITUDE == 0;
    }

    /// @notice True for a subnormal that is not zero: what hardware may read or write as zero.
    function isSubnormal(uint32 bits) internal pure returns (bool) {
        uint32 magnitude = bits & MAGNITUDE;
        return magnitude != 0 && magnitude < SMALLEST_NORMAL;
    }

    /// @notice True for zeros and subnormals: what hardware that reads subnormals as zero cannot tell apart.
    function isTiny(uint32 bits) internal pure returns (bool) {
        return bits & MAGNITUDE < SMALLEST_NORMAL;
    }

    /// @notice Sign, integer mantissa and exponent of a finite value.
    function decode(uint32 bits) internal pure returns (bool negative, uint256 mantissa, int256 exponent) {
        negative = bits & SIGN != 0;
        mantissa = bits & 0x7fffff;
        uint256 biased = (bits >> 23) & 0xff;
        if (biased == 0) biased = 1;
        else mantissa |= 0x800000;
        unchecked {
            exponent = int256(biased) - 150;
        }
    }

    /// @notice An integer that orders all non-NaN values as their reals do; +0 and -0 are equal.
    function order(uint32 bits) internal pure returns (int256) {
        int256 magnitude = int256(uint256(bits & MAGNITUDE));
        unchecked {
            return bits & SIGN != 0 ? -magnitude : magnitude;
        }
    }

    /// @notice Bits of the `index`-th little-endian element; the caller has checked that it exists.
    function at(bytes calldata elements, uint256 index) internal pure returns (uint32 bits) {
        assembly ("memory-safe") {
            let word := shr(224, calldataload(add(elements.offset, shl(2, index))))
            word := or(shl(8, and(word, 0x00ff00ff)), and(shr(8, word), 0x00ff00ff))
            bits := or(shl(16, and(word, 0xffff)), shr(16, word))
        }
    }
}
