// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Dtype} from "../program/Dtype.sol";

/// @notice A binary interchange format of IEEE 754: a finite value is ±mantissa·2^exponent with
///         mantissa < 2^(fractionBits + 1) and exponent ≥ lowest.
struct Format {
    uint256 fractionBits;
    int256 lowest; // exponent of a subnormal's last place
    uint256 sign; // the sign bit
    uint256 infinity; // bits of +Inf
}

/// @title Reading the bits of float16, float32 and float64 as integers
/// @dev Twin: packages/numerics/src/float-format.ts. Float32.sol is the same for float32 alone, and cheaper.
library FloatFormat {
    /// @notice The format of a floating-point dtype; all zeros for any other.
    function forDtype(uint8 dtype) internal pure returns (Format memory) {
        if (dtype == Dtype.FLOAT32) return Format(23, -149, 1 << 31, 0x7f800000);
        if (dtype == Dtype.FLOAT16) return Format(10, -24, 1 << 15, 0x7c00);
        if (dtype == Dtype.FLOAT64) return Format(52, -1074, 1 << 63, 0x7ff0000000000000);
        return Format(0, 0, 0, 0);
    }

    /// @notice Bits of the quiet NaN without a payload.
    function nan(Format memory f) internal pure returns (uint256) {
        return f.infinity | (1 << (f.fractionBits - 1));
    }

    function magnitude(Format memory f, uint256 bits) internal pure returns (uint256) {
        unchecked {
            return bits & (f.sign - 1);
        }
    }

    function isFinite(Format memory f, uint256 bits) internal pure returns (bool) {
        return magnitude(f, bits) < f.infinity;
    }

    function isInfinite(Format memory f, uint256 bits) internal pure returns (bool) {
        return magnitude(f, bits) == f.infinity;
    }

    function isNaN(Format memory f, uint256 bits) internal pure returns (bool) {
        return magnitude(f, bits) > f.infinity;
    }

    function isZero(Format memory f, uint256 bits) internal pure returns (bool) {
        return magnitude(f, bits) == 0;
    }

    /// @notice True for zeros and subnormals: what hardware that reads subnormals as zero cannot tell apart.
    function isTiny(Format memory f, uint256 bits) internal pure returns (bool) {
        return magnitude(f, bits) >> f.fractionBits == 0;
    }

    /// @notice True for a subnormal that is not zero: what hardware may read or write as zero.
    function isSubnormal(Format memory f, uint256 bits) internal pure returns (bool) {
        return isTiny(f, bits) && !isZero(f, bits);
    }

    /// @notice Sign, integer mantissa and exponent of a finite value.
    function decode(Format memory f, uint256 bits) internal pure returns (bool, uint256, int256) {
        unchecked {
            uint256 one = 1 << f.fractionBits;
            uint256 biased = magnitude(f, bits) >> f.fractionBits;
            uint256 mantissa = bits & (one - 1);
            if (biased == 0) biased = 1;
            else mantissa |= one;
            return (bits & f.sign != 0, mantissa, int256(biased) - 1 + f.lowest);
        }
    }

    /// @notice An integer that orders all non-NaN values as their reals do; +0 and -0 are equal.
    function order(Format memory f, uint256 bits) internal pure returns (int256) {
        int256 size = int256(magnitude(f, bits));
        unchecked {
            return bits & f.sign != 0 ? -size : size;
        }
    }
}
