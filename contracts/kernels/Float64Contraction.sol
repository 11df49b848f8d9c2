// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {FloatFormat, Format} from "../numerics/FloatFormat.sol";
import {Dtype} from "../program/Dtype.sol";
import {
    BadCoefficient,
    ContractionParams,
    DivisorTooLarge,
    EmaxChanged,
    EmaxOutOfRange,
    EmaxTooSmall,
    UnknownActivation,
    ValidTooLarge
} from "./ContractionParams.sol";
import {Judgement, KernelInput, Verdict} from "./IKernel.sol";
import {KernelChecks} from "./KernelChecks.sol";
import {
    HintLength,
    OperandCount,
    OperandLength,
    ParamsLength,
    TooManyTerms,
    UnknownOp
} from "./KernelErrors.sol";

/// @title Contraction of float64: Σ/divisor + bias, without scale factors and clamp
/// @dev The theorem of docs/numerics/contraction.md with u = 2^-53 and μ = 2^-1022; §8 there has the integers. Twin:
///      packages/numerics/src/contraction64.ts.
library Float64Contraction {
    using FloatFormat for Format;

    struct Call {
        bool twoFactors;
        bool hasBias;
        uint256 bias; // bits
        uint256 divisor;
        bool empty; // an average over nothing: 0/0
        uint256 lambda;
        uint256 fixedDivisor; // of the parameters
    }

    /// @dev As ContractionKernel's, in units of 2^(emax-2213).
    struct Facts {
        uint256 emax;
        uint256 terms;
        uint256 valid;
        uint256 positive;
        uint256 negative;
        uint256 small;
        bool nonFinite;
        bool firstNonFinite;
    }

    struct Enclosure {
        int256 scale;
        int256 low;
        int256 high;
        uint256 magnitude;
        uint256 absolute;
        bool canOverflow;
    }

    uint32 private constant ONE_32 = 0x3f800000;
    uint64 private constant ONE_64 = 0x3ff0000000000000;
    uint256 private constant MAX_TERMS = 1 << 16;
    uint256 private constant MAX_STREAMED_TERMS = 1 << 22;
    uint256 private constant MAX_DIVISOR = 1 << 24;
    uint256 private constant MAX_LAMBDA = 1 << 20;
    uint256 private constant MIN_EMAX = 2;
    uint256 private constant MAX_EMAX = 4092;

    function judge(KernelInput calldata input) internal pure returns (Judgement memory) {
        Call memory call = _check(input);
        return _judge(call, _facts(call, input), input.claimed);
    }

    function fold(KernelInput calldata part, bytes calldata state) internal pure returns (bytes memory) {
        Call memory call = _check(part);
        Facts memory facts = _facts(call, part);
        if (state.length != 0) _add(facts, abi.decode(state, (Facts)));
        if (facts.terms > MAX_STREAMED_TERMS) revert TooManyTerms(facts.terms, MAX_STREAMED_TERMS);
        return abi.encode(facts);
    }

    function conclude(
        KernelInput calldata part,
        bytes calldata state
    ) internal pure returns (Judgement memory) {
        Call memory call = _check(part);
        Facts memory facts = abi.decode(state, (Facts));
        _divide(call, facts.valid);
        return _judge(call, facts, part.claimed);
    }

    function _check(KernelInput calldata input) private pure returns (Call memory call) {
        if (input.op > 3) revert UnknownOp(input.op);
        KernelChecks.requireAll(input, Dtype.FLOAT64);
        call.twoFactors = input.op & 1 != 0;
        call.hasBias = input.op & 2 != 0;
        if (input.params.length != 224) revert ParamsLength(224, input.params.length);
        ContractionParams memory params = abi.decode(input.params, (ContractionParams));
        if (params.alpha != ONE_32) revert BadCoefficient(params.alpha);
        if (params.beta != ONE_32) revert BadCoefficient(params.beta);
        if (params.divisor > MAX_DIVISOR) revert DivisorTooLarge(params.divisor, MAX_DIVISOR);
        if (params.activation != 0) revert UnknownActivation(params.activation);
        call.lambda = Math.min(params.lambda, MAX_LAMBDA);
        call.fixedDivisor = params.divisor;

        uint256 count = 1 + (call.twoFactors ? 1 : 0) + (call.hasBias ? 1 : 0);
        if (input.operands.length != count) revert OperandCount(count, input.operands.length);
        if (input.valid.length != count) revert OperandCount(count, input.valid.length);
        uint256 length = input.operands[0].length;
        if (length == 0 || length & 7 != 0) revert OperandLength(0, (length & ~uint256(7)) + 8, length);
        if (length >> 3 > MAX_TERMS) revert TooManyTerms(length >> 3, MAX_TERMS);
        if (call.twoFactors && input.operands[1].length != length)
            revert OperandLength(1, length, input.operands[1].length);
        if (call.hasBias) {
            bytes calldata bias = input.operands[count - 1];
            if (bias.length != 8) revert OperandLength(count - 1, 8, bias.length);
            call.bias = Dtype.at(bias, 0, 8);
        }
        if (input.valid[0] > length >> 3) revert ValidTooLarge(input.valid[0], length >> 3);
        _divide(call, input.valid[0]);
    }

    function _divide(Call memory call, uint256 valid) private pure {
        call.divisor = call.fixedDivisor == 0 ? valid : call.fixedDivisor;
        call.empty = call.divisor == 0;
        if (call.empty) call.divisor = 1;
    }

    function _facts(Call memory call, KernelInput calldata input) private pure returns (Facts memory facts) {
        if (input.hint.length != 32) revert HintLength(32, input.hint.length);
        facts.emax = uint256(bytes32(input.hint));
        if (facts.emax < MIN_EMAX || facts.emax > MAX_EMAX)
            revert EmaxOutOfRange(facts.emax, MIN_EMAX, MAX_EMAX);
        facts.terms = input.operands[0].length >> 3;
        facts.valid = input.valid[0];
        bool fits = true;
        for (uint256 i = 0; i < facts.terms; ++i) {
            uint256 x = _at(input.operands[0], i);
            uint256 y = call.twoFactors ? _at(input.operands[1], i) : ONE_64;
            unchecked {
                uint256 ex = (x >> 52) & 0x7ff;
                uint256 ey = (y >> 52) & 0x7ff;
                if (ex == 0x7ff) facts.firstNonFinite = facts.nonFinite = true;
                if (ey == 0x7ff) facts.nonFinite = true;
                uint256 product =
                    (ex == 0 ? x & 0xfffffffffffff : (x & 0xfffffffffffff) | 0x10000000000000) *
                        (ey == 0 ? y & 0xfffffffffffff : (y & 0xfffffffffffff) | 0x10000000000000);
                uint256 exponent = (ex == 0 ? 1 : ex) + (ey == 0 ? 1 : ey);
                if (exponent > facts.emax) fits = false;
                // counted as larger than it is, by less than 2^106, where the shift would be negative
                if (fits && exponent + 63 > facts.emax) product <<= exponent + 63 - facts.emax;
                if ((x ^ y) >> 63 == 0) facts.positive += product;
                else facts.negative += product;
                if (ex == 0 || ey == 0) facts.small += product;
            }
        }
        if (facts.nonFinite) (facts.positive, facts.negative, facts.small) = (0, 0, 0);
        else if (!fits) revert EmaxTooSmall(facts.emax);
    }

    /// @dev Bits of little-endian element number `index`.
    function _at(bytes calldata elements, uint256 index) private pure returns (uint256 bits) {
        assembly ("memory-safe") {
            bits := shr(192, calldataload(add(elements.offset, shl(3, index))))
            bits := or(shl(8, and(bits, 0x00ff00ff00ff00ff)), and(shr(8, bits), 0x00ff00ff00ff00ff))
            bits := or(shl(16, and(bits, 0x0000ffff0000ffff)), and(shr(16, bits), 0x0000ffff0000ffff))
            bits := or(shl(32, and(bits, 0xffffffff)), shr(32, bits))
        }
    }

    function _add(Facts memory facts, Facts memory earlier) private pure {
        if (facts.emax != earlier.emax) revert EmaxChanged(facts.emax, earlier.emax);
        facts.terms += earlier.terms;
        facts.valid += earlier.valid;
        facts.nonFinite = facts.nonFinite || earlier.nonFinite;
        facts.firstNonFinite = facts.firstNonFinite || earlier.firstNonFinite;
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
        uint256 claimed
    ) private pure returns (Judgement memory judgement) {
        Format memory f = FloatFormat.forDtype(Dtype.FLOAT64);
        bool finite = f.isFinite(claimed);
        if (!f.isFinite(call.bias)) return _ruled(!finite);
        // hardware may skip the products of padding, which is always in the first operand
        if (facts.nonFinite) return _ruled(!finite || (facts.valid != facts.terms && !facts.firstNonFinite));
        Enclosure memory e = _enclose(call, facts, f);
        if (!finite) return _ruled(call.empty || e.canOverflow);

        (uint256 provable, uint256 integrity) = _bands(call, facts.terms, e);
        {
            int256 middle = (e.low + e.high) >> 1;
            uint256 halfWidth = uint256(e.high - middle);
            uint256 remainder = call.divisor == 1 ? 0 : 1;
            judgement.verdict = Verdict.Fraudulent;
            judgement.exact = middle / int256(call.divisor);
            judgement.provable = Math.ceilDiv(provable + halfWidth, call.divisor) + remainder;
            judgement.integrity = Math.ceilDiv(integrity + halfWidth, call.divisor) + remainder;
            judgement.scale = e.scale;
        }
        (bool negative, uint256 mantissa, int256 exponent) = f.decode(claimed);
        int256 signed = int256(mantissa * call.divisor);
        // a claim that needs a larger shift is beyond everything it is compared with at this one, too
        int256 shift = exponent - e.scale > 170 ? int256(170) : exponent - e.scale;
        (int256 floor, int256 ceiling) = _rescale(negative ? -signed : signed, shift);
        if (ceiling >= e.low - int256(provable) && floor <= e.high + int256(provable))
            judgement.verdict = Verdict.Imprecise;
        if (ceiling >= e.low - int256(integrity) && floor <= e.high + int256(integrity))
            judgement.verdict = Verdict.Acceptable;
    }

    function _enclose(
        Call memory call,
        Facts memory facts,
        Format memory f
    ) private pure returns (Enclosure memory e) {
        int256 sumScale = int256(facts.emax) - 2213;
        (bool negative, uint256 bias, int256 biasScale) = f.decode(call.bias);
        e.scale = sumScale > -1122 ? sumScale : int256(-1122);
        if (bias != 0 && biasScale - 128 > e.scale) e.scale = biasScale - 128;
        int256 drop = e.scale - sumScale;

        int256 sum = int256(facts.positive) - int256(facts.negative);
        int256 slack = int256(facts.terms << 107);
        (e.low, ) = _rescale(sum - slack, -drop);
        (, e.high) = _rescale(sum + slack, -drop);
        int256 divided = int256(bias * call.divisor);
        (int256 floor, int256 ceiling) = _rescale(negative ? -divided : divided, biasScale - e.scale);
        e.low += floor;
        e.high += ceiling;

        uint256 magnitude = facts.positive + facts.negative;
        uint256 biasMagnitude = _up(bias * call.divisor, biasScale - e.scale);
        e.magnitude = _up(magnitude, -drop) + biasMagnitude;
        e.absolute = _up(5 * (facts.terms + 1) * call.divisor, -1022 - e.scale);
        e.absolute += _up(facts.small + (facts.small + 127) / 128, -drop);
        if (f.isSubnormal(call.bias)) e.absolute += biasMagnitude;
        // Beside a sum that never reaches half its last place, even the largest bias stays finite.
        e.canOverflow =
            _reaches(magnitude, sumScale, 1021) ||
            (_reaches(bias, biasScale, 1021) && _reaches(magnitude, sumScale, 968));
    }

    function _bands(
        Call memory call,
        uint256 terms,
        Enclosure memory e
    ) private pure returns (uint256 provable, uint256 integrity) {
        uint256 roundings = terms - 1 + (call.twoFactors ? 1 : 0) + (call.hasBias ? 1 : 0);
        if (call.divisor != 1) roundings += 2;
        provable = Math.ceilDiv(roundings * e.magnitude, (1 << 53) - roundings) + e.absolute;
        uint256 root = Math.sqrt(terms << 32, Math.Rounding.Ceil);
        integrity = Math.ceilDiv(call.lambda * root * e.magnitude, 1 << 77) + e.absolute;
        integrity = Math.min(integrity, provable);
    }

    function _ruled(bool acceptable) private pure returns (Judgement memory judgement) {
        judgement.verdict = acceptable ? Verdict.Acceptable : Verdict.Fraudulent;
    }

    /// @dev Whether value·2^scale ≥ 2^exponent.
    function _reaches(uint256 value, int256 scale, int256 exponent) private pure returns (bool) {
        return value != 0 && int256(Math.log2(value)) + scale >= exponent;
    }

    /// @dev Floor and ceiling of value·2^shift.
    function _rescale(int256 value, int256 shift) private pure returns (int256 floor, int256 ceiling) {
        if (shift >= 0) {
            floor = value * int256(1 << uint256(shift));
            return (floor, floor);
        }
        return (value >> uint256(-shift), -(-value >> uint256(-shift)));
    }

    function _up(uint256 value, int256 shift) private pure returns (uint256) {
        (, int256 ceiling) = _rescale(int256(value), shift);
        return uint256(ceiling);
    }
}
