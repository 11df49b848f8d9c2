// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @notice A non-negative number m·2^e. Bits 0 to 127 are m, with 2^127 <= m < 2^128, the bits above are e + 2^32; the
///         number 0 is 0. So numbers order as their words do.
type Wide is uint256;

using {wideAdd as +, wideMultiply as *, wideDivide as /, wideLess as <} for Wide global;

/// @dev Sum, product and quotient are never too large, and too small by less than 2^-126 of themselves. Exponents stay
///      far from ±2^32: the callers begin with floats and apply a few dozen operations.
uint256 constant WIDE_BIAS = 1 << 32;
uint256 constant WIDE_MANTISSA = (1 << 128) - 1;

function wideAdd(Wide a, Wide b) pure returns (Wide) {
    unchecked {
        (uint256 x, uint256 y) = (Wide.unwrap(a), Wide.unwrap(b));
        if (x < y) (x, y) = (y, x);
        uint256 distance = (x >> 128) - (y >> 128);
        uint256 m = (x & WIDE_MANTISSA) + ((y & WIDE_MANTISSA) >> distance); // 0 far below
        uint256 e = x >> 128;
        if (m > WIDE_MANTISSA) (m, e) = (m >> 1, e + 1);
        return Wide.wrap((e << 128) | m);
    }
}

function wideMultiply(Wide a, Wide b) pure returns (Wide) {
    unchecked {
        (uint256 x, uint256 y) = (Wide.unwrap(a), Wide.unwrap(b));
        if (x == 0 || y == 0) return Wide.wrap(0);
        uint256 m = (x & WIDE_MANTISSA) * (y & WIDE_MANTISSA);
        uint256 e = (x >> 128) + (y >> 128) - WIDE_BIAS + 127;
        if (m >> 255 != 0) return Wide.wrap(((e + 1) << 128) | (m >> 128));
        return Wide.wrap((e << 128) | (m >> 127));
    }
}

/// @dev b is not 0.
function wideDivide(Wide a, Wide b) pure returns (Wide) {
    unchecked {
        (uint256 x, uint256 y) = (Wide.unwrap(a), Wide.unwrap(b));
        if (x == 0) return Wide.wrap(0);
        uint256 e = (x >> 128) + WIDE_BIAS - (y >> 128) - 127;
        (x, y) = (x & WIDE_MANTISSA, y & WIDE_MANTISSA);
        if (x < y) return Wide.wrap(((e - 1) << 128) | ((x << 128) / y));
        return Wide.wrap((e << 128) | ((x << 127) / y));
    }
}

function wideLess(Wide a, Wide b) pure returns (bool) {
    return Wide.unwrap(a) < Wide.unwrap(b);
}

/// @title Non-negative numbers with 128-bit mantissas and wide exponents: the arithmetic of error bounds
/// @notice Every operation rounds down, by less than 2^-126 of its result. Twin: packages/numerics/src/wide.ts.
library WideMath {
    /// @notice n·2^e.
    function from(uint256 n, int256 e) internal pure returns (Wide) {
        unchecked {
            if (n == 0) return Wide.wrap(0);
            uint256 top = Math.log2(n);
            n = top > 127 ? n >> (top - 127) : n << (127 - top);
            return Wide.wrap((uint256(e + int256(WIDE_BIAS + top) - 127) << 128) | n);
        }
    }

    /// @notice |x| of a finite float32.
    function fromFloat(uint32 bits) internal pure returns (Wide) {
        unchecked {
            uint256 exponent = (bits >> 23) & 0xff;
            uint256 mantissa = bits & 0x7fffff;
            if (exponent == 0) exponent = 1;
            else mantissa |= 0x800000;
            return from(mantissa, int256(exponent) - 150);
        }
    }

    /// @notice a - b, or 0 where b is larger. Unlike the others it may be wrong by 2^-127 of a.
    function minus(Wide a, Wide b) internal pure returns (Wide) {
        unchecked {
            (uint256 x, uint256 y) = (Wide.unwrap(a), Wide.unwrap(b));
            if (x <= y) return Wide.wrap(0);
            uint256 e = x >> 128;
            uint256 m = (x & WIDE_MANTISSA) - ((y & WIDE_MANTISSA) >> (e - (y >> 128)));
            return from(m, int256(e) - int256(WIDE_BIAS));
        }
    }

    function squareRoot(Wide a) internal pure returns (Wide) {
        unchecked {
            uint256 x = Wide.unwrap(a);
            if (x == 0) return a;
            int256 e = int256(x >> 128) - int256(WIDE_BIAS);
            uint256 shift = e & 1 != 0 ? 127 : 128;
            uint256 root = Math.sqrt((x & WIDE_MANTISSA) << shift);
            return Wide.wrap((uint256((e - int256(shift)) / 2 + int256(WIDE_BIAS)) << 128) | root);
        }
    }

    /// @notice The exponent of the leading bit: 2^top <= a < 2^(top+1). a is not 0.
    function topBit(Wide a) internal pure returns (int256) {
        return int256(Wide.unwrap(a) >> 128) - int256(WIDE_BIAS) + 127;
    }

    /// @notice ⌊a/2^scale⌋; the caller has made sure that it is below 2^255.
    function units(Wide a, int256 scale) internal pure returns (uint256) {
        unchecked {
            uint256 x = Wide.unwrap(a);
            if (x == 0) return 0;
            int256 shift = int256(x >> 128) - int256(WIDE_BIAS) - scale;
            x &= WIDE_MANTISSA;
            return shift < 0 ? x >> uint256(-shift) : x << uint256(shift);
        }
    }
}
