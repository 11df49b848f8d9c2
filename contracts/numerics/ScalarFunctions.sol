// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Real, RealMath} from "./Real.sol";
import {SQRT_2_OVER_PI, SQRT_HALF} from "./ScalarPolynomials.sol";
import {ScalarSeries} from "./ScalarSeries.sol";

/// @notice What a NaN argument may become besides NaN, where hardware clamps the argument or the result.
enum NanRange {
    None,
    Positive,
    Unit,
    Symmetric,
    Any
}

/// @notice Arguments of a scalar function; x and y are not NaN.
struct ScalarArguments {
    Real x;
    Real y;
    bool negative; // the sign bit of x, which a zero has too
    Real a; // parameters
    Real b;
}

/// @notice A conforming result is within 2^-23·(ulps·|f| + units·c) + 2^-125 of f.
struct Enclosure {
    Real f; // error at most 2^-60·(|f| + c); HUGE where infinite, NONE where it does not exist
    Real c; // size of what cancels on the way, where a result is accurate in absolute terms only
    uint256 ulps;
    uint256 units;
    NanRange nan;
    bool nanAtInfinity; // given an infinity, the result may also be NaN (Inf·0 or Inf/Inf on the way)
}

/// @title All scalar functions
/// @notice To add one: an entry in `evaluate` (and in `parameters`, if it has any), and one in its twin,
///         packages/numerics/src/scalar-functions.ts.
library ScalarFunctions {
    uint256 internal constant COUNT = 27;
    uint8 internal constant CELU = 23;
    uint8 internal constant POW = 26;

    /// @notice Number of operands.
    function arity(uint8 op) internal pure returns (uint256) {
        return op == POW ? 2 : 1;
    }

    /// @notice Number of float32 parameters.
    function parameters(uint8 op) internal pure returns (uint256) {
        if (op == 22 || op == 24) return 2; // Selu, HardSigmoid
        return op == 20 || op == 21 || op == CELU ? 1 : 0; // Swish, Elu, Celu
    }

    /// @notice The function `op` and its accuracy.
    function evaluate(uint8 op, ScalarArguments memory v) internal pure returns (Enclosure memory) {
        Real x = v.x;
        Real none = RealMath.ZERO;
        Real one = RealMath.ONE;
        // Exp, Log, Sigmoid, Tanh, Erf
        if (op == 0) return _entry(ScalarSeries.exp(x), 2, 0, none, NanRange.Positive, false);
        if (op == 1) return _entry(_log(x), 4, 0, none, NanRange.None, false);
        if (op == 2) return _entry(_sigmoid(x), 4, 3, one, NanRange.Unit, false);
        if (op == 3) return _entry(_tanh(x), 8, 0, none, NanRange.Symmetric, false);
        if (op == 4) return _entry(ScalarSeries.erf(x), 2, 0, none, NanRange.Symmetric, false);
        // Sin, Cos, Tan, Asin, Acos, Atan
        if (op < 8) return _entry(_circular(op, x), op == 7 ? 8 : 4, 1, one, NanRange.None, false);
        if (op == 8) return _entry(_asin(x), 8, 0, none, NanRange.None, false);
        if (op == 9) return _entry(_acos(x), 8, 0, none, NanRange.None, false);
        if (op == 10)
            return _entry(_signed(x, ScalarSeries.atanOf(x.size(), one)), 8, 0, none, NanRange.None, false);
        // Sinh, Cosh, Asinh, Acosh, Atanh
        if (op == 11) return _entry(_sinh(x), 8, 0, none, NanRange.None, false);
        if (op == 12) return _entry(_cosh(x), 8, 0, none, NanRange.None, false);
        if (op == 13) return _entry(_asinh(x), 8, 0, none, NanRange.None, false);
        if (op == 14) return _entry(_acosh(x), 8, 0, none, NanRange.None, false);
        if (op == 15) return _entry(_atanh(x), 8, 0, none, NanRange.None, false);
        // Softplus, Softsign
        if (op == 16) return _entry(_softplus(x), 8, 2, one, NanRange.Any, false);
        if (op == 17) return _entry(x / (one + x.size()), 4, 0, none, NanRange.Symmetric, true);
        // Gelu, Gelu by tanh, Swish(alpha)
        if (op == 18) return _entry(_gelu(x), 8, 2, x.size(), NanRange.Any, true);
        if (op == 19) return _entry(_geluTanh(x), 8, 5, x.size(), NanRange.Any, true);
        if (op == 20) return _entry(x * _sigmoid(v.a * x), 8, 4, x.size(), NanRange.Any, true);
        // Elu(alpha), Selu(alpha, gamma), Celu(alpha)
        if (op == 21) return _entry(_elu(x, v.a), 4, 3, v.a.size(), NanRange.Any, false);
        if (op == 22) return _entry(v.b * _elu(x, v.a), 4, 3, (v.a * v.b).size(), NanRange.Any, false);
        if (op == CELU) return _entry(_celu(x, v.a), 4, 3, v.a.size(), NanRange.Any, false);
        // HardSigmoid(alpha, beta), HardSwish
        if (op == 24) return _entry(_clampUnit(v.a * x + v.b), 1, 1, one + v.b.size(), NanRange.Unit, true);
        if (op == 25) return _entry(_hardSwish(x), 2, 2, x.size(), NanRange.Any, true);
        return _entry(_pow(v), 8, 0, none, NanRange.None, true);
    }

    function _entry(
        Real f,
        uint256 ulps,
        uint256 units,
        Real c,
        NanRange nan,
        bool nanAtInfinity
    ) private pure returns (Enclosure memory) {
        return Enclosure(f, c, ulps, units, nan, nanAtInfinity);
    }

    function _signed(Real x, Real y) private pure returns (Real) {
        return x.isNegative() ? -y : y;
    }

    function _clampUnit(Real x) private pure returns (Real) {
        if (x.isNegative()) return RealMath.ZERO;
        return RealMath.ONE.lessThan(x) ? RealMath.ONE : x;
    }

    function _log(Real x) private pure returns (Real) {
        return x.isNegative() ? RealMath.NONE : ScalarSeries.ln(x);
    }

    function _sigmoid(Real x) private pure returns (Real) {
        return RealMath.ONE / (RealMath.ONE + ScalarSeries.exp(-x));
    }

    function _tanh(Real x) private pure returns (Real) {
        Real e = ScalarSeries.expm1(x.size().scale(1));
        return _signed(x, e / (e + RealMath.TWO));
    }

    function _circular(uint8 op, Real x) private pure returns (Real) {
        if (x.isHuge()) return RealMath.NONE;
        if (op == 5) return ScalarSeries.sin(x);
        return op == 6 ? ScalarSeries.cos(x) : ScalarSeries.tan(x);
    }

    function _asin(Real x) private pure returns (Real) {
        Real rest = RealMath.ONE - x.size();
        if (rest.isNegative()) return RealMath.NONE;
        return
            _signed(x, ScalarSeries.atanOf(x.size(), RealMath.squareRoot(rest * (RealMath.ONE + x.size()))));
    }

    function _acos(Real x) private pure returns (Real) {
        if (RealMath.ONE.lessThan(x.size())) return RealMath.NONE;
        Real a = RealMath.squareRoot(RealMath.ONE - x);
        return ScalarSeries.atanOf(a, RealMath.squareRoot(RealMath.ONE + x)).scale(1);
    }

    function _sinh(Real x) private pure returns (Real) {
        Real e = ScalarSeries.expm1(x.size());
        return _signed(x, (e + e / (e + RealMath.ONE)).scale(-1));
    }

    function _cosh(Real x) private pure returns (Real) {
        Real e = ScalarSeries.exp(x.size());
        return (e + RealMath.ONE / e).scale(-1);
    }

    function _asinh(Real x) private pure returns (Real) {
        Real a = x.size();
        Real square = a * a;
        Real root = RealMath.squareRoot(RealMath.ONE + square);
        return _signed(x, ScalarSeries.ln1p(a + square / (RealMath.ONE + root)));
    }

    function _acosh(Real x) private pure returns (Real) {
        Real t = x - RealMath.ONE;
        if (t.isNegative()) return RealMath.NONE;
        return ScalarSeries.ln1p(t + RealMath.squareRoot(t * (x + RealMath.ONE)));
    }

    function _atanh(Real x) private pure returns (Real) {
        Real rest = RealMath.ONE - x.size();
        if (rest.isNegative()) return RealMath.NONE;
        if (rest.isZero()) return _signed(x, RealMath.HUGE);
        return _signed(x, ScalarSeries.ln1p(x.size().scale(1) / rest).scale(-1));
    }

    function _softplus(Real x) private pure returns (Real) {
        Real tail = ScalarSeries.ln1p(ScalarSeries.exp(-x.size()));
        return x.isNegative() ? tail : x + tail;
    }

    function _gelu(Real x) private pure returns (Real) {
        return x.scale(-1) * (RealMath.ONE + ScalarSeries.erf(x * RealMath.pack(int256(SQRT_HALF), -120)));
    }

    /// @dev x/2·(1 + tanh u) = x·sigmoid(2u), u = √(2/π)·(x + 0.044715·x³).
    function _geluTanh(Real x) private pure returns (Real) {
        Real cube = RealMath.from(44715, 0) / RealMath.from(1000000, 0);
        return x * _sigmoid(RealMath.pack(int256(SQRT_2_OVER_PI), -119) * (x + cube * (x * (x * x))));
    }

    function _elu(Real x, Real alpha) private pure returns (Real) {
        return x.isNegative() ? alpha * ScalarSeries.expm1(x) : x;
    }

    function _celu(Real x, Real alpha) private pure returns (Real) {
        return x.isNegative() ? alpha * ScalarSeries.expm1(x / alpha) : x;
    }

    function _hardSwish(Real x) private pure returns (Real) {
        Real sixth = RealMath.ONE / RealMath.from(6, 0);
        return x * _clampUnit(x * sixth + RealMath.ONE.scale(-1));
    }

    /// @dev x^y as C defines it: the sign of a negative base survives an odd power.
    function _pow(ScalarArguments memory v) private pure returns (Real) {
        (bool integer, bool odd) = _parity(v.y);
        if (v.x.isNegative() && !v.x.isHuge() && !integer) return RealMath.NONE;
        if (v.y.isZero()) return RealMath.ONE;
        Real power = ScalarSeries.exp(v.y * ScalarSeries.ln(v.x.size()));
        return v.negative && odd ? -power : power;
    }

    /// @dev Whether y is an integer, and an odd one; infinities and everything from 2^24 on are even.
    function _parity(Real y) private pure returns (bool integer, bool odd) {
        (int256 m, int256 e) = RealMath.parts(y);
        if (m == 0 || e > 0) return (true, false);
        if (e <= -120) return (false, false); // |y| < 1
        unchecked {
            int256 unit = int256(1) << uint256(-e);
            integer = m % unit == 0;
            odd = integer && m & unit != 0;
        }
    }
}
