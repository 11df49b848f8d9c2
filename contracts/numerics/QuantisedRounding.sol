// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Judgement, Verdict} from "../kernels/IKernel.sol";
import {Dtype} from "../program/Dtype.sol";
import {CorrectRounding} from "./CorrectRounding.sol";
import {Float32} from "./Float32.sol";
import {FloatFormat} from "./FloatFormat.sol";

/// @title Which integers a scaled number may be rounded to, and back
/// @dev Acceptable is what float32 arithmetic gives in the order that ONNX Runtime has on every platform; Imprecise what
///      any other order of correctly rounded operations, a reciprocal or a division within 2.5 ulp can give. Proofs:
///      docs/numerics/quantised.md. Twin: packages/numerics/src/quantised-rounding.ts.
library QuantisedRounding {
    /// @notice Integers of the output's type.
    struct Range {
        int256 low;
        int256 high;
        int256 zeroPoint;
    }

    /// @dev The values around a real quotient r ≥ 0 in units of 2^-64: [low, high] holds r·(1 ± (2^-21 + 2^-40)).
    struct Interval {
        uint256 low;
        uint256 high;
    }

    /// @dev Larger quotients saturate every type, whatever the zero point.
    uint256 private constant HUGE = 1 << (64 + 20);
    // Biased exponents between which (2^-42 to 2^42) no order of multiplying and dividing three scales leaves the normal
    // range.
    uint256 private constant LEAST_SCALE = 85;
    uint256 private constant MOST_SCALE = 168;

    /// @notice Judges `claimed` as round(x / scale) + zero point, saturated.
    function quantize(
        uint32 x,
        uint32 scale,
        Range memory range,
        int256 claimed
    ) internal pure returns (Judgement memory judgement) {
        (uint32 quotient, ) = _divide(x, scale);
        bool acceptable = _is(quotient, range, claimed);
        // subnormal operands may be read as zeros
        if (Float32.isSubnormal(x) || Float32.isSubnormal(scale)) {
            uint32 flushedX = Float32.isSubnormal(x) ? x & Float32.SIGN : x;
            uint32 flushedScale = Float32.isSubnormal(scale) ? scale & Float32.SIGN : scale;
            (uint32 other, ) = _divide(flushedX, scale);
            acceptable = acceptable || _is(other, range, claimed);
            (other, ) = _divide(x, flushedScale);
            acceptable = acceptable || _is(other, range, claimed);
            (other, ) = _divide(flushedX, flushedScale);
            acceptable = acceptable || _is(other, range, claimed);
        }
        if (Float32.isNaN(quotient)) return _ruled(acceptable);

        judgement.exact = _saturated(quotient, range);
        if (!Float32.isFinite(x) || !Float32.isFinite(scale) || Float32.isZero(scale)) {
            judgement.verdict = acceptable ? Verdict.Acceptable : Verdict.Fraudulent;
            return judgement;
        }
        (, uint256 m, int256 e) = Float32.decode(x);
        (, uint256 n, int256 f) = Float32.decode(scale);
        Interval memory around = _around(m, n, e - f);
        // a reciprocal that underflows, and operands that are read as zero
        if (Float32.isTiny(x) || scale & Float32.MAGNITUDE > 0x7e800000) around.low = 0;
        if (Float32.isSubnormal(scale)) around.high = HUGE;
        return _verdict(judgement, acceptable, around, (x ^ scale) & Float32.SIGN != 0, range, claimed);
    }

    /// @notice Judges `claimed` as round(sum·(scales[0]·scales[1] / scales[2])) + zero point, saturated.
    function requantise(
        int256 sum,
        uint32[3] memory scales,
        Range memory range,
        int256 claimed
    ) internal pure returns (Judgement memory judgement) {
        (uint32 value, ) = _multiply(scales[0], scales[1]);
        (value, ) = _divide(value, scales[2]);
        (value, ) = _multiply(ofInteger(sum), value);
        bool acceptable = _is(value, range, claimed);

        bool extreme;
        for (uint256 i = 0; i < 3; ++i) {
            uint256 exponent = (scales[i] >> 23) & 0xff;
            if (exponent < LEAST_SCALE || exponent > MOST_SCALE) extreme = true;
        }
        if (extreme) {
            judgement.verdict = acceptable ? Verdict.Acceptable : _extreme(sum, scales, range, claimed);
            return judgement;
        }
        judgement.exact = _saturated(value, range);
        return
            _verdict(
                judgement,
                acceptable,
                _scaled(sum, scales, 1),
                _isNegative(sum, scales),
                range,
                claimed
            );
    }

    /// @notice Judges the float32 `claimed` as difference·scale.
    function dequantize(
        int256 difference,
        uint32 scale,
        uint32 claimed
    ) internal pure returns (Judgement memory judgement) {
        (uint32 expected, bool tiny) = _multiply(ofInteger(difference), scale);
        bool acceptable = _matches(claimed, expected, tiny);
        if (Float32.isSubnormal(scale)) acceptable = acceptable || Float32.isZero(claimed);
        if (Float32.isFinite(scale)) {
            (bool negative, uint256 m, int256 e) = Float32.decode(scale);
            uint32 sign = (difference < 0) != negative ? Float32.SIGN : 0;
            (uint32 once, bool onceTiny) = _round(
                sign,
                uint256(difference < 0 ? -difference : difference) * m,
                e
            );
            acceptable = acceptable || _matches(claimed, once, onceTiny);
            // the two differ by one and a half places at most
            if (once != expected) judgement.provable = 2;
            tiny = tiny || Float32.isSubnormal(scale);
        }
        judgement.verdict = acceptable ? Verdict.Acceptable : Verdict.Fraudulent;
        if (Float32.isFinite(expected)) {
            (bool negative, uint256 m, int256 e) = Float32.decode(expected);
            judgement.exact = negative ? -int256(m) : int256(m);
            judgement.scale = e;
            if (tiny && m > judgement.provable) judgement.provable = m;
        }
        judgement.integrity = judgement.provable;
    }

    /// @notice The float32 nearest to an integer below 2^64.
    function ofInteger(int256 value) internal pure returns (uint32 bits) {
        (bits, ) = _round(value < 0 ? Float32.SIGN : 0, uint256(value < 0 ? -value : value), 0);
    }

    /// @dev Imprecise where another order may overflow or underflow on the way: to 0, to an infinity, to NaN, or through
    ///      subnormals, each of which makes a number at most twice as large.
    function _extreme(
        int256 sum,
        uint32[3] memory scales,
        Range memory range,
        int256 claimed
    ) private pure returns (Verdict) {
        Judgement memory judgement;
        bool finite = !Float32.isTiny(scales[2]);
        for (uint256 i = 0; i < 3; ++i) {
            if (Float32.isNaN(scales[i])) return Verdict.Fraudulent;
            finite = finite && Float32.isFinite(scales[i]);
        }
        if (claimed == range.low || claimed == range.high || claimed == 0 || claimed == range.zeroPoint)
            return Verdict.Imprecise;
        Interval memory around = finite ? _scaled(sum, scales, 8) : Interval(0, HUGE);
        around.low = 0;
        return _verdict(judgement, false, around, _isNegative(sum, scales), range, claimed).verdict;
    }

    /// @dev The interval around factor·|sum·scales[0]·scales[1]/scales[2]|.
    function _scaled(
        int256 sum,
        uint32[3] memory scales,
        uint256 factor
    ) private pure returns (Interval memory) {
        (, uint256 m, int256 e) = Float32.decode(scales[0]);
        (, uint256 n, int256 f) = Float32.decode(scales[1]);
        (m, e) = (factor * m * n * uint256(sum < 0 ? -sum : sum), e + f);
        (, n, f) = Float32.decode(scales[2]);
        return _around(m, n, e - f);
    }

    function _isNegative(int256 sum, uint32[3] memory scales) private pure returns (bool) {
        return (sum < 0) != ((scales[0] ^ scales[1] ^ scales[2]) & Float32.SIGN != 0);
    }

    /// @dev Whether the claim is the float32 rounded to an integer. What NaN becomes is up to the hardware: a bound of the
    ///      type, zero, or the zero point.
    function _is(uint32 value, Range memory range, int256 claimed) private pure returns (bool) {
        if (Float32.isNaN(value))
            return
                claimed == range.low || claimed == range.high || claimed == 0 || claimed == range.zeroPoint;
        return claimed == _saturated(value, range);
    }

    /// @dev A float32 that is no NaN, rounded to an integer (ties to even), plus the zero point, saturated.
    function _saturated(uint32 value, Range memory range) private pure returns (int256) {
        int256 rounded;
        unchecked {
            uint256 exponent = (value >> 23) & 0xff; // of |value| in [2^(exponent-127), 2^(exponent-126))
            if (exponent > 148) {
                rounded = 1 << 22; // beyond every type, as are all larger ones
            } else if (exponent > 125) {
                uint256 m = (uint256(value) & 0x7fffff) | 0x800000;
                uint256 drop = 150 - exponent; // 2 to 24
                uint256 rest = m & ((1 << drop) - 1);
                uint256 half = 1 << (drop - 1);
                m >>= drop;
                if (rest > half || (rest == half && m & 1 == 1)) ++m;
                rounded = int256(m);
            }
            if (value & Float32.SIGN != 0) rounded = -rounded;
        }
        return _clamp(rounded + range.zeroPoint, range);
    }

    function _clamp(int256 value, Range memory range) private pure returns (int256) {
        return
            value < range.low
                ? range.low
                : value > range.high
                    ? range.high
                    : value;
    }

    /// @dev The interval around (m / n)·2^e; m < 2^83, 0 < n < 2^24.
    function _around(uint256 m, uint256 n, int256 e) private pure returns (Interval memory) {
        if (m == 0) return Interval(0, 0);
        if (e > 60) return Interval(HUGE, HUGE); // m / n > 2^-24
        uint256 floor;
        if (e + 64 >= 0) floor = (m << uint256(e + 64)) / n;
        else floor = (m >> uint256(-e - 64)) / n;
        uint256 margin = (floor >> 21) + (floor >> 40) + 5;
        return Interval(floor > margin ? floor - margin : 0, floor + margin);
    }

    /// @dev A claim that is not acceptable is imprecise if some value of the interval rounds to it, ties to either side.
    function _verdict(
        Judgement memory judgement,
        bool acceptable,
        Interval memory around,
        bool negative,
        Range memory range,
        int256 claimed
    ) private pure returns (Judgement memory) {
        int256 least = int256((_capped(around.low) + (1 << 63) - 1) >> 64); // ⌈low - 1/2⌉
        int256 most = int256((_capped(around.high) + (1 << 63)) >> 64); // ⌊high + 1/2⌋
        if (negative) (least, most) = (-most, -least);
        least = _clamp(least + range.zeroPoint, range);
        most = _clamp(most + range.zeroPoint, range);
        int256 below = judgement.exact - least;
        int256 above = most - judgement.exact;
        judgement.provable = uint256(below > above ? below : above);
        judgement.verdict =
            acceptable
                ? Verdict.Acceptable
                : least <= claimed && claimed <= most
                    ? Verdict.Imprecise
                    : Verdict.Fraudulent;
        return judgement;
    }

    function _capped(uint256 x) private pure returns (uint256) {
        return x < HUGE ? x : HUGE;
    }

    function _matches(uint32 claimed, uint32 expected, bool tiny) private pure returns (bool) {
        if (claimed == expected) return true;
        if (Float32.isNaN(expected)) return Float32.isNaN(claimed);
        return Float32.isZero(claimed) && (tiny || Float32.isZero(expected));
    }

    function _multiply(uint32 a, uint32 b) private pure returns (uint32, bool) {
        (uint256 bits, bool tiny) = CorrectRounding.multiply(FloatFormat.forDtype(Dtype.FLOAT32), a, b);
        return (uint32(bits), tiny);
    }

    function _divide(uint32 a, uint32 b) private pure returns (uint32, bool) {
        (uint256 bits, bool tiny) = CorrectRounding.divide(FloatFormat.forDtype(Dtype.FLOAT32), a, b);
        return (uint32(bits), tiny);
    }

    function _round(uint32 sign, uint256 m, int256 q) private pure returns (uint32, bool) {
        (uint256 bits, bool tiny) = CorrectRounding.round(FloatFormat.forDtype(Dtype.FLOAT32), sign, m, q);
        return (uint32(bits), tiny);
    }

    function _ruled(bool acceptable) private pure returns (Judgement memory judgement) {
        judgement.verdict = acceptable ? Verdict.Acceptable : Verdict.Fraudulent;
    }
}
