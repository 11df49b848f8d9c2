// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Float32} from "../numerics/Float32.sol";
import {Real, RealMath} from "../numerics/Real.sol";
import {Enclosure, NanRange, ScalarArguments, ScalarFunctions} from "../numerics/ScalarFunctions.sol";
import {Dtype} from "../program/Dtype.sol";
import {IKernel, Judgement, KernelInput, Verdict} from "./IKernel.sol";
import {KernelChecks} from "./KernelChecks.sol";
import {OperandCount, OperandLength, ParamsLength, UnknownOp} from "./KernelErrors.sol";

/// @notice A parameter is not zero nor between 2^-64 and 2^65 in size, or not positive where it must be.
error BadParameter(uint256 parameter, uint32 bits);

/// @title Scalar: functions with a published accuracy
/// @dev Rules and proofs: docs/numerics/scalar.md. Twin: packages/numerics/src/scalar.ts.
contract ScalarKernel is IKernel {
    /// @dev A function with its operands' bits and its parameters.
    struct Call {
        uint8 op;
        uint32 x;
        uint32 y;
        Real a;
        Real b;
    }

    /// @dev Results are counted in units no finer than 2^-200.
    int256 private constant FINEST = -200;
    /// @dev What saturating functions may return for NaN: at most 1 + 2^-20.
    uint32 private constant JUST_ABOVE_ONE = 0x3f800008;
    uint32 private constant JUST_BELOW_ONE = 0x3f7ffff0;
    uint32 private constant JUST_ABOVE_HALF = 0x3f000008;
    uint32 private constant JUST_BELOW_HALF = 0x3efffff0;
    /// @dev 2^-20.
    uint32 private constant NEARLY_ZERO = 0x35800000;
    /// @dev 2^120; NaN is larger.
    uint32 private constant NEARLY_INFINITE = 0x7b800000;

    /// @inheritdoc IKernel
    function judge(KernelInput calldata input) external pure returns (Judgement memory judgement) {
        Call memory call = _read(input);
        uint32 claimed = uint32(input.claimed);
        judgement = _judgeAt(call, claimed);
        // hardware may read subnormal operands as zeros
        (uint32 x, uint32 y) = (call.x, call.y);
        for (uint256 flush = 1; flush < 4 && judgement.verdict != Verdict.Acceptable; ++flush) {
            if (flush & 1 != 0 && !Float32.isSubnormal(x)) continue;
            if (flush & 2 != 0 && !Float32.isSubnormal(y)) continue;
            call.x = flush & 1 != 0 ? x & Float32.SIGN : x;
            call.y = flush & 2 != 0 ? y & Float32.SIGN : y;
            judgement.verdict = _judgeAt(call, claimed).verdict;
        }
    }

    function _read(KernelInput calldata input) private pure returns (Call memory call) {
        call.op = input.op;
        if (input.op >= ScalarFunctions.COUNT) revert UnknownOp(input.op);
        KernelChecks.requireAll(input, Dtype.FLOAT32);
        uint256 arity = ScalarFunctions.arity(input.op);
        if (input.operands.length != arity) revert OperandCount(arity, input.operands.length);
        for (uint256 i = 0; i < arity; ++i) {
            if (input.operands[i].length != 4) revert OperandLength(i, 4, input.operands[i].length);
        }
        uint256 count = ScalarFunctions.parameters(input.op);
        if (input.params.length != 32 * count) revert ParamsLength(32 * count, input.params.length);
        call.x = Float32.at(input.operands[0], 0);
        if (arity == 2) call.y = Float32.at(input.operands[1], 0);
        call.a = count == 0 ? RealMath.ZERO : _parameter(input, 0);
        call.b = count == 2 ? _parameter(input, 1) : RealMath.ZERO;
    }

    /// @dev Zero, or between 2^-64 and 2^65 in size, so that no product with one underflows or overflows by itself;
    ///      Celu divides by its own, which is positive.
    function _parameter(KernelInput calldata input, uint256 index) private pure returns (Real) {
        uint32 bits = abi.decode(input.params[32 * index:], (uint32));
        uint32 exponent = (bits >> 23) & 0xff;
        bool allowed = exponent >= 63 && exponent <= 191;
        if (input.op == ScalarFunctions.CELU) allowed = allowed && bits & Float32.SIGN == 0;
        else allowed = allowed || Float32.isZero(bits);
        if (!allowed) revert BadParameter(index, bits);
        return RealMath.fromBits(bits);
    }

    function _judgeAt(Call memory call, uint32 claimed) private pure returns (Judgement memory judgement) {
        judgement.verdict = Verdict.Fraudulent;
        bool nan = Float32.isNaN(call.x) || Float32.isNaN(call.y);
        // the entry also says what becomes of NaN; its f is not used then
        Enclosure memory e = ScalarFunctions.evaluate(
            call.op,
            ScalarArguments({
                x: nan ? RealMath.ONE : RealMath.fromBits(call.x),
                y: nan ? RealMath.ONE : RealMath.fromBits(call.y),
                negative: call.x & Float32.SIGN != 0,
                a: call.a,
                b: call.b
            })
        );
        if (nan) {
            if (_nanMayBecome(call, e.nan, claimed))
                judgement.verdict = _isLimit(claimed) ? Verdict.Acceptable : Verdict.Imprecise;
            return judgement;
        }
        bool exists = Real.unwrap(e.f) != Real.unwrap(RealMath.NONE);
        if (Float32.isNaN(claimed)) {
            bool finite = Float32.isFinite(call.x) && Float32.isFinite(call.y);
            if (!exists || (e.nanAtInfinity && !finite)) judgement.verdict = Verdict.Acceptable;
            return judgement;
        }
        if (exists) _compare(e, claimed, judgement);
    }

    function _compare(Enclosure memory e, uint32 claimed, Judgement memory judgement) private pure {
        unchecked {
            int256 scale = e.f.exponent() > FINEST ? e.f.exponent() : FINEST;
            if (e.c.exponent() > scale) scale = e.c.exponent();
            int256 exact = _inUnits(e.f, scale);
            // 2^-50 is above the enclosure's error of 2^-60 and its share of the band; 4 units are above all floors
            uint256 provable = uint256(exact < 0 ? -exact : exact) * ((e.ulps << 27) + 1);
            provable = (provable + uint256(_inUnits(e.c, scale)) * ((e.units << 27) + 1)) >> 50;
            provable += (scale < -125 ? 1 << uint256(-125 - scale) : 1) + 4;

            if (!Float32.isFinite(claimed)) {
                int256 reach = (claimed == Float32.INFINITY ? exact : -exact) + int256(provable);
                if (_overflows(reach, scale)) judgement.verdict = Verdict.Acceptable;
                return;
            }
            int256 difference = _claimInUnits(claimed, scale) - exact;
            if (uint256(difference < 0 ? -difference : difference) <= provable)
                judgement.verdict = Verdict.Acceptable;
            judgement.exact = exact;
            judgement.provable = judgement.integrity = provable;
            judgement.scale = scale;
        }
    }

    /// @dev Whether reach·2^scale >= (1 - 2^-25)·2^128, from where on rounding to nearest gives infinity.
    function _overflows(int256 reach, int256 scale) private pure returns (bool) {
        unchecked {
            if (scale > 103) return reach > 0;
            return scale >= -30 && reach >= int256(0x1ffffff) << uint256(103 - scale);
        }
    }

    /// @dev Given NaN, hardware that clamps first may return what the function can be; C's pow(NaN, 0) and
    ///      pow(1, NaN) are 1.
    function _nanMayBecome(Call memory call, NanRange range, uint32 claimed) private pure returns (bool) {
        if (Float32.isNaN(claimed)) return true;
        if (call.op == ScalarFunctions.POW) {
            bool one = Float32.isNaN(call.x) ? Float32.isZero(call.y) : call.x == Float32.ONE;
            return claimed == Float32.ONE && one;
        }
        if (range == NanRange.None) return false;
        if (range == NanRange.Any) return true;
        if (range != NanRange.Symmetric && Float32.order(claimed) < 0) return false;
        return range == NanRange.Positive || claimed & Float32.MAGNITUDE <= JUST_ABOVE_ONE;
    }

    /// @dev What is left of a clamped NaN: nearly 0, 1/2 or 1 in size, or larger than 2^120.
    function _isLimit(uint32 claimed) private pure returns (bool) {
        uint32 size = claimed & Float32.MAGNITUDE;
        return
            size <= NEARLY_ZERO ||
            size >= NEARLY_INFINITE ||
            (size >= JUST_BELOW_HALF && size <= JUST_ABOVE_HALF) ||
            (size >= JUST_BELOW_ONE && size <= JUST_ABOVE_ONE);
    }

    /// @dev A number in units of 2^scale, floored; |a| < 2^121 units.
    function _inUnits(Real a, int256 scale) private pure returns (int256) {
        (int256 m, int256 e) = RealMath.parts(a);
        unchecked {
            return scale <= e ? m << uint256(e - scale) : m >> uint256(scale - e);
        }
    }

    /// @dev A finite float32 in units of 2^scale, floored; beyond 2^224 the shift stops, far outside any band.
    function _claimInUnits(uint32 bits, int256 scale) private pure returns (int256) {
        (int256 m, int256 e) = RealMath.parts(RealMath.fromBits(bits));
        unchecked {
            int256 shift = e - scale;
            if (shift > 104) shift = 104;
            return shift < 0 ? m >> uint256(-shift) : m << uint256(shift);
        }
    }
}
