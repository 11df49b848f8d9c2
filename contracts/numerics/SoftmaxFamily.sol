// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Judgement, Verdict} from "../kernels/IKernel.sol";
import {Bands} from "./Bands.sol";
import {ExponentialSum} from "./ExponentialSum.sol";
import {Float32} from "./Float32.sol";
import {ScalarMath} from "./ScalarMath.sol";

/// @title What is right for softmax, its logarithm and the logarithm of a sum of exponentials
/// @notice p = e^(x - m)/S, x - m - ln S and m + ln S with S = Σ e^(x_i - m), m the largest element. The sum comes from
///         {ExponentialSum}; here it is judged. Rules and proofs: docs/numerics/normalization.md. Twin:
///         packages/numerics/src/softmax.ts.
library SoftmaxFamily {
    /// @dev What a row comes to.
    struct Row {
        uint256 length; // K, at most 2^20
        uint256 lambda; // integrity multiplier in 1/256
        uint32 largest; // m
        uint256 sum; // Σ e^x_i in units of 2^(⌊m·log2(e)⌋ - 180)
    }

    /// @dev Softmax is counted in units of 2^-149, in which every float32 is an integer, logarithms in 2^-60.
    int256 private constant SOFTMAX_SCALE = -149;
    int256 private constant LOG_SCALE = -60;
    /// @dev Constant part of the error bounds, in units of u = 2^-24.
    uint256 private constant SOFTMAX_ROUNDINGS = 13;
    uint256 private constant SUM_ROUNDINGS = 6;
    /// @dev ln 2 in units of 2^-128.
    uint256 private constant LN_2 = 0xb17217f7d1cf79abc9e3b39803f2f6af;
    /// @dev What no operation of the logarithms rests on: 2^-36.
    uint256 private constant LOG_SLACK = 1 << 24;
    /// @dev Where rounding to nearest gives an infinity: 2^128 - 2^103, in units of 2^-60.
    uint256 private constant OVERFLOW = (1 << 188) - (1 << 163);
    /// @dev 1 ± 2^-10 and 2^-10: no way of computing a softmax, or its logarithm, exceeds the larger ones, whatever the row.
    uint32 private constant JUST_ABOVE_ONE = 0x3f802000;
    uint32 private constant JUST_BELOW_ONE = 0x3f7fc000;
    uint32 private constant JUST_ABOVE_ZERO = 0x3a800000;
    /// @dev 2^-100: above every term that a clamped argument leaves.
    uint32 private constant NEARLY_ZERO = 0x0d800000;

    /// @notice The verdict on a Softmax of a row with a NaN, +Inf or nothing but -Inf. Hardware returns NaN; where a maximum
    ///         instruction or a clamped argument loses the NaN, 0 or 1, or 1/K of equal elements.
    /// @param equal whether the row is nothing but -Inf
    function softmaxWithout(uint256 length, bool equal, uint32 claimed) internal pure returns (Verdict) {
        if (Float32.isNaN(claimed) || claimed & ~Float32.SIGN <= NEARLY_ZERO) return Verdict.Acceptable;
        if (claimed > JUST_ABOVE_ONE) return Verdict.Fraudulent;
        if (claimed >= JUST_BELOW_ONE) return Verdict.Acceptable;
        if (!equal) return Verdict.Imprecise;
        (, uint256 mantissa, int256 exponent) = Float32.decode(claimed);
        unchecked {
            uint256 one = 1 << uint256(-exponent); // claimed >= 2^-100
            uint256 product = mantissa * length;
            uint256 off = product < one ? one - product : product - one;
            return off <= one >> 10 ? Verdict.Acceptable : Verdict.Imprecise;
        }
    }

    /// @notice The same for LogSoftmax: NaN, -Inf or the lowest number, 0, or -ln K.
    function logSoftmaxWithout(uint256 length, bool equal, uint32 claimed) internal pure returns (Verdict) {
        if (Float32.isNaN(claimed) || claimed & ~Float32.SIGN <= JUST_ABOVE_ZERO) return Verdict.Acceptable;
        if (claimed & Float32.SIGN == 0) return Verdict.Fraudulent;
        if (claimed & ~Float32.SIGN >= Float32.LARGEST) return Verdict.Acceptable;
        if (!equal) return Verdict.Imprecise;
        unchecked {
            int256 off = _fixed(claimed) + int256((ExponentialSum.log2(length) * LN_2) >> 128);
            return off <= 1 << 50 && off >= -(1 << 50) ? Verdict.Acceptable : Verdict.Imprecise;
        }
    }

    /// @notice The same for LogSumExp. An infinite largest element decides; beside a NaN there is no bound.
    function sumWithout(bool nan, uint32 largest, uint32 claimed) internal pure returns (Verdict) {
        if (Float32.isNaN(claimed)) return Verdict.Acceptable;
        bool limit = claimed & ~Float32.SIGN >= Float32.LARGEST;
        if (nan) return limit ? Verdict.Acceptable : Verdict.Imprecise;
        // a maximum that starts from the lowest number instead of -Inf
        bool lowest = largest == Float32.NEGATIVE_INFINITY && limit && claimed & Float32.SIGN != 0;
        return claimed == largest || lowest ? Verdict.Acceptable : Verdict.Fraudulent;
    }

    /// @notice Softmax of the element x, which is at most the largest.
    /// @param own sum of x's own term, in units of 2^(⌊x·log2(e)⌋ - 180)
    function softmax(
        Row memory row,
        uint32 x,
        uint256 own,
        uint32 claimed
    ) internal pure returns (Judgement memory judgement) {
        if (!Float32.isFinite(claimed)) {
            judgement.verdict = Verdict.Fraudulent;
            return judgement;
        }
        unchecked {
            int256 top = ScalarMath.log2eTimes(row.largest);
            int256 t = ScalarMath.log2eTimes(x);
            // e^x = r·2^((t >> 60) - 100) with r < 2^102 (2^105 for a masked element, whose shift is huge); the sum is
            // at least about 2^100, the largest element's own term
            uint256 exact = (((own >> 80) << 149) / (row.sum >> 80)) >> uint256((top >> 60) - (t >> 60));
            (uint256 provable, uint256 integrity) = _softmaxBands(row, exact, uint256(top - t));
            return _judge(claimed, int256(exact), provable, integrity, SOFTMAX_SCALE);
        }
    }

    /// @notice x - m - ln S; x is at most the largest element, or -Inf.
    function logSoftmax(
        Row memory row,
        uint32 x,
        uint32 claimed
    ) internal pure returns (Judgement memory judgement) {
        if (x == Float32.NEGATIVE_INFINITY) {
            judgement.verdict = claimed == x ? Verdict.Acceptable : Verdict.Fraudulent;
            return judgement;
        }
        unchecked {
            int256 m = _fixed(row.largest);
            uint256 logarithm = _logarithm(row);
            uint256 depth = uint256(m - _fixed(x));
            // rounding the difference to m, or m + ln S in its place; then the result
            uint256 exact = depth + logarithm;
            uint256 larger = Math.max(depth, (m < 0 ? uint256(-m) : uint256(m)) + logarithm);
            (uint256 provable, uint256 integrity) = _logBands(row, logarithm, larger + exact);
            if (claimed == Float32.NEGATIVE_INFINITY && exact + provable >= OVERFLOW) {
                judgement.verdict = Verdict.Acceptable;
                return judgement;
            }
            return _judge(claimed, -int256(exact), provable, integrity, LOG_SCALE);
        }
    }

    /// @notice m + ln S.
    function logSumExp(Row memory row, uint32 claimed) internal pure returns (Judgement memory judgement) {
        unchecked {
            uint256 logarithm = _logarithm(row);
            int256 exact = _fixed(row.largest) + int256(logarithm);
            uint256 magnitude = exact < 0 ? uint256(-exact) : uint256(exact);
            (uint256 provable, uint256 integrity) = _logBands(row, logarithm, 2 * magnitude);
            if (
                magnitude + provable >= OVERFLOW &&
                claimed == (exact < 0 ? Float32.NEGATIVE_INFINITY : Float32.INFINITY)
            ) {
                judgement.verdict = Verdict.Acceptable;
                return judgement;
            }
            return _judge(claimed, exact, provable, integrity, LOG_SCALE);
        }
    }

    /// @dev Half-widths of the bands: exact·t/(1 - t) + 2^-124, t = (|x - m| + ln K + K + 13)·u, in the integrity
    ///      band with λ·√K (at most K) for K. Counted in u/256 = 2^-32, everything rounded up.
    function _softmaxBands(
        Row memory row,
        uint256 exact,
        uint256 depth
    ) private pure returns (uint256 provable, uint256 integrity) {
        unchecked {
            // depth = |x - m|·log2(e) in units of 2^-60; 178/256 > ln 2. Deeper than 185 (e^-128), the absolute part is
            // all that matters
            if (depth > 185 << 60) depth = 185 << 60;
            uint256 constantPart = ((((depth >> 52) + 2) * 178) >> 8) + 1 + (SOFTMAX_ROUNDINGS << 8);
            (uint256 worst, uint256 usual) = _terms(row);
            provable = _softmaxBand(exact, constantPart + worst);
            integrity = _softmaxBand(exact, constantPart + usual);
        }
    }

    /// @dev t < 2^29 + 2^16 because of the row's length.
    function _softmaxBand(uint256 exact, uint256 t) private pure returns (uint256) {
        unchecked {
            return (exact * t) / ((1 << 32) - t) + (1 << 25) + 4;
        }
    }

    /// @dev ln K + K for the provable, ln K + min(K, λ·√K) for the integrity band; in units of 1/256, rounded up.
    function _terms(Row memory row) private pure returns (uint256 worst, uint256 usual) {
        unchecked {
            (worst, usual) = Bands.terms(row.length, row.lambda);
            uint256 entropy = Math.log2(row.length, Math.Rounding.Ceil) * 178;
            return (worst + entropy, usual + entropy);
        }
    }

    /// @dev Half-widths for logarithms: θ + 8u·(ln S + θ) + u·roundings, θ = t/(1 - t) of the sum; all with 2^-20 of
    ///      itself for second-order terms.
    function _logBands(
        Row memory row,
        uint256 logarithm,
        uint256 roundings
    ) private pure returns (uint256 provable, uint256 integrity) {
        unchecked {
            (uint256 worst, uint256 usual) = _terms(row);
            provable = _logBand(worst + (SUM_ROUNDINGS << 8), logarithm, roundings);
            integrity = _logBand(usual + (SUM_ROUNDINGS << 8), logarithm, roundings);
        }
    }

    function _logBand(uint256 t, uint256 logarithm, uint256 roundings) private pure returns (uint256 band) {
        unchecked {
            band = (t << 60) / ((1 << 32) - t) + 1;
            band += (8 * (logarithm + band) + roundings) >> 24;
            band += (band >> 20) + LOG_SLACK;
        }
    }

    /// @dev ln S in units of 2^-60, S >= 1: the sum is counted from 2^(⌊m·log2(e)⌋ - 180), S from e^m.
    function _logarithm(Row memory row) private pure returns (uint256) {
        unchecked {
            int256 fraction = ScalarMath.log2eTimes(row.largest) & int256((1 << 60) - 1);
            int256 log2 = int256(ExponentialSum.log2(row.sum)) - (180 << 60) - fraction;
            return log2 < 0 ? 0 : (uint256(log2) * LN_2) >> 128;
        }
    }

    /// @dev ⌊x·2^60⌋ of a finite float32.
    function _fixed(uint32 bits) private pure returns (int256) {
        unchecked {
            (bool negative, uint256 mantissa, int256 exponent) = Float32.decode(bits);
            int256 value = negative ? -int256(mantissa) : int256(mantissa);
            return exponent >= -60 ? value << uint256(exponent + 60) : value >> uint256(-60 - exponent);
        }
    }

    /// @dev Compares in units of 2^scale; the claim is truncated, which the bands allow for.
    function _judge(
        uint32 claimed,
        int256 exact,
        uint256 provable,
        uint256 integrity,
        int256 scale
    ) private pure returns (Judgement memory judgement) {
        unchecked {
            judgement.verdict = Verdict.Fraudulent;
            judgement.exact = exact;
            judgement.provable = provable;
            judgement.integrity = integrity;
            judgement.scale = scale;
            if (!Float32.isFinite(claimed)) return judgement;
            (bool negative, uint256 mantissa, int256 exponent) = Float32.decode(claimed);
            int256 shift = exponent - scale;
            if (shift > 200) shift = 200;
            mantissa = shift < 0 ? mantissa >> uint256(-shift) : mantissa << uint256(shift);
            int256 difference = (negative ? -int256(mantissa) : int256(mantissa)) - exact;
            uint256 off = uint256(difference < 0 ? -difference : difference);
            if (off <= provable) judgement.verdict = Verdict.Imprecise;
            if (off <= integrity) judgement.verdict = Verdict.Acceptable;
        }
    }
}
