// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Float32} from "./Float32.sol";

/// @title float32 +, -, ×, ÷ and √ exactly as IEEE 754 rounds them (to nearest, ties to even)
/// @notice Bits in, bits out. `tiny` tells that the exact result is not zero but below 2^-126, where hardware that
///         flushes subnormal results may return a zero instead (whether it detects tininess before or after rounding).
library CorrectRounding {
    uint32 private constant SIGN = Float32.SIGN;
    uint32 private constant INFINITY = Float32.INFINITY;
    uint32 private constant NAN = 0x7fc00000;

    function add(uint32 a, uint32 b) internal pure returns (uint32, bool) {
        unchecked {
            if (Float32.isNaN(a) || Float32.isNaN(b)) return (NAN, false);
            bool aInfinite = _isInfinite(a);
            bool bInfinite = _isInfinite(b);
            if (aInfinite && bInfinite) return (a == b ? a : NAN, false);
            if (aInfinite || bInfinite) return (aInfinite ? a : b, false);
            if (a & Float32.MAGNITUDE < b & Float32.MAGNITUDE) (a, b) = (b, a);
            (, uint256 m, int256 e) = Float32.decode(a);
            (, uint256 n, int256 f) = Float32.decode(b);
            // 64 more bits than a has; a b beyond them only matters by being there, and on which side
            m <<= 64;
            int256 distance = e - f;
            if (distance <= 64) n <<= uint256(64 - distance);
            else if (n != 0) n = 1;
            m = (a ^ b) & SIGN == 0 ? m + n : m - n;
            return round(m == 0 ? a & b & SIGN : a & SIGN, m, e - 64);
        }
    }

    function multiply(uint32 a, uint32 b) internal pure returns (uint32, bool) {
        unchecked {
            uint32 sign = (a ^ b) & SIGN;
            if (Float32.isNaN(a) || Float32.isNaN(b)) return (NAN, false);
            if (_isInfinite(a) || _isInfinite(b)) {
                return ((Float32.isZero(a) || Float32.isZero(b)) ? NAN : sign | INFINITY, false);
            }
            (, uint256 m, int256 e) = Float32.decode(a);
            (, uint256 n, int256 f) = Float32.decode(b);
            return round(sign, m * n, e + f);
        }
    }

    function divide(uint32 a, uint32 b) internal pure returns (uint32, bool) {
        unchecked {
            uint32 sign = (a ^ b) & SIGN;
            if (Float32.isNaN(a) || Float32.isNaN(b)) return (NAN, false);
            if (_isInfinite(a)) return (_isInfinite(b) ? NAN : sign | INFINITY, false);
            if (_isInfinite(b)) return (sign, false);
            if (Float32.isZero(b)) return (Float32.isZero(a) ? NAN : sign | INFINITY, false);
            (, uint256 m, int256 e) = Float32.decode(a);
            (, uint256 n, int256 f) = Float32.decode(b);
            uint256 quotient = (m << 64) / n; // at least 41 bits unless a is zero
            bool inexact = quotient * n != m << 64;
            return round(sign, (quotient << 1) | (inexact ? 1 : 0), e - f - 65);
        }
    }

    function squareRoot(uint32 a) internal pure returns (uint32, bool) {
        unchecked {
            if (Float32.isZero(a)) return (a, false);
            if (Float32.isNaN(a) || a > INFINITY) return (NAN, false);
            if (a == INFINITY) return (a, false);
            (, uint256 m, int256 e) = Float32.decode(a);
            int256 shift = 60 + (e & 1); // e - shift is even
            uint256 square = m << uint256(shift);
            uint256 root = Math.sqrt(square); // at least 31 bits
            bool inexact = root * root != square;
            return round(0, (root << 1) | (inexact ? 1 : 0), (e - shift) / 2 - 1);
        }
    }

    /// @notice The float32 nearest to m·2^q. An odd m of 27 bits or more may stand for "and a little more or less".
    function round(uint32 sign, uint256 m, int256 q) internal pure returns (uint32 bits, bool tiny) {
        unchecked {
            if (m == 0) return (sign, false);
            int256 top = int256(Math.log2(m)) + q; // 2^top <= m·2^q < 2^(top+1)
            tiny = top < -126;
            int256 unit = tiny ? -149 : top - 23; // exponent of the result's last place
            int256 drop = unit - q;
            if (drop <= 0) {
                m <<= uint256(-drop);
            } else if (drop > 255) {
                m = 0;
            } else {
                uint256 rest = m & ((1 << uint256(drop)) - 1);
                uint256 half = 1 << uint256(drop - 1);
                m >>= uint256(drop);
                if (rest > half || (rest == half && m & 1 == 1)) ++m;
            }
            // m <= 2^24, and a carry into the exponent field is the right one
            uint256 magnitude = tiny ? m : (uint256(unit + 149) << 23) + m;
            bits = sign | (magnitude >= INFINITY || unit > 104 ? INFINITY : uint32(magnitude));
        }
    }

    function _isInfinite(uint32 x) private pure returns (bool) {
        return x & Float32.MAGNITUDE == INFINITY;
    }
}
