// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {FloatFormat, Format} from "./FloatFormat.sol";

/// @title +, -, ×, ÷, √, fmod and rounding to integers exactly as IEEE 754 rounds them (to nearest, ties to even)
/// @notice Bits in, bits out. `tiny` tells that the exact result is not zero but below the smallest normal number, where
///         hardware that flushes subnormal results may return a zero instead (whether it detects tininess before or
///         after rounding).
library CorrectRounding {
    using FloatFormat for Format;

    /// @notice To which integer `integral` rounds.
    enum Direction {
        Down,
        Up,
        Nearest
    }

    function add(Format memory f, uint256 a, uint256 b) internal pure returns (uint256, bool) {
        unchecked {
            if (f.isNaN(a) || f.isNaN(b)) return (f.nan(), false);
            bool aInfinite = f.isInfinite(a);
            bool bInfinite = f.isInfinite(b);
            if (aInfinite && bInfinite) return (a == b ? a : f.nan(), false);
            if (aInfinite || bInfinite) return (aInfinite ? a : b, false);
            if (f.magnitude(a) < f.magnitude(b)) (a, b) = (b, a);
            (, uint256 m, int256 e) = f.decode(a);
            (, uint256 n, int256 g) = f.decode(b);
            // 64 more bits than a has; a b beyond them only matters by being there, and on which side
            m <<= 64;
            int256 distance = e - g;
            if (distance <= 64) n <<= uint256(64 - distance);
            else if (n != 0) n = 1;
            m = (a ^ b) & f.sign == 0 ? m + n : m - n;
            return round(f, m == 0 ? a & b & f.sign : a & f.sign, m, e - 64);
        }
    }

    function multiply(Format memory f, uint256 a, uint256 b) internal pure returns (uint256, bool) {
        unchecked {
            uint256 sign = (a ^ b) & f.sign;
            if (f.isNaN(a) || f.isNaN(b)) return (f.nan(), false);
            if (f.isInfinite(a) || f.isInfinite(b)) {
                return ((f.isZero(a) || f.isZero(b)) ? f.nan() : sign | f.infinity, false);
            }
            (, uint256 m, int256 e) = f.decode(a);
            (, uint256 n, int256 g) = f.decode(b);
            return round(f, sign, m * n, e + g);
        }
    }

    function divide(Format memory f, uint256 a, uint256 b) internal pure returns (uint256, bool) {
        unchecked {
            uint256 sign = (a ^ b) & f.sign;
            if (f.isNaN(a) || f.isNaN(b)) return (f.nan(), false);
            if (f.isInfinite(a)) return (f.isInfinite(b) ? f.nan() : sign | f.infinity, false);
            if (f.isInfinite(b)) return (sign, false);
            if (f.isZero(b)) return (f.isZero(a) ? f.nan() : sign | f.infinity, false);
            (, uint256 m, int256 e) = f.decode(a);
            (, uint256 n, int256 g) = f.decode(b);
            uint256 quotient = (m << 128) / n; // at least 76 bits unless a is zero
            bool inexact = quotient * n != m << 128;
            return round(f, sign, (quotient << 1) | (inexact ? 1 : 0), e - g - 129);
        }
    }

    function squareRoot(Format memory f, uint256 a) internal pure returns (uint256, bool) {
        unchecked {
            if (f.isZero(a)) return (a, false);
            if (f.isNaN(a) || a & f.sign != 0) return (f.nan(), false);
            if (f.isInfinite(a)) return (a, false);
            (, uint256 m, int256 e) = f.decode(a);
            int256 shift = 120 + (e & 1); // e - shift is even
            uint256 square = m << uint256(shift);
            uint256 root = Math.sqrt(square); // at least 61 bits
            bool inexact = root * root != square;
            return round(f, 0, (root << 1) | (inexact ? 1 : 0), (e - shift) / 2 - 1);
        }
    }

    /// @notice C's fmod: a - b·trunc(a/b), which is always exact and has the sign of a.
    function remainder(Format memory f, uint256 a, uint256 b) internal pure returns (uint256, bool) {
        unchecked {
            if (f.isNaN(a) || f.isNaN(b) || f.isInfinite(a) || f.isZero(b)) return (f.nan(), false);
            if (f.magnitude(a) < f.magnitude(b)) return (a, f.isSubnormal(a));
            (, uint256 m, int256 e) = f.decode(a);
            (, uint256 n, int256 g) = f.decode(b);
            // |a| >= |b|, so e >= g: a b with a larger exponent would be normal, and larger than a
            return round(f, a & f.sign, mulmod(m, _power2(uint256(e - g), n), n), g);
        }
    }

    /// @notice The integer next to a: below, above, or nearest with ties to even.
    function integral(Format memory f, uint256 a, Direction direction) internal pure returns (uint256 bits) {
        unchecked {
            if (!f.isFinite(a)) return f.isNaN(a) ? f.nan() : a;
            (bool negative, uint256 m, int256 e) = f.decode(a);
            if (e >= 0) return a;
            uint256 drop = e < -200 ? 200 : uint256(-e);
            uint256 whole = m >> drop;
            uint256 rest = m - (whole << drop);
            uint256 half = 1 << (drop - 1);
            bool up = rest != 0 && negative == (direction == Direction.Down);
            if (direction == Direction.Nearest) up = rest > half || (rest == half && whole & 1 == 1);
            (bits, ) = round(f, a & f.sign, up ? whole + 1 : whole, 0);
        }
    }

    /// @notice The value of format f nearest to m·2^q. An odd m of at least 3 more bits than f's mantissas may stand for
    ///         "and a little more or less".
    function round(
        Format memory f,
        uint256 sign,
        uint256 m,
        int256 q
    ) internal pure returns (uint256 bits, bool tiny) {
        unchecked {
            if (m == 0) return (sign, false);
            int256 top = int256(Math.log2(m)) + q; // 2^top <= m·2^q < 2^(top+1)
            int256 precision = int256(f.fractionBits);
            tiny = top < f.lowest + precision;
            int256 unit = tiny ? f.lowest : top - precision; // exponent of the result's last place
            if (unit - f.lowest >= int256(f.infinity >> f.fractionBits)) return (sign | f.infinity, false);
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
            // m <= 2^(fractionBits + 1), and a carry into the exponent field is the right one
            uint256 size = tiny ? m : (uint256(unit - f.lowest) << f.fractionBits) + m;
            bits = sign | (size > f.infinity ? f.infinity : size);
        }
    }

    /// @dev 2^exponent mod n.
    function _power2(uint256 exponent, uint256 n) private pure returns (uint256 power) {
        power = 1 % n;
        for (uint256 base = 2; exponent != 0; exponent >>= 1) {
            if (exponent & 1 == 1) power = mulmod(power, base, n);
            base = mulmod(base, base, n);
        }
    }
}
