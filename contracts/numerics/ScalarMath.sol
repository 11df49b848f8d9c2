// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Float32} from "./Float32.sol";
import {ERFC_OFFSET, ERFC_SLOPE, LOG2_E, ScalarPolynomials} from "./ScalarPolynomials.sol";

/// @title exp, sigmoid, tanh and erf of a float32, in integers
/// @notice Arguments are float32 bits, never NaN; infinities are read as large numbers. A result is the non-negative
///         number r·2^q; its relative error is below 2^-52 (scripts/generate-scalar-constants.py proves it,
///         docs/numerics/accuracy.md explains it). Where a function saturates, the argument is clamped first: that
///         adds less than 2^-369 to exp and sigmoid, 2^-91 to tanh, and its part in the bound of erf.
library ScalarMath {
    uint256 private constant ONE = 1 << 100;
    uint32 private constant MAGNITUDE = Float32.MAGNITUDE;

    /// @notice 2^(t/2^60) = r·2^(n-100) with 2^100 <= r < 2^101 (up to rounding).
    function exp2(int256 t) internal pure returns (uint256 r, int256 n) {
        n = t >> 60;
        r = uint256(ScalarPolynomials.exp2Fraction(t & int256((1 << 60) - 1)));
    }

    /// @notice x·log2(e) in units of 2^-60, floored; never falls as x grows. Any float32 but NaN.
    /// @dev Zeros and subnormals are read as if they were normal: they differ by less than 2^-126 from that.
    function log2eTimes(uint32 x) internal pure returns (int256 t) {
        unchecked {
            int256 m = int256(uint256((x & 0x7fffff) | 0x800000));
            if (x > MAGNITUDE) m = -m;
            t = (m * int256(LOG2_E)) >> (319 - ((x >> 23) & 0xff));
        }
    }

    /// @notice e^x; saturates at |x| = 256.
    function exp(uint32 x) internal pure returns (uint256 r, int256 q) {
        (r, q) = exp2(log2eTimes((x & ~MAGNITUDE) | _clamp(x, 0x43800000)));
        q -= 100;
    }

    /// @notice 1/(1 + e^-x); saturates at |x| = 256.
    function sigmoid(uint32 x) internal pure returns (uint256 r, int256 q) {
        unchecked {
            (uint256 a, int256 n) = exp2(-log2eTimes(_clamp(x, 0x43800000))); // e^-|x|, n <= 0
            uint256 divisor = ONE + (a >> uint256(-n));
            return x > MAGNITUDE ? ((a << 100) / divisor, n - 100) : ((1 << 200) / divisor, -100);
        }
    }

    /// @notice tanh|x|; saturates at |x| = 32.
    function tanh(uint32 x) internal pure returns (uint256 r, int256 q) {
        unchecked {
            uint32 magnitude = _clamp(x, 0x42000000);
            if (magnitude < 0x3d800000) return _oddSeries(magnitude, false); // |x| < 1/16
            (uint256 a, int256 n) = exp2(-2 * log2eTimes(magnitude)); // e^-2|x|, n <= 0
            a >>= uint256(-n);
            return (((ONE - a) << 100) / (ONE + a), -100);
        }
    }

    /// @notice erf|x|; saturates at |x| = 6.
    function erf(uint32 x) internal pure returns (uint256 r, int256 q) {
        unchecked {
            uint32 magnitude = _clamp(x, 0x40c00000);
            if (magnitude < 0x3f800000) return _oddSeries(magnitude, true); // |x| < 1
            (uint256 m, uint256 e) = _decode(magnitude); // 127 <= e <= 129
            // erf x = 1 - e^(-x²)·erfcScaled(x)
            (uint256 a, int256 n) = exp2(-int256((m * m * (LOG2_E >> 109)) >> (360 - 2 * e)));
            uint256 shifted = (m << (e - 90)) + (5 << 59); // x + 5/2 in units of 2^-60
            int256 scaled = ScalarPolynomials.erfcScaled(int256(ERFC_SLOPE / shifted) - int256(ERFC_OFFSET));
            return (ONE - ((a * uint256(scaled)) >> uint256(100 - n)), -100);
        }
    }

    /// @dev |x|·P(x²) for tanh (|x| < 1/16) and erf (|x| < 1); e <= 126.
    function _oddSeries(uint32 magnitude, bool isErf) private pure returns (uint256 r, int256 q) {
        unchecked {
            (uint256 m, uint256 e) = _decode(magnitude);
            int256 square = int256(((m * m) << 16) >> (256 - 2 * e)); // in units of 2^-60
            int256 ratio = isErf ? ScalarPolynomials.erfRatio(square) : ScalarPolynomials.tanhRatio(square);
            return (m * uint256(ratio), int256(e) - 250);
        }
    }

    /// @dev |x|, at most `limit` (float32 bits order like the numbers they stand for).
    function _clamp(uint32 x, uint32 limit) private pure returns (uint32 magnitude) {
        magnitude = x & MAGNITUDE;
        if (magnitude > limit) magnitude = limit;
    }

    /// @dev magnitude = m·2^(e-150).
    function _decode(uint32 magnitude) private pure returns (uint256 m, uint256 e) {
        unchecked {
            e = magnitude >> 23;
            m = magnitude & 0x7fffff;
            if (e == 0) e = 1;
            else m |= 0x800000;
        }
    }
}
