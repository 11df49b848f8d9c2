// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Fold, FloatFold} from "../numerics/FloatFold.sol";
import {FloatFormat, Format} from "../numerics/FloatFormat.sol";
import {Dtype} from "../program/Dtype.sol";
import {IKernel, IStreamingKernel, Judgement, KernelInput, Verdict} from "./IKernel.sol";
import {KernelChecks} from "./KernelChecks.sol";
import {
    HintChanged,
    OperandCount,
    OperandLength,
    ParamsLength,
    TooManyTerms,
    UnknownOp,
    UnsupportedDtype,
    WrongHint
} from "./KernelErrors.sol";

/// @notice Operand `operand` has `valid` points that are not padding, but its elements say at least `lowest` and at
///         most `highest`. Padding must read as bits 0.
error BadValid(uint256 operand, uint256 valid, uint256 lowest, uint256 highest);

/// @title Indexed: what becomes of an element when the points of a box that select it are folded into it
/// @dev The access map makes every point that does not select the element padding (conditions that look indices up), so
///      the kernel sees the points that do, among zeros. The last operand is the element before; the one before it the
///      updates, one for each point of the box; those before them hold indices for lookups. Sum and Product have no
///      element before. All of them stream; sums of floats then take the places that they cut off as a hint.
///      Rules and proof: docs/numerics/indexed.md. Twin: packages/numerics/src/indexed.ts.
contract IndexedKernel is IStreamingKernel {
    /// @dev How terms are folded.
    enum Way {
        Copy, // the claim is one of them
        Extreme, // the largest or smallest
        Wrapping, // sums and products modulo 2^bits
        Sum, // of floats
        Product // of floats
    }

    /// @dev What there is to fold.
    struct Call {
        Way way;
        uint8 op;
        uint8 dtype;
        Format format; // of floats
        uint256 size; // bytes of an element
        uint256 claimed;
        uint256 updates; // number of the operand
        bool replaces; // there is an element before
        uint256 before; // its bits
    }

    /// @dev The largest or smallest of terms.
    struct Extreme {
        bool some; // there is a term that is no NaN
        int256 order; // the extreme one, in the order of the type
        bool nan; // some term is NaN
        bool subnormal; // some term is subnormal
    }

    /// @dev What the points so far come to. Terms are the element before (not of a copy) and the updates that are not 0.
    struct Run {
        uint256 points;
        uint256 selecting; // of them: those that select the element
        uint256 updates; // of these: those that are not 0
        bool found; // some term is the claim: a copy of it, or for an extreme the same number
        uint256 wrapped; // sum or product of integers
        Extreme extreme;
        FloatFold.Terms terms;
        FloatFold.Factors factors;
    }

    uint8 private constant OVERWRITE = 0;
    uint8 private constant MUL = 2;
    uint8 private constant MAX = 3;
    uint8 private constant MIN = 4;
    uint8 private constant SUM = 5;
    uint8 private constant PRODUCT = 6;

    uint256 private constant MAX_POINTS = 1 << 22;

    // Of a word: bytes and pairs of them at even places.
    uint256 private constant BYTES = 0x00ff00ff00ff00ff;
    uint256 private constant PAIRS = 0x0000ffff0000ffff;

    /// @inheritdoc IKernel
    function judge(KernelInput calldata input) external pure returns (Judgement memory) {
        Call memory call = _check(input);
        Run memory run = _start(call, call.way == Way.Sum ? _cut(call, input.operands[call.updates]) : 0);
        _fold(call, input, run);
        return _conclude(call, run);
    }

    /// @inheritdoc IStreamingKernel
    function fold(KernelInput calldata part, bytes calldata state) external pure returns (bytes memory) {
        Call memory call = _check(part);
        uint256 hint = call.way == Way.Sum ? KernelChecks.hintOf(part) : 0;
        Run memory run = state.length == 0 ? _start(call, hint) : abi.decode(state, (Run));
        if (run.terms.cut != hint) revert HintChanged(hint, run.terms.cut);
        _fold(call, part, run);
        return abi.encode(run);
    }

    /// @inheritdoc IStreamingKernel
    function conclude(
        KernelInput calldata part,
        bytes calldata state
    ) external pure returns (Judgement memory) {
        return _conclude(_check(part), abi.decode(state, (Run)));
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
        (call.op, call.dtype, call.size, call.claimed) = (input.op, input.dtype, size, input.claimed);
        call.updates = count - needed;
        call.replaces = needed == 2;
        if (call.replaces) {
            KernelChecks.requireOperand(input, count - 1, input.dtype);
            bytes calldata element = input.operands[count - 1];
            if (element.length != size) revert OperandLength(count - 1, size, element.length);
            call.before = Dtype.at(element, 0, size);
        }
        KernelChecks.requireOperand(input, call.updates, input.dtype);
        uint256 length = input.operands[call.updates].length;
        if (length == 0 || length % size != 0)
            revert OperandLength(call.updates, length - (length % size) + size, length);
        call.way = _way(input.op, input.dtype);
        call.format = FloatFormat.forDtype(input.dtype);
    }

    /// @dev bool is only copied.
    function _way(uint8 op, uint8 dtype) private pure returns (Way) {
        if (op == OVERWRITE || dtype == Dtype.BOOL) return Way.Copy;
        if (op == MAX || op == MIN) return Way.Extreme;
        if (!Dtype.isFloat(dtype)) return Way.Wrapping;
        return _multiplies(op) ? Way.Product : Way.Sum;
    }

    function _multiplies(uint8 op) private pure returns (bool) {
        return op == MUL || op == PRODUCT;
    }

    /// @dev Nothing but the element before.
    function _start(Call memory call, uint256 cut) private pure returns (Run memory run) {
        if (_multiplies(call.op)) run.wrapped = 1;
        run.factors = FloatFold.none();
        run.terms.cut = cut;
        if (call.replaces && call.way != Way.Copy && call.before != 0) _take(call, run, call.before);
    }

    /// @dev Places that the sum of all terms cuts off.
    function _cut(Call memory call, bytes calldata elements) private pure returns (uint256) {
        uint256 largest = FloatFold.placeOf(call.format, call.before);
        uint256 points = elements.length / call.size;
        for (uint256 i; i < points; ++i) {
            uint256 place = FloatFold.placeOf(call.format, _at(elements, i, call.size));
            if (place > largest) largest = place;
        }
        return FloatFold.cutOf(largest);
    }

    /// @dev Folds the points of a box, or of a segment of it.
    function _fold(Call memory call, KernelInput calldata input, Run memory run) private pure {
        bytes calldata elements = input.operands[call.updates];
        uint256 size = call.size;
        uint256 points = elements.length / size;
        run.points += points;
        run.selecting += input.valid[call.updates];
        if (run.points > MAX_POINTS) revert TooManyTerms(run.points, MAX_POINTS);
        uint256 updates;
        unchecked {
            for (uint256 i; i < points; ++i) {
                uint256 bits = _at(elements, i, size);
                if (bits == 0) continue;
                ++updates;
                _take(call, run, bits);
            }
        }
        run.updates += updates;
    }

    /// @dev Bits of element `index`, which must be inside.
    function _at(bytes calldata elements, uint256 index, uint256 size) private pure returns (uint256 bits) {
        assembly ("memory-safe") {
            bits := shr(192, calldataload(add(elements.offset, mul(index, size))))
            bits := or(and(shr(8, bits), BYTES), shl(8, and(bits, BYTES)))
            bits := or(and(shr(16, bits), PAIRS), shl(16, and(bits, PAIRS)))
            bits := and(or(shr(32, bits), shl(32, bits)), sub(shl(shl(3, size), 1), 1))
        }
    }

    /// @dev Folds a term that is not 0.
    function _take(Call memory call, Run memory run, uint256 bits) private pure {
        if (call.way == Way.Sum) FloatFold.add(run.terms, call.format, bits);
        else if (call.way == Way.Product) FloatFold.multiply(run.factors, call.format, bits);
        else if (call.way == Way.Copy) run.found = run.found || _same(call, bits);
        else if (call.way == Way.Extreme) _compare(call, run, bits);
        else {
            unchecked {
                run.wrapped = _multiplies(call.op) ? run.wrapped * bits : run.wrapped + bits;
            }
        }
    }

    /// @dev Whether the claim is this element, bit for bit, but for what a NaN carries.
    function _same(Call memory call, uint256 bits) private pure returns (bool) {
        return
            bits == call.claimed || (Dtype.isNaN(call.dtype, bits) && Dtype.isNaN(call.dtype, call.claimed));
    }

    function _compare(Call memory call, Run memory run, uint256 bits) private pure {
        Extreme memory extreme = run.extreme;
        if (Dtype.isNaN(call.dtype, bits)) {
            extreme.nan = true;
            return;
        }
        int256 order = _order(call, bits);
        if (order == _order(call, call.claimed)) run.found = true;
        if (Dtype.isFloat(call.dtype) && FloatFormat.isSubnormal(call.format, bits)) extreme.subnormal = true;
        if (!extreme.some || order > extreme.order == (call.op == MAX)) extreme.order = order;
        extreme.some = true;
    }

    function _order(Call memory call, uint256 bits) private pure returns (int256) {
        if (Dtype.isFloat(call.dtype)) return FloatFormat.order(call.format, bits);
        return Dtype.toInteger(call.dtype, bits);
    }

    function _conclude(Call memory call, Run memory run) private pure returns (Judgement memory judgement) {
        if (run.selecting < run.updates || run.selecting > run.points)
            revert BadValid(call.updates, run.selecting, run.updates, run.points);
        if (call.way == Way.Sum && run.terms.cut != FloatFold.cutOf(run.terms.largest))
            revert WrongHint(run.terms.cut, FloatFold.cutOf(run.terms.largest));
        // An element that is overwritten is no term.
        bool zero = run.selecting > run.updates;
        if (call.replaces && call.way != Way.Copy && call.before == 0) zero = true;
        bool acceptable;
        if (call.replaces && run.selecting == 0) acceptable = _same(call, call.before);
        else if (call.way == Way.Copy) {
            if (call.op != OVERWRITE) revert UnsupportedDtype(type(uint256).max, call.dtype);
            acceptable = run.found || (zero && call.claimed == 0);
        } else if (!Dtype.isFloat(call.dtype)) {
            judgement.exact = _integer(call, run, zero);
            acceptable = uint256(judgement.exact) & ((1 << (8 * call.size)) - 1) == call.claimed;
        } else if (call.way == Way.Extreme) acceptable = _extreme(call, run, zero);
        else return _float(call, run, zero);
        judgement.verdict = acceptable ? Verdict.Acceptable : Verdict.Fraudulent;
    }

    /// @dev Sums and products modulo 2^bits, extremes exactly.
    function _integer(Call memory call, Run memory run, bool zero) private pure returns (int256) {
        if (call.way == Way.Extreme) return _further(call, run.extreme, zero);
        if (zero && _multiplies(call.op)) return 0;
        return Dtype.toInteger(call.dtype, run.wrapped & ((1 << (8 * call.size)) - 1));
    }

    /// @dev The extreme, 0 being a term if `zero`.
    function _further(Call memory call, Extreme memory extreme, bool zero) private pure returns (int256) {
        return zero && (!extreme.some || extreme.order < 0 == (call.op == MAX)) ? int256(0) : extreme.order;
    }

    /// @dev Largest or smallest of floating-point terms: the rules of the Reduction family, without a start value.
    function _extreme(Call memory call, Run memory run, bool zero) private pure returns (bool) {
        int256 extreme = _further(call, run.extreme, zero);
        int256 claimed = _order(call, call.claimed);
        bool claimsNaN = Dtype.isNaN(call.dtype, call.claimed);
        bool found = !claimsNaN && (run.found || (zero && claimed == 0));
        if (run.extreme.nan) return claimsNaN || found || (claimed == 0 && run.extreme.subnormal);
        if (claimsNaN) return false;
        if (claimed == extreme) return true;
        // Hardware that reads subnormals as zero finds them and the zeros equal: any of them may come out.
        return
            FloatFormat.isTiny(call.format, uint256(extreme < 0 ? -extreme : extreme)) &&
            FloatFormat.isTiny(call.format, call.claimed) &&
            (found || claimed == 0);
    }

    /// @dev Floating-point sums and products, in any order.
    function _float(
        Call memory call,
        Run memory run,
        bool zero
    ) private pure returns (Judgement memory judgement) {
        if (zero) run.factors.zero = true;
        // Of no terms at all the product is 1 and the sum 0.
        Fold memory result =
            call.way == Way.Product
                ? FloatFold.product(run.factors, call.format)
                : FloatFold.sum(run.terms, call.format);
        (bool acceptable, uint256 provable) = FloatFold.accepts(result, call.format, call.claimed);
        judgement.verdict = acceptable ? Verdict.Acceptable : Verdict.Fraudulent;
        // Too many terms for a bound: nothing can be shown, and nothing is paid.
        if (result.unbounded && !result.nan) judgement.verdict = Verdict.Imprecise;
        if (!result.finite || result.unbounded) return judgement;
        judgement.exact = result.exact;
        judgement.provable = judgement.integrity = provable;
        judgement.scale = result.scale;
    }
}
