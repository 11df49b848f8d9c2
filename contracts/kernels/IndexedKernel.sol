// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Fold, FloatFold} from "../numerics/FloatFold.sol";
import {FloatFormat, Format} from "../numerics/FloatFormat.sol";
import {Dtype} from "../program/Dtype.sol";
import {IKernel, Judgement, KernelInput, Verdict} from "./IKernel.sol";
import {KernelChecks} from "./KernelChecks.sol";
import {OperandCount, OperandLength, ParamsLength, UnknownOp, UnsupportedDtype} from "./KernelErrors.sol";

/// @notice Operand `operand` has `valid` points that are not padding, but its elements say at least `lowest` and at
///         most `highest`. Padding must read as bits 0.
error BadValid(uint256 operand, uint256 valid, uint256 lowest, uint256 highest);

/// @title Indexed: what becomes of an element when the points of a box that select it are folded into it
/// @dev The access map makes every point that does not select the element padding (conditions that look indices up), so
///      the kernel sees the points that do, among zeros. The last operand is the element before; the one before it the
///      updates, one for each point of the box; those before them hold indices for lookups. Sum and Product have no
///      element before. Rules and proof: docs/numerics/indexed.md. Twin: packages/numerics/src/indexed.ts.
contract IndexedKernel is IKernel {
    /// @dev The terms that are folded; padding is not among them.
    struct Call {
        uint8 op;
        uint8 dtype;
        uint256 claimed;
        uint256[] terms; // bits of those that are not 0, the element before first of all
        bool zero; // some term has bits 0
        uint256 selecting; // points of the box that select the element
    }

    uint8 private constant OVERWRITE = 0;
    uint8 private constant ADD = 1;
    uint8 private constant MUL = 2;
    uint8 private constant MAX = 3;
    uint8 private constant MIN = 4;
    uint8 private constant SUM = 5;
    uint8 private constant PRODUCT = 6;

    /// @inheritdoc IKernel
    function judge(KernelInput calldata input) external pure returns (Judgement memory judgement) {
        Call memory call = _check(input);
        bool acceptable;
        if (call.op == OVERWRITE || (call.op < SUM && call.selecting == 0)) acceptable = _found(call);
        else if (call.dtype == Dtype.BOOL) revert UnsupportedDtype(type(uint256).max, call.dtype);
        else if (!Dtype.isFloat(call.dtype)) {
            (acceptable, judgement.exact) = _integers(call);
        } else if (call.op == MAX || call.op == MIN) acceptable = _extreme(call);
        else return _fold(call);
        judgement.verdict = acceptable ? Verdict.Acceptable : Verdict.Fraudulent;
    }

    function _check(KernelInput calldata input) private pure returns (Call memory call) {
        if (input.op > PRODUCT) revert UnknownOp(input.op);
        if (input.params.length != 0) revert ParamsLength(0, input.params.length);
        uint256 size = Dtype.sizeOf(input.dtype);
        if (size == 0) revert UnsupportedDtype(type(uint256).max, input.dtype);
        uint256 count = input.operands.length;
        uint256 needed = input.op < SUM ? 2 : 1;
        if (count < needed) revert OperandCount(needed, count);
        if (input.valid.length != count) revert OperandCount(count, input.valid.length);
        (call.op, call.dtype, call.claimed) = (input.op, input.dtype, input.claimed);

        uint256 before;
        uint256 updates = count - 1;
        if (needed == 2) {
            updates = count - 2;
            KernelChecks.requireOperand(input, count - 1, input.dtype);
            bytes calldata element = input.operands[count - 1];
            if (element.length != size) revert OperandLength(count - 1, size, element.length);
            before = Dtype.at(element, 0, size);
        }
        KernelChecks.requireOperand(input, updates, input.dtype);
        uint256 length = input.operands[updates].length;
        if (length == 0 || length % size != 0)
            revert OperandLength(updates, length - (length % size) + size, length);
        call.selecting = input.valid[updates];
        // An element that is overwritten is no term.
        bool kept = needed == 2 && (call.op != OVERWRITE || call.selecting == 0);
        _collect(call, input.operands[updates], size, updates, kept ? before : 0);
        if (kept && before == 0) call.zero = true;
    }

    /// @dev Terms that are not 0, and whether some are.
    function _collect(
        Call memory call,
        bytes calldata updates,
        uint256 size,
        uint256 operand,
        uint256 before
    ) private pure {
        unchecked {
            uint256 points = updates.length / size;
            uint256[] memory terms = new uint256[](points + 1);
            uint256 found;
            if (before != 0) terms[found++] = before;
            uint256 first = found;
            for (uint256 i; i < points; ++i) {
                uint256 bits = Dtype.at(updates, i, size);
                if (bits != 0) terms[found++] = bits;
            }
            uint256 selected = found - first;
            if (call.selecting < selected || call.selecting > points)
                revert BadValid(operand, call.selecting, selected, points);
            call.zero = call.selecting > selected;
            assembly ("memory-safe") {
                mstore(terms, found)
            }
            call.terms = terms;
        }
    }

    /// @dev Whether the claim is one of the terms, bit for bit, but for what a NaN carries.
    function _found(Call memory call) private pure returns (bool) {
        if (call.zero && call.claimed == 0) return true;
        bool claimsNaN = Dtype.isNaN(call.dtype, call.claimed);
        for (uint256 i; i < call.terms.length; ++i)
            if (call.terms[i] == call.claimed || (claimsNaN && Dtype.isNaN(call.dtype, call.terms[i])))
                return true;
        return false;
    }

    /// @dev Sums and products modulo 2^bits, extremes exactly.
    function _integers(Call memory call) private pure returns (bool acceptable, int256 exact) {
        bool times = call.op == MUL || call.op == PRODUCT;
        bool extreme = call.op == MAX || call.op == MIN;
        uint256 result = times ? 1 : 0;
        bool started = extreme && call.zero;
        if (times && call.zero) result = 0;
        unchecked {
            for (uint256 i; i < call.terms.length; ++i) {
                uint256 bits = call.terms[i];
                if (!extreme) {
                    result = times ? result * bits : result + bits;
                    continue;
                }
                bool larger = Dtype.toInteger(call.dtype, bits) > Dtype.toInteger(call.dtype, result);
                if (!started || (bits != result && larger == (call.op == MAX))) result = bits;
                started = true;
            }
            result &= (1 << (8 * Dtype.sizeOf(call.dtype))) - 1;
        }
        return (result == call.claimed, Dtype.toInteger(call.dtype, result));
    }

    /// @dev Largest or smallest of floating-point terms: the rules of the Reduction family, without a start value.
    function _extreme(Call memory call) private pure returns (bool) {
        Format memory format = FloatFormat.forDtype(call.dtype);
        bool nan;
        bool subnormal;
        int256 claimed = FloatFormat.order(format, call.claimed);
        bool found = call.zero && claimed == 0;
        int256 extreme = call.zero ? int256(0) : type(int256).min;
        for (uint256 i; i < call.terms.length; ++i) {
            if (Dtype.isNaN(call.dtype, call.terms[i])) {
                nan = true;
                continue;
            }
            int256 order = FloatFormat.order(format, call.terms[i]);
            if (order == claimed) found = true;
            if (order != 0 && FloatFormat.isTiny(format, call.terms[i])) subnormal = true;
            if (extreme == type(int256).min || (order != extreme && order > extreme == (call.op == MAX)))
                extreme = order;
        }
        bool claimsNaN = Dtype.isNaN(call.dtype, call.claimed);
        if (nan) return claimsNaN || found || (claimed == 0 && subnormal);
        if (claimsNaN) return false;
        if (claimed == extreme) return true;
        // Hardware that reads subnormals as zero finds them and the zeros equal: any of them may come out.
        return
            FloatFormat.isTiny(format, uint256(extreme < 0 ? -extreme : extreme)) &&
            FloatFormat.isTiny(format, call.claimed) &&
            (found || claimed == 0);
    }

    /// @dev Floating-point sums and products, in any order.
    function _fold(Call memory call) private pure returns (Judgement memory judgement) {
        Format memory format = FloatFormat.forDtype(call.dtype);
        bool times = call.op == MUL || call.op == PRODUCT;
        // Of no terms at all the product is 1 and the sum 0.
        Fold memory fold =
            times ? FloatFold.product(call.terms, call.zero, format) : FloatFold.sum(call.terms, format);
        (bool acceptable, uint256 provable) = FloatFold.accepts(fold, format, call.claimed);
        judgement.verdict = acceptable ? Verdict.Acceptable : Verdict.Fraudulent;
        // Too many terms for a bound: nothing can be shown, and nothing is paid.
        if (fold.unbounded && !fold.nan) judgement.verdict = Verdict.Imprecise;
        if (!fold.finite || fold.unbounded) return judgement;
        judgement.exact = fold.exact;
        judgement.provable = judgement.integrity = provable;
        judgement.scale = fold.scale;
    }
}
