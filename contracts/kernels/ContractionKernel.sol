// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {DotProduct} from "../numerics/DotProduct.sol";
import {Float32} from "../numerics/Float32.sol";
import {Dtype} from "../program/Dtype.sol";
import {
    BadClamp,
    BadCoefficient,
    ContractionParams,
    DivisorTooLarge,
    EmaxChanged,
    EmaxOutOfRange,
    EmaxTooSmall,
    UnknownActivation,
    ValidTooLarge
} from "./ContractionParams.sol";
import {Float64Contraction} from "./Float64Contraction.sol";
import {IKernel, IStreamingKernel, Judgement, KernelInput, Verdict} from "./IKernel.sol";
import {KernelChecks} from "./KernelChecks.sol";
import {
    HintLength,
    OperandCount,
    OperandLength,
    ParamsLength,
    TooManyTerms,
    UnknownOp
} from "./KernelErrors.sol";

/// @title Contraction: a scaled sum of one or two factors, with bias and clamp
/// @dev Op bit 0: two factors; bit 1: the last operand is the bias. The step numbers refer to the theorem in
///      docs/numerics/contraction.md, which proves every line. Of float64 there is a simpler form, in
///      Float64Contraction.sol. Twin: packages/numerics/src/contraction.ts.
contract ContractionKernel is IStreamingKernel {
    /// @dev The instruction and its operands, checked.
    struct Call {
        ContractionParams params;
        bool twoFactors;
        bool hasBias;
        uint32 bias;
        uint256 divisor;
        bool empty; // an average over nothing: 0/0
    }

    /// @dev All that a judgement needs to know of the factors. Those of two runs of terms add up to those of both.
    struct Facts {
        uint256 emax; // the hint: at least every product's exponent
        uint256 terms; // K
        uint256 valid; // terms whose first factor is not padding
        uint256 positive; // sum of the positive products, in units of 2^(emax-363)
        uint256 negative; // sum of the magnitudes of the negative ones
        uint256 small; // sum of the magnitudes of products that hardware may read as zero
        bool nonFinite; // some factor is NaN or infinite
        bool firstNonFinite; // some first factor is
        bool scaledOverflow; // some factor multiplied by alpha beforehand can overflow
    }

    /// @dev Enclosure of divisor·T and what the bands are made of, all in units of 2^scale.
    struct Enclosure {
        int256 scale;
        int256 low;
        int256 high;
        uint256 magnitude; // ≥ |alpha|·M + divisor·|beta·bias|
        uint256 absolute; // what flushed results and operands can change
        bool canOverflow;
    }

    uint256 private constant MAX_DIVISOR = 1 << 24;
    uint256 private constant MAX_LAMBDA = 1 << 20;
    /// @dev Most terms of all segments together.
    uint256 private constant MAX_STREAMED_TERMS = 1 << 22;

    /// @inheritdoc IKernel
    function judge(KernelInput calldata input) external pure returns (Judgement memory) {
        if (input.dtype == Dtype.FLOAT64) return Float64Contraction.judge(input);
        Call memory call = _check(input);
        Facts memory facts = _facts(call, input);
        return _judge(call, facts, uint32(input.claimed));
    }

    /// @inheritdoc IStreamingKernel
    function fold(KernelInput calldata part, bytes calldata state) external pure returns (bytes memory) {
        if (part.dtype == Dtype.FLOAT64) return Float64Contraction.fold(part, state);
        Call memory call = _check(part);
        // What counts as small depends on the divisor, which is not known before the last segment where it is counted.
        if (call.params.divisor == 0 && call.params.alpha != Float32.ONE)
            revert BadCoefficient(call.params.alpha);
        Facts memory facts = _facts(call, part);
        if (state.length != 0) _add(facts, abi.decode(state, (Facts)));
        if (facts.terms > MAX_STREAMED_TERMS) revert TooManyTerms(facts.terms, MAX_STREAMED_TERMS);
        return abi.encode(facts);
    }

    /// @inheritdoc IStreamingKernel
    function conclude(
        KernelInput calldata part,
        bytes calldata state
    ) external pure returns (Judgement memory) {
        if (part.dtype == Dtype.FLOAT64) return Float64Contraction.conclude(part, state);
        Call memory call = _check(part);
        Facts memory facts = abi.decode(state, (Facts));
        _divide(call, facts.valid);
        return _judge(call, facts, uint32(part.claimed));
    }

    /// @dev What the factors in `input` come to.
    function _facts(Call memory call, KernelInput calldata input) private pure returns (Facts memory facts) {
        bytes calldata a = input.operands[0];
        bytes calldata b = call.twoFactors ? input.operands[1] : input.hint[:0];
        facts.emax = _emax(input.hint);
        facts.terms = a.length >> 2;
        facts.valid = input.valid[0];
        DotProduct.Sum memory sum = DotProduct.accumulate(a, b, facts.emax);
        facts.nonFinite = sum.nonFinite;
        if (sum.nonFinite) facts.firstNonFinite = DotProduct.largestExponent(a) == 255;
        else if (!sum.fits) revert EmaxTooSmall(facts.emax);
        facts.positive = sum.positive;
        facts.negative = sum.negative;
        uint256 threshold = _threshold(call.params.alpha, call.divisor);
        if (!sum.nonFinite && (sum.subnormal || threshold > 1))
            facts.small = DotProduct.sumSmall(a, b, facts.emax, threshold);
        facts.scaledOverflow = _canOverflowScaled(call.params.alpha, a, b);
    }

    /// @dev Adds what earlier segments came to. Where some factor is not finite, no sum matters any more.
    function _add(Facts memory facts, Facts memory earlier) private pure {
        if (facts.emax != earlier.emax) revert EmaxChanged(facts.emax, earlier.emax);
        facts.terms += earlier.terms;
        facts.valid += earlier.valid;
        facts.nonFinite = facts.nonFinite || earlier.nonFinite;
        facts.firstNonFinite = facts.firstNonFinite || earlier.firstNonFinite;
        facts.scaledOverflow = facts.scaledOverflow || earlier.scaledOverflow;
        if (facts.nonFinite) {
            (facts.positive, facts.negative, facts.small) = (0, 0, 0);
        } else {
            facts.positive += earlier.positive;
            facts.negative += earlier.negative;
            facts.small += earlier.small;
        }
    }

    function _judge(
        Call memory call,
        Facts memory facts,
        uint32 claimed
    ) private pure returns (Judgement memory judgement) {
        // 1. NaN and infinities among the operands
        bool clamped = call.params.activation == 1;
        bool finite = Float32.isFinite(claimed);
        if (facts.nonFinite || !Float32.isFinite(call.bias))
            return _ruled(_acceptsWithoutSum(call, claimed, !_mustBeNonFinite(call, facts)));

        Enclosure memory e = _enclose(call, facts);

        // 2. overflow
        if (!finite) {
            // both bounds the same infinity: whatever the sum, that is the result
            bool pinned = clamped && call.params.low == call.params.high && claimed == call.params.low;
            return _ruled(pinned || call.empty || e.canOverflow || facts.scaledOverflow);
        }
        (bool atLow, bool atHigh) = (false, false);
        if (clamped) {
            bool inside;
            (inside, atLow, atHigh) = _clampOf(call.params, claimed);
            if (!inside) return _outside(call, facts.terms, e);
            if ((atLow || atHigh) && (call.empty || e.canOverflow || facts.scaledOverflow))
                return _ruled(true);
        }

        // 6. verdict
        judgement = _outside(call, facts.terms, e);
        (int256 floor, int256 ceiling) = _claimed(claimed, call.divisor, e.scale);
        (uint256 provable, uint256 integrity) = _bands(call, facts.terms, e);
        if ((ceiling >= e.low - int256(provable) || atHigh) && (floor <= e.high + int256(provable) || atLow))
            judgement.verdict = Verdict.Imprecise;
        if (
            (ceiling >= e.low - int256(integrity) || atHigh) && (floor <= e.high + int256(integrity) || atLow)
        ) judgement.verdict = Verdict.Acceptable;
    }

    function _check(KernelInput calldata input) private pure returns (Call memory call) {
        if (input.op > 3) revert UnknownOp(input.op);
        KernelChecks.requireAll(input, Dtype.FLOAT32);
        call.twoFactors = input.op & 1 != 0;
        call.hasBias = input.op & 2 != 0;
        if (input.params.length != 224) revert ParamsLength(224, input.params.length);
        call.params = abi.decode(input.params, (ContractionParams));
        _checkParams(call.params);

        uint256 count = 1 + (call.twoFactors ? 1 : 0) + (call.hasBias ? 1 : 0);
        if (input.operands.length != count) revert OperandCount(count, input.operands.length);
        if (input.valid.length != count) revert OperandCount(count, input.valid.length);
        uint256 length = input.operands[0].length;
        if (length == 0 || length & 3 != 0) revert OperandLength(0, (length & ~uint256(3)) + 4, length);
        uint256 terms = length >> 2;
        if (terms > DotProduct.MAX_TERMS) revert TooManyTerms(terms, DotProduct.MAX_TERMS);
        if (call.twoFactors && input.operands[1].length != length)
            revert OperandLength(1, length, input.operands[1].length);
        if (call.hasBias) {
            bytes calldata bias = input.operands[count - 1];
            if (bias.length != 4) revert OperandLength(count - 1, 4, bias.length);
            call.bias = Float32.at(bias, 0);
        }

        if (input.valid[0] > terms) revert ValidTooLarge(input.valid[0], terms);
        _divide(call, input.valid[0]);
    }

    /// @dev Sets the divisor, given the number of points that are not padding.
    function _divide(Call memory call, uint256 valid) private pure {
        call.divisor = call.params.divisor == 0 ? valid : call.params.divisor;
        call.empty = call.divisor == 0;
        if (call.empty) call.divisor = 1;
    }

    function _checkParams(ContractionParams memory params) private pure {
        if (!Float32.isFinite(params.alpha)) revert BadCoefficient(params.alpha);
        if (!Float32.isFinite(params.beta)) revert BadCoefficient(params.beta);
        if (params.divisor > MAX_DIVISOR) revert DivisorTooLarge(params.divisor, MAX_DIVISOR);
        if (params.activation > 1) revert UnknownActivation(params.activation);
        if (params.activation == 1) {
            (uint32 low, uint32 high) = (params.low, params.high);
            bool bad = Float32.isNaN(low) || Float32.isNaN(high) || Float32.order(low) > Float32.order(high);
            if (bad || Float32.isSubnormal(low) || Float32.isSubnormal(high)) revert BadClamp(low, high);
        }
    }

    function _emax(bytes calldata hint) private pure returns (uint256 emax) {
        if (hint.length != 32) revert HintLength(32, hint.length);
        emax = uint256(bytes32(hint));
        if (emax < DotProduct.MIN_EMAX || emax > DotProduct.MAX_EMAX)
            revert EmaxOutOfRange(emax, DotProduct.MIN_EMAX, DotProduct.MAX_EMAX);
    }

    /// @dev Whether no honest result can be finite, some operand not being so. Hardware may skip a product with alpha
    ///      or beta 0 and the products of padding, which is always in the first operand.
    function _mustBeNonFinite(Call memory call, Facts memory facts) private pure returns (bool) {
        if (!Float32.isFinite(call.bias) && !Float32.isZero(call.params.beta)) return true;
        if (!facts.nonFinite || Float32.isZero(call.params.alpha)) return false;
        return facts.valid == facts.terms || facts.firstNonFinite;
    }

    /// @dev The verdict when some operand is not finite. The sum is then NaN or infinite unless hardware skips it, and a
    ///      clamp makes of those a NaN or one of its bounds.
    function _acceptsWithoutSum(
        Call memory call,
        uint32 claimed,
        bool mayBeFinite
    ) private pure returns (bool) {
        if (call.params.activation == 0) return mayBeFinite || !Float32.isFinite(claimed);
        if (Float32.isNaN(claimed)) return true;
        int256 y = Float32.order(claimed);
        int256 low = Float32.order(call.params.low);
        int256 high = Float32.order(call.params.high);
        return y == low || y == high || (mayBeFinite && low < y && y < high);
    }

    /// @dev Where a claim lies in the clamp's range. A maximum instruction that reads subnormals as zero may return a
    ///      subnormal sum where a bound is zero.
    function _clampOf(
        ContractionParams memory params,
        uint32 claimed
    ) private pure returns (bool inside, bool atLow, bool atHigh) {
        int256 y = Float32.order(claimed);
        int256 low = Float32.order(params.low);
        int256 high = Float32.order(params.high);
        int256 read = Float32.isTiny(claimed) ? int256(0) : y;
        return (low <= read && read <= high, y == low, y == high);
    }

    /// @dev Steps 3 to 5 of the theorem.
    function _enclose(Call memory call, Facts memory facts) private pure returns (Enclosure memory e) {
        // 3. the unit: the sum's own, unless bias or flushed results would not fit their words in it
        (bool negative, uint256 alpha, int256 alphaScale) = Float32.decode(call.params.alpha);
        int256 sumScale = int256(facts.emax) - 363 + alphaScale;
        int256 flushScale = alphaScale + 24 > 0 ? alphaScale - 102 : -126; // 2^flushScale ≥ 2^-126·max(1, |alpha|)
        (bool biasNegative, uint256 bias, int256 biasScale) = _bias(call);
        if (alpha == 0) sumScale = flushScale - 87; // nothing is left of the sum
        e.scale = _max(sumScale, flushScale - 87);
        if (bias != 0) e.scale = _max(e.scale, biasScale - 128);
        uint256 drop = uint256(e.scale - sumScale);
        uint256 dividedBias = bias * call.divisor;

        // 4. enclosure of divisor·T, and the magnitude its roundings are relative to
        {
            int256 scaled = int256(alpha) * (int256(facts.positive) - int256(facts.negative));
            if (negative) scaled = -scaled;
            int256 slack = int256(alpha * (facts.terms << 49));
            e.low = _shiftDown(scaled - slack, drop);
            e.high = _shiftUp(scaled + slack, drop);
        }
        {
            int256 signed = biasNegative ? -int256(dividedBias) : int256(dividedBias);
            (int256 floor, int256 ceiling) = _rescale(signed, biasScale - e.scale);
            e.low += floor;
            e.high += ceiling;
        }
        uint256 magnitude = facts.positive + facts.negative;
        uint256 biasMagnitude = _rescaleUp(dividedBias, biasScale - e.scale);
        e.magnitude = _rescaleUp(alpha * magnitude, -int256(drop)) + biasMagnitude;

        // 5. flushed results, and operands that may be read as zero
        // Beyond 2^16 terms γ_n, at most 1/3 then, is no longer negligible.
        bool long = facts.terms > DotProduct.MAX_TERMS;
        e.absolute = _rescaleUp((long ? 6 : 5) * (facts.terms + 1) * call.divisor, flushScale - e.scale);
        if (facts.small != 0) {
            uint256 small = alpha * facts.small;
            e.absolute += _rescaleUp(small + (long ? small : (small + 127) / 128), -int256(drop));
        }
        if (Float32.isSubnormal(call.bias) || Float32.isSubnormal(call.params.beta))
            e.absolute += biasMagnitude;

        // Beside a sum that never reaches half its last place, even the largest bias stays finite.
        e.canOverflow =
            _sumReaches(facts, alpha, sumScale, 125) ||
            (_reaches(bias, biasScale, 125) &&
                (_rounds(bias, biasScale) || _sumReaches(facts, alpha, sumScale, 101)));
    }

    /// @dev |beta·bias| = mantissa·2^scale.
    function _bias(Call memory call) private pure returns (bool negative, uint256 mantissa, int256 scale) {
        if (!call.hasBias) return (false, 0, 0);
        (bool n1, uint256 m1, int256 s1) = Float32.decode(call.params.beta);
        (bool n2, uint256 m2, int256 s2) = Float32.decode(call.bias);
        return (n1 != n2, m1 * m2, s1 + s2);
    }

    /// @dev Factors with a smaller biased exponent may become subnormal when alpha, or alpha/divisor, is multiplied into
    ///      them; an alpha so small that alpha/divisor may itself underflow endangers every term.
    function _threshold(uint32 alpha, uint256 divisor) private pure returns (uint256) {
        if (alpha == Float32.ONE) return 1;
        uint256 exponent = (alpha >> 23) & 0xff;
        if (exponent < 32) return 255;
        uint256 needed = divisor == 1 ? 128 : 129 + Math.log2(divisor);
        return exponent >= needed ? 1 : Math.max(1, needed - exponent);
    }

    function _bands(
        Call memory call,
        uint256 terms,
        Enclosure memory e
    ) private pure returns (uint256 provable, uint256 integrity) {
        ContractionParams memory params = call.params;
        uint256 roundings = terms - 1;
        if (call.twoFactors) roundings += 1;
        if (params.alpha != Float32.ONE) roundings += 2;
        if (call.divisor != 1) roundings += 2;
        if (call.hasBias) roundings += params.beta == Float32.ONE ? 1 : 2;
        provable = Math.ceilDiv(roundings * e.magnitude, (1 << 24) - roundings) + e.absolute;
        uint256 root = Math.sqrt(terms << 32, Math.Rounding.Ceil);
        integrity =
            Math.ceilDiv(Math.min(params.lambda, MAX_LAMBDA) * root * e.magnitude, 1 << 48) + e.absolute;
        integrity = Math.min(integrity, provable);
    }

    /// @dev Floor and ceiling of claimed·divisor.
    function _claimed(
        uint32 bits,
        uint256 divisor,
        int256 scale
    ) private pure returns (int256 floor, int256 ceiling) {
        (bool negative, uint256 mantissa, int256 exponent) = Float32.decode(bits);
        int256 signed = int256(mantissa * divisor);
        // A claim that needs a larger shift is beyond everything it is compared with at this one, too.
        int256 shift = exponent - scale;
        return _rescale(negative ? -signed : signed, shift > 206 ? int256(206) : shift);
    }

    /// @dev A Fraudulent judgement with its integers, divided by the divisor.
    function _outside(
        Call memory call,
        uint256 terms,
        Enclosure memory e
    ) private pure returns (Judgement memory judgement) {
        (uint256 provable, uint256 integrity) = _bands(call, terms, e);
        int256 middle = _shiftDown(e.low + e.high, 1);
        uint256 halfWidth = uint256(e.high - middle);
        uint256 remainder = call.divisor == 1 ? 0 : 1;
        judgement.verdict = Verdict.Fraudulent;
        judgement.exact = middle / int256(call.divisor);
        judgement.provable = Math.ceilDiv(provable + halfWidth, call.divisor) + remainder;
        judgement.integrity = Math.ceilDiv(integrity + halfWidth, call.divisor) + remainder;
        judgement.scale = e.scale;
    }

    function _ruled(bool acceptable) private pure returns (Judgement memory judgement) {
        judgement.verdict = acceptable ? Verdict.Acceptable : Verdict.Fraudulent;
    }

    /// @dev Whether alpha multiplied into a factor beforehand can overflow.
    function _canOverflowScaled(
        uint32 alpha,
        bytes calldata a,
        bytes calldata b
    ) private pure returns (bool) {
        uint256 exponent = (alpha >> 23) & 0xff;
        if (alpha == Float32.ONE || exponent < 127) return false;
        return
            DotProduct.largestExponent(a) + exponent > 379 || DotProduct.largestExponent(b) + exponent > 379;
    }

    /// @dev Whether Σ|a·b|, or alpha times that, is at least 2^exponent.
    function _sumReaches(
        Facts memory facts,
        uint256 alpha,
        int256 sumScale,
        int256 exponent
    ) private pure returns (bool) {
        uint256 magnitude = facts.positive + facts.negative;
        return
            _reaches(magnitude, int256(facts.emax) - 363, exponent) ||
            _reaches(alpha * magnitude, sumScale, exponent);
    }

    /// @dev Whether value·2^scale ≥ 2^exponent.
    function _reaches(uint256 value, int256 scale, int256 exponent) private pure returns (bool) {
        return value != 0 && int256(Math.log2(value)) + scale >= exponent;
    }

    /// @dev Whether bias·2^scale, at least 2^125, rounds to infinity: from (2^25 - 1)·2^103 on. bias < 2^48.
    function _rounds(uint256 bias, int256 scale) private pure returns (bool) {
        return bias << uint256(scale - 78) >= uint256((1 << 25) - 1) << 25;
    }

    /// @dev Floor and ceiling of value·2^shift.
    function _rescale(int256 value, int256 shift) private pure returns (int256 floor, int256 ceiling) {
        if (shift >= 0) {
            floor = value * int256(1 << uint256(shift));
            return (floor, floor);
        }
        return (_shiftDown(value, uint256(-shift)), _shiftUp(value, uint256(-shift)));
    }

    /// @dev Ceiling of value·2^shift.
    function _rescaleUp(uint256 value, int256 shift) private pure returns (uint256) {
        if (shift >= 0) return value * (1 << uint256(shift));
        uint256 down = uint256(-shift);
        uint256 floor = value >> down;
        return floor << down == value ? floor : floor + 1;
    }

    function _shiftDown(int256 value, uint256 shift) private pure returns (int256) {
        return value >> shift;
    }

    function _shiftUp(int256 value, uint256 shift) private pure returns (int256) {
        return -(-value >> shift);
    }

    function _max(int256 x, int256 y) private pure returns (int256) {
        return x > y ? x : y;
    }
}
