// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Real, RealMath} from "./Real.sol";
import {HALF_PI, LN2, TWO_OVER_PI, TWO_OVER_SQRT_PI} from "./ScalarPolynomials.sol";

/// @title exp, ln, sin, cos, atan and erf of 120-bit numbers by their series
/// @dev docs/numerics/scalar.md derives the errors. Twin: packages/numerics/src/scalar-series.ts.
library ScalarSeries {
    int256 private constant ONE_FIXED = RealMath.ONE_FIXED;

    /// @notice e^x; saturates at |x| = 2^11.
    function exp(Real x) internal pure returns (Real) {
        unchecked {
            if (!x.within(11)) x = RealMath.from(x.isNegative() ? -2048 : int256(2048), 0);
            int256 t = RealMath.toFixed(x);
            int256 n = (t + (int256(LN2) << 12)) / int256(LN2) - 4096;
            return RealMath.from(_exponential(t - n * int256(LN2), 0), n - 120);
        }
    }

    /// @notice e^x - 1.
    function expm1(Real x) internal pure returns (Real) {
        if (!x.within(-2)) return exp(x) - RealMath.ONE;
        return x * RealMath.fromFixed(_exponential(RealMath.toFixed(x), 1));
    }

    /// @notice ln x for x >= 0.
    function ln(Real x) internal pure returns (Real) {
        if (x.isZero()) return -RealMath.HUGE;
        if (x.isHuge()) return RealMath.HUGE;
        (int256 m, int256 n) = RealMath.parts(x);
        int256 e = -120;
        unchecked {
            n += 120;
            if (m < 3 << 118) (n, e) = (n - 1, -119); // 3/4 <= m·2^e < 3/2
        }
        return RealMath.from(n, 0) * _ln2() + _lnNear(RealMath.pack(m, e) - RealMath.ONE);
    }

    /// @notice ln(1 + t) for t > -1.
    function ln1p(Real t) internal pure returns (Real) {
        return t.within(-2) ? _lnNear(t) : ln(RealMath.ONE + t);
    }

    function sin(Real x) internal pure returns (Real) {
        (Real r, uint256 n) = _reduce(x);
        return _sineOf(r, n);
    }

    function cos(Real x) internal pure returns (Real) {
        (Real r, uint256 n) = _reduce(x);
        return _sineOf(r, n + 1);
    }

    function tan(Real x) internal pure returns (Real) {
        (Real r, uint256 n) = _reduce(x);
        return _sineOf(r, n) / _sineOf(r, n + 1);
    }

    /// @notice atan(a/b) for a, b >= 0, not both zero.
    function atanOf(Real a, Real b) internal pure returns (Real) {
        bool steep = b.lessThan(a);
        if (steep) (a, b) = (b, a);
        Real t = a / b;
        // atan t = 2·atan(t/(1 + √(1 + t²))), twice: then t <= tan(π/16) < 1/5
        for (uint256 i = 0; i < 2; ++i) {
            t = t / (RealMath.ONE + RealMath.squareRoot(RealMath.ONE + t * t));
        }
        t = (t * RealMath.fromFixed(_odd(-RealMath.toFixed(t * t)))).scale(2);
        return steep ? _halfPi() - t : t;
    }

    /// @notice erf x; saturates at |x| = 7.
    function erf(Real x) internal pure returns (Real) {
        Real a = x.size();
        if (a.isZero()) return a;
        if (!a.lessThan(RealMath.from(7, 0))) return x.isNegative() ? -RealMath.ONE : RealMath.ONE;
        // erf a = 2/√π·a·e^(-a²)·Σ (2a²)^k/(1·3·…·(2k+1)): no cancellation
        Real square = a * a;
        int256 sum = 1 << 88; // in units of 2^-88, as are the terms and 2a²
        unchecked {
            int256 twice = RealMath.toFixed(square.scale(1)) >> 32;
            int256 term = sum;
            // from n = 4a² on a term is at most half the one before it
            for (int256 n = 3; n <= twice >> 87 || term >> 8 != 0; n += 2) {
                term = ((term * twice) >> 88) / n;
                sum += term;
            }
        }
        Real y = a * RealMath.pack(int256(TWO_OVER_SQRT_PI), -119) * exp(-square) * RealMath.from(sum, -88);
        return x.isNegative() ? -y : y;
    }

    /// @dev ln(1 + t) = 2·artanh(t/(2 + t)), -1/4 <= t <= 1/2.
    function _lnNear(Real t) private pure returns (Real) {
        Real s = t / (RealMath.TWO + t);
        return (s * RealMath.fromFixed(_odd(RealMath.toFixed(s * s)))).scale(1);
    }

    /// @dev x = r + n·π/2 with |r| <= π/4, for a float32 x; n modulo 4.
    function _reduce(Real x) private pure returns (Real r, uint256 n) {
        if (x.within(-1)) return (x, 0);
        (int256 m, int256 e) = RealMath.parts(x.size());
        unchecked {
            // x = mantissa·2^(e + 96); the product counts quarter turns in units of 2^-229, modulo 2^27
            uint256 turns = uint256(m >> 96) * TWO_OVER_PI;
            turns = e < -96 ? turns >> uint256(-e - 96) : turns << uint256(e + 96);
            n = (turns + (1 << 228)) >> 229;
            r = RealMath.from(int256(turns - (n << 229)), -229) * _halfPi();
            if (x.isNegative()) (r, n) = (-r, 0 - n);
            n &= 3;
        }
    }

    /// @dev sin(r + n·π/2).
    function _sineOf(Real r, uint256 n) private pure returns (Real y) {
        int256 z = RealMath.toFixed(r * r);
        y = RealMath.fromFixed(_circular(z, n & 1 == 0 ? int256(1) : int256(0)));
        if (n & 1 == 0) y = r * y;
        if (n & 2 != 0) y = -y;
    }

    /// @dev 1 + t/(first+1)·(1 + t/(first+2)·(…)), 28 factors, in fixed point; -1/4 <= t < 0.7.
    function _exponential(int256 t, int256 first) private pure returns (int256 p) {
        p = ONE_FIXED;
        unchecked {
            for (int256 k = 28 + first; k > first; --k) p = ONE_FIXED + RealMath.multiplyFixed(t, p) / k;
        }
    }

    /// @dev Σ z^k/(2k+1) for k < 25, in fixed point; |z| <= 1/24.
    function _odd(int256 z) private pure returns (int256 p) {
        unchecked {
            for (int256 n = 49; n > 0; n -= 2) p = ONE_FIXED / n + RealMath.multiplyFixed(z, p);
        }
    }

    /// @dev Σ (-z)^k/(2k+shift)! for sin r/r (shift 1) and cos r (shift 0), z = r² < 0.62, in fixed point.
    function _circular(int256 z, int256 shift) private pure returns (int256 p) {
        p = ONE_FIXED;
        unchecked {
            for (int256 n = 32 + shift; n > 1; n -= 2) {
                p = ONE_FIXED - RealMath.multiplyFixed(z, p) / (n * (n - 1));
            }
        }
    }

    function _ln2() private pure returns (Real) {
        return RealMath.pack(int256(LN2), -120);
    }

    function _halfPi() private pure returns (Real) {
        return RealMath.pack(int256(HALF_PI), -119);
    }
}
