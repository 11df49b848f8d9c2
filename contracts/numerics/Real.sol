// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Float32} from "./Float32.sol";

/// @notice A number of 120 bits: m·2^e with 2^119 <= |m| <= 2^120, or zero; m is above the lowest 32 bits, e in them.
/// @dev Every operation errs by a relative 2^-118 at most (docs/numerics/scalar.md); infinities are read as 2^1024.
///      Exponents stay far inside 32 bits whatever the scalar functions do. Twin: packages/numerics/src/scalar-real.ts.
type Real is int256;

using {add as +, subtract as -, multiply as *, divide as /, negate as -} for Real global;
using {RealMath.exponent, RealMath.isNegative, RealMath.isZero, RealMath.isHuge} for Real global;
using {RealMath.size, RealMath.within, RealMath.scale, RealMath.lessThan} for Real global;

function add(Real a, Real b) pure returns (Real) {
    (int256 m, int256 e) = RealMath.parts(a);
    (int256 n, int256 f) = RealMath.parts(b);
    unchecked {
        if (e < f) (a, m, e, n, f) = (b, n, f, m, e);
        // the smaller one, possibly zero, is below the precision
        if (e - f > 124) return a;
        return RealMath.from((m << uint256(e - f)) + n, f);
    }
}

function subtract(Real a, Real b) pure returns (Real) {
    return add(a, negate(b));
}

function multiply(Real a, Real b) pure returns (Real) {
    (int256 m, int256 e) = RealMath.parts(a);
    (int256 n, int256 f) = RealMath.parts(b);
    unchecked {
        return RealMath.from(m * n, e + f);
    }
}

/// @dev b is not zero.
function divide(Real a, Real b) pure returns (Real) {
    (int256 m, int256 e) = RealMath.parts(a);
    (int256 n, int256 f) = RealMath.parts(b);
    unchecked {
        return RealMath.from((m << 130) / n, e - f - 130);
    }
}

function negate(Real a) pure returns (Real) {
    (int256 m, int256 e) = RealMath.parts(a);
    unchecked {
        return RealMath.pack(-m, e);
    }
}

/// @title Making, taking apart and comparing Reals
library RealMath {
    int256 internal constant PRECISION = 120;
    /// @dev 1 in fixed point, units of 2^-120.
    int256 internal constant ONE_FIXED = 1 << 120;
    int256 private constant ZERO_EXPONENT = -(1 << 20);
    Real internal constant ZERO = Real.wrap(int256(uint256(uint32(int32(ZERO_EXPONENT)))));
    Real internal constant ONE = Real.wrap((int256(1) << 151) | int256(uint256(uint32(int32(-119)))));
    Real internal constant TWO = Real.wrap((int256(1) << 151) | int256(uint256(uint32(int32(-118)))));
    /// @dev What infinite float32 are read as; functions return it for a result that is infinite.
    Real internal constant HUGE = Real.wrap((int256(1) << 151) | 905);
    /// @dev No number: the function does not exist there.
    Real internal constant NONE = Real.wrap(1);

    function pack(int256 m, int256 e) internal pure returns (Real a) {
        assembly ("memory-safe") {
            a := or(shl(32, m), and(e, 0xffffffff))
        }
    }

    function parts(Real a) internal pure returns (int256 m, int256 e) {
        assembly ("memory-safe") {
            m := sar(32, a)
            e := signextend(3, a)
        }
    }

    /// @notice m·2^e for any |m| < 2^255.
    function from(int256 m, int256 e) internal pure returns (Real) {
        if (m == 0) return ZERO;
        int256 shift;
        assembly ("memory-safe") {
            let sign := sar(255, m)
            shift := sub(136, clz(sub(xor(m, sign), sign)))
            switch slt(shift, 0)
            case 1 {
                m := shl(sub(0, shift), m)
            }
            default {
                m := sar(shift, m)
            }
        }
        unchecked {
            return pack(m, e + shift);
        }
    }

    /// @notice The value of float32 bits that are not NaN.
    function fromBits(uint32 bits) internal pure returns (Real a) {
        (bool negative, uint256 mantissa, int256 e) = Float32.decode(bits);
        a = bits & Float32.MAGNITUDE == Float32.INFINITY ? HUGE : from(int256(mantissa), e);
        if (negative) a = -a;
    }

    /// @notice The e of m·2^e.
    function exponent(Real a) internal pure returns (int256 e) {
        (, e) = parts(a);
    }

    function isNegative(Real a) internal pure returns (bool) {
        return Real.unwrap(a) < 0;
    }

    function isZero(Real a) internal pure returns (bool) {
        return Real.unwrap(a) >> 32 == 0;
    }

    /// @notice True for what stands for an infinity.
    function isHuge(Real a) internal pure returns (bool) {
        return exponent(a) > 600;
    }

    /// @notice |a|.
    function size(Real a) internal pure returns (Real) {
        return isNegative(a) ? -a : a;
    }

    /// @notice |a| <= 2^power (which counts as larger unless its mantissa is 2^120).
    function within(Real a, int256 power) internal pure returns (bool) {
        unchecked {
            return exponent(a) + PRECISION <= power;
        }
    }

    /// @notice a·2^power.
    function scale(Real a, int256 power) internal pure returns (Real) {
        if (isZero(a)) return a;
        (int256 m, int256 e) = parts(a);
        unchecked {
            return pack(m, e + power);
        }
    }

    function lessThan(Real a, Real b) internal pure returns (bool) {
        return isNegative(a - b);
    }

    /// @notice √a for a >= 0.
    function squareRoot(Real a) internal pure returns (Real) {
        if (isZero(a)) return a;
        (int256 m, int256 e) = parts(a);
        unchecked {
            int256 shift = 120 - (e & 1);
            return from(int256(Math.sqrt(uint256(m << uint256(shift)))), (e - shift) / 2);
        }
    }

    /// @notice a in units of 2^-120, floored; |a| < 2^15.
    function toFixed(Real a) internal pure returns (int256) {
        (int256 m, int256 e) = parts(a);
        unchecked {
            int256 shift = e + PRECISION;
            return shift < 0 ? m >> uint256(-shift) : m << uint256(shift);
        }
    }

    function fromFixed(int256 fixedPoint) internal pure returns (Real) {
        return from(fixedPoint, -PRECISION);
    }

    /// @notice The product of two numbers in fixed point, floored; below 2^255 before the shift.
    function multiplyFixed(int256 a, int256 b) internal pure returns (int256) {
        unchecked {
            return (a * b) >> 120;
        }
    }
}
