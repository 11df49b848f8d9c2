// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Bands} from "../numerics/Bands.sol";
import {Float32} from "../numerics/Float32.sol";
import {Integers} from "../numerics/Integers.sol";
import {Moments} from "../numerics/Moments.sol";
import {Wide, WideMath} from "../numerics/Wide.sol";
import {Dtype} from "../program/Dtype.sol";
import {IKernel, IStreamingKernel, Judgement, KernelInput, Verdict} from "./IKernel.sol";
import {KernelChecks} from "./KernelChecks.sol";
import {OperandCount, OperandLength, ParamsLength, UnknownOp, UnsupportedDtype} from "./KernelErrors.sol";

/// @notice The reduction box has more points than the error bound is stated for.
error TooManyPoints(uint256 points, uint256 limit);

/// @title Reduction: what the elements of a box come to
/// @notice One operand, the elements. Params: abi.encode(uint32 lambda) for L1, SumSquare and L2 of float32, else empty.
///
///         | op          | result                                | types                  |
///         | ----------- | ------------------------------------- | ---------------------- |
///         | Max 0       | the largest                           | float32, integers, bool |
///         | Min 1       | the smallest                          | float32, integers, bool |
///         | L1 2        | Σ|x|                                  | float32, integers      |
///         | SumSquare 3 | Σx²                                   | float32, integers      |
///         | L2 4        | √Σx²                                  | float32                |
///         | Sum 5       | Σx                                    | integers               |
///         | Mean 6      | Σx divided by their number, truncated | integers               |
///
///         Results of integers are exact and wrap around. (Sum and mean of float32 are contractions, products belong to
///         the Indexed family.)
///         All of them stream; L1, SumSquare and L2 of float32 then take the largest biased exponent of the finite
///         elements, at least 1, as a hint.
/// @dev Rules and proof: docs/numerics/reduction.md. Twin: packages/numerics/src/reduction.ts.
contract ReductionKernel is IStreamingKernel {
    struct Scan {
        uint32 extreme; // exact result when no element is NaN
        bool nan; // some element is NaN
        bool found; // some element equals the claim as a real number
        bool subnormal; // some element is subnormal and not zero
    }

    /// @dev What integers come to.
    struct Tally {
        Integers.Totals totals;
        uint256 count;
        bool found; // some element has the claim's bits
        bool mixed; // some element has the claim's high half, but not its bit 31
    }

    uint8 private constant MAX = 0;
    uint8 private constant MIN = 1;
    uint8 private constant L1 = 2;
    uint8 private constant SUM_SQUARE = 3;
    uint8 private constant L2 = 4;
    uint8 private constant SUM = 5;
    uint8 private constant MEAN = 6;

    uint256 private constant MAX_POINTS = 1 << 20;
    uint64 private constant BIT_31 = 0x80000000;
    uint64 private constant HIGH_AND_31 = 0xffffffff80000000;

    // One 32-bit lane per element.
    uint256 private constant LANES = 0x0000000100000001000000010000000100000001000000010000000100000001;
    uint256 private constant SIGN = 0x8000000080000000800000008000000080000000800000008000000080000000;
    uint256 private constant MAGNITUDE = 0x7fffffff7fffffff7fffffff7fffffff7fffffff7fffffff7fffffff7fffffff;
    uint256 private constant EXPONENT = 0x7f8000007f8000007f8000007f8000007f8000007f8000007f8000007f800000;
    uint256 private constant FRACTION = 0x007fffff007fffff007fffff007fffff007fffff007fffff007fffff007fffff;
    uint256 private constant HIDDEN = 0x0080000000800000008000000080000000800000008000000080000000800000;
    uint256 private constant BYTES_02 = 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff;
    uint256 private constant HALF_0 = 0x0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff;

    /// @inheritdoc IKernel
    function judge(KernelInput calldata input) external pure returns (Judgement memory judgement) {
        bytes calldata elements = _check(input);
        uint8 dtype = input.dtype;
        if (_isSum(input)) return _judgeSum(input, Moments.whole(elements));
        if (dtype == Dtype.FLOAT32)
            return _judgeExtreme(input, _scan(elements, input.op == MIN, uint32(input.claimed)));
        Integers.Totals memory totals = Integers.fold(elements, dtype);
        judgement = _judgeIntegers(input, totals, elements.length / Dtype.sizeOf(dtype));
        if (
            judgement.verdict != Verdict.Acceptable &&
            _takesHalves(input) &&
            _contains(elements, input.claimed, type(uint64).max) &&
            _contains(elements, input.claimed ^ BIT_31, HIGH_AND_31)
        ) _allowHalves(judgement, input.claimed);
    }

    /// @inheritdoc IStreamingKernel
    function fold(KernelInput calldata part, bytes calldata state) external pure returns (bytes memory) {
        bytes calldata elements = _check(part);
        if (_isSum(part)) return Moments.folded(elements, KernelChecks.hintOf(part), state);
        if (part.dtype == Dtype.FLOAT32) {
            Scan memory scan = _scan(elements, part.op == MIN, uint32(part.claimed));
            if (state.length != 0) _join(scan, abi.decode(state, (Scan)), part.op == MIN);
            return abi.encode(scan);
        }
        Tally memory tally = Tally(
            Integers.fold(elements, part.dtype),
            elements.length / Dtype.sizeOf(part.dtype),
            _takesHalves(part) && _contains(elements, part.claimed, type(uint64).max),
            _takesHalves(part) && _contains(elements, part.claimed ^ BIT_31, HIGH_AND_31)
        );
        if (state.length != 0) {
            Tally memory earlier = abi.decode(state, (Tally));
            Integers.join(tally.totals, earlier.totals);
            tally.count += earlier.count;
            tally.found = tally.found || earlier.found;
            tally.mixed = tally.mixed || earlier.mixed;
        }
        return abi.encode(tally);
    }

    /// @inheritdoc IStreamingKernel
    function conclude(
        KernelInput calldata part,
        bytes calldata state
    ) external pure returns (Judgement memory judgement) {
        _check(part);
        if (_isSum(part)) return _judgeSum(part, Moments.concluded(state));
        if (part.dtype == Dtype.FLOAT32) return _judgeExtreme(part, abi.decode(state, (Scan)));
        Tally memory tally = abi.decode(state, (Tally));
        judgement = _judgeIntegers(part, tally.totals, tally.count);
        if (tally.found && tally.mixed) _allowHalves(judgement, part.claimed);
    }

    /// @return elements of the box, or of a segment of it
    function _check(KernelInput calldata input) private pure returns (bytes calldata elements) {
        if (input.op > MEAN) revert UnknownOp(input.op);
        uint8 dtype = input.dtype;
        bool defined =
            dtype == Dtype.FLOAT32
                ? input.op <= L2
                : Dtype.isInteger(dtype)
                    ? input.op != L2
                    : dtype == Dtype.BOOL && input.op <= MIN;
        if (!defined) revert UnsupportedDtype(type(uint256).max, dtype);
        KernelChecks.requireAll(input, dtype);
        bool banded = _isSum(input);
        if (input.params.length != (banded ? 32 : 0))
            revert ParamsLength(banded ? 32 : 0, input.params.length);
        if (input.operands.length != 1) revert OperandCount(1, input.operands.length);
        elements = input.operands[0];
        uint256 size = Dtype.sizeOf(dtype);
        uint256 rest = elements.length % size;
        if (elements.length == 0 || rest != 0)
            revert OperandLength(0, elements.length - rest + size, elements.length);
        if (elements.length / size > MAX_POINTS) revert TooManyPoints(elements.length / size, MAX_POINTS);
    }

    /// @dev Whether terms are rounded and added.
    function _isSum(KernelInput calldata input) private pure returns (bool) {
        return input.dtype == Dtype.FLOAT32 && input.op > MIN;
    }

    function _judgeIntegers(
        KernelInput calldata input,
        Integers.Totals memory totals,
        uint256 count
    ) private pure returns (Judgement memory judgement) {
        uint256 mask = (1 << (8 * Dtype.sizeOf(input.dtype))) - 1;
        int256 exact = totals.sum;
        if (input.op == MAX) exact = totals.largest;
        else if (input.op == MIN) exact = totals.smallest;
        else if (input.op == L1) exact = totals.magnitude;
        else if (input.op == SUM_SQUARE) exact = totals.square;
        exact = Dtype.toInteger(input.dtype, uint256(exact) & mask);
        // whatever else than 0 a byte holds
        if (input.dtype == Dtype.BOOL && exact != 0) exact = 1;
        // the sum wraps before it is divided
        if (input.op == MEAN) exact = exact / int256(count);
        judgement.exact = exact;
        bool right = input.claimed == uint256(exact) & mask;
        judgement.verdict = right ? Verdict.Acceptable : Verdict.Fraudulent;
    }

    function _takesHalves(KernelInput calldata input) private pure returns (bool) {
        return input.dtype == Dtype.INT64 && input.op <= MIN;
    }

    /// @dev onnxruntime on x86 compares the low halves of int64 as numbers with a sign where the high ones are equal. Among
    ///      elements with the extreme's high half that is another order only if their bits 31 differ, and then any of them
    ///      may come out. The claim is an element, and another differs from it so.
    function _allowHalves(Judgement memory judgement, uint64 claimed) private pure {
        if (claimed >> 32 == uint64(uint256(judgement.exact)) >> 32) judgement.verdict = Verdict.Acceptable;
    }

    /// @dev Whether some 64-bit element has these bits where `mask` has ones.
    function _contains(bytes calldata elements, uint64 bits, uint64 mask) private pure returns (bool found) {
        uint256 stored = _reversed(bits & mask);
        uint256 kept = _reversed(mask);
        assembly ("memory-safe") {
            let end := add(elements.offset, elements.length)
            for {
                let next := elements.offset
            } and(iszero(found), lt(next, end)) {
                next := add(next, 8)
            } {
                found := eq(and(shr(192, calldataload(next)), kept), stored)
            }
        }
    }

    /// @dev The 64 bits as they are stored, first byte highest.
    function _reversed(uint64 bits) private pure returns (uint256 stored) {
        for (uint256 i = 0; i < 8; ++i) stored = (stored << 8) | ((bits >> (8 * i)) & 0xff);
    }

    /// @dev Sums of terms that are not negative, and the root of one.
    function _judgeSum(
        KernelInput calldata input,
        Moments.Sums memory sums
    ) private pure returns (Judgement memory judgement) {
        uint256 lambda = abi.decode(input.params, (uint32));
        uint32 claimed = uint32(input.claimed);
        if (sums.largest == 255) {
            bool accepted = Float32.isNaN(claimed) || claimed == Float32.INFINITY;
            judgement.verdict = accepted ? Verdict.Acceptable : Verdict.Fraudulent;
            return judgement;
        }
        if (sums.magnitude == 0) {
            judgement.verdict = Float32.isZero(claimed) ? Verdict.Acceptable : Verdict.Fraudulent;
            return judgement;
        }
        int256 unit = int256(sums.exponent) - 190;
        Wide sum =
            input.op == L1 ? WideMath.from(sums.magnitude, unit) : WideMath.from(sums.square, 2 * unit);
        (uint256 worst, uint256 usual) = Bands.terms(sums.terms, lambda);
        Wide[2] memory half = [
            _sumBand(sum, worst, input.op, sums.terms),
            _sumBand(sum, usual, input.op, sums.terms)
        ];
        // the largest partial sum is the sum
        bool overflow = !(sum + half[0] < WideMath.from((1 << 25) - 1, 103));
        if (!Float32.isFinite(claimed)) {
            bool accepted = overflow && claimed == Float32.INFINITY;
            judgement.verdict = accepted ? Verdict.Acceptable : Verdict.Fraudulent;
            return judgement;
        }
        if (input.op == L2) {
            Wide root = WideMath.squareRoot(sum);
            half = [_rootBand(sum, root, half[0]), _rootBand(sum, root, half[1])];
            sum = root;
        }
        return Bands.judge(false, sum, false, Wide.wrap(0), half, claimed);
    }

    /// @dev γ_n of the sum and what underflow may change, n = K - 1 additions and the roundings of a term; 2^-40 for
    ///      what truncation takes from the sum.
    function _sumBand(Wide sum, uint256 terms, uint8 op, uint256 count) private pure returns (Wide) {
        uint256 roundings =
            op == L1
                ? 0
                : op == SUM_SQUARE
                    ? 1
                    : 7;
        // terms is at least 1/256
        uint256 n = terms + (roundings << 8);
        n = n > 256 ? n - 256 : 0;
        return sum * (Bands.gamma(n) + WideMath.from(1, -40)) + WideMath.from(3 * count, -126);
    }

    /// @dev |√(S + δ) - √S| is at most √|δ|, and δ/(2√S)·(1 + |δ|/S) while 2|δ| < S; the root adds 5u.
    function _rootBand(Wide sum, Wide root, Wide band) private pure returns (Wide) {
        Wide widened = WideMath.squareRoot(band);
        if (band + band < sum) widened = (band / (root + root)) * (WideMath.from(1, 0) + band / sum);
        return
            widened +
            (root + widened) * (WideMath.from(5, -24) + WideMath.from(1, -60)) +
            WideMath.from(1, -126);
    }

    function _judgeExtreme(
        KernelInput calldata input,
        Scan memory scan
    ) private pure returns (Judgement memory judgement) {
        judgement.verdict = _verdict(scan, input.op == MIN, uint32(input.claimed));
        if (!scan.nan && Float32.isFinite(scan.extreme)) {
            (bool negative, uint256 mantissa, int256 exponent) = Float32.decode(scan.extreme);
            judgement.exact = negative ? -int256(mantissa) : int256(mantissa);
            judgement.scale = exponent;
            if (Float32.isSubnormal(scan.extreme)) judgement.provable = judgement.integrity = mantissa;
        }
    }

    /// @dev Adds what earlier segments came to. Once there is a NaN the extreme means nothing.
    function _join(Scan memory scan, Scan memory earlier, bool smallest) private pure {
        int256 beyond = Float32.order(earlier.extreme) - Float32.order(scan.extreme);
        if (smallest ? beyond < 0 : beyond > 0) scan.extreme = earlier.extreme;
        scan.nan = scan.nan || earlier.nan;
        scan.found = scan.found || earlier.found;
        scan.subnormal = scan.subnormal || earlier.subnormal;
    }

    function _verdict(Scan memory scan, bool smallest, uint32 claimed) private pure returns (Verdict) {
        // Kernels start from the neutral element, which may be the most extreme finite number instead of an infinity.
        uint32 infinity = smallest ? Float32.INFINITY : Float32.NEGATIVE_INFINITY;
        uint32 lowest = smallest ? Float32.LARGEST : Float32.LARGEST | Float32.SIGN;
        if (!scan.nan)
            return
                _accepts(scan, smallest, claimed, claimed == infinity || claimed == lowest)
                    ? Verdict.Acceptable
                    : Verdict.Fraudulent;
        // Whether a NaN wins or loses against a number depends on the instruction and the order of the operands: onnxruntime's
        // native kernels lose what they met before it, so that any element, or a pool's start, may come out.
        if (Float32.isNaN(claimed) || scan.found || claimed == lowest) return Verdict.Acceptable;
        bool open = claimed == infinity || (Float32.isZero(claimed) && scan.subnormal);
        return open ? Verdict.Imprecise : Verdict.Fraudulent;
    }

    /// @dev Of elements that are no NaN.
    function _accepts(
        Scan memory scan,
        bool smallest,
        uint32 claimed,
        bool start
    ) private pure returns (bool) {
        if (Float32.isNaN(claimed)) return false;
        if (Float32.order(claimed) == Float32.order(scan.extreme)) return true;
        if (!Float32.isFinite(scan.extreme)) return start && !_wins(scan.extreme, smallest);
        // Hardware that reads subnormals as zero finds all of them and the zeros equal: any of them may come out.
        return
            Float32.isTiny(scan.extreme) &&
            Float32.isTiny(claimed) &&
            (scan.found || Float32.isZero(claimed));
    }

    /// @dev True when `extreme` is an infinity on the winning side, which no start value can beat.
    function _wins(uint32 extreme, bool smallest) private pure returns (bool) {
        return (extreme == Float32.INFINITY) != smallest;
    }

    /// @dev Eight elements at a time, one 32-bit lane each. Keys turn sign and magnitude into one unsigned order,
    ///      2^31 ± magnitude, in which the two zeros are equal. Searching the smallest is searching the largest after
    ///      flipping all signs. The last word is filled up with copies of the first element, which change nothing.
    function _scan(
        bytes calldata elements,
        bool smallest,
        uint32 claimed
    ) private pure returns (Scan memory scan) {
        uint256 best; // below every key
        uint256 nan;
        uint256 found;
        uint256 subnormal;
        assembly ("memory-safe") {
            let flip := mul(shl(31, smallest), LANES)
            // the claim's key in every lane
            let target := and(claimed, 0x7fffffff)
            switch shr(31, xor(and(claimed, 0x80000000), shl(31, smallest)))
            case 0 {
                target := add(0x80000000, target)
            }
            default {
                target := sub(0x80000000, target)
            }
            target := mul(target, LANES)
            let end := add(elements.offset, elements.length)
            for {
                let pointer := elements.offset
            } lt(pointer, end) {
                pointer := add(pointer, 32)
            } {
                let x := calldataload(pointer)
                if gt(add(pointer, 32), end) {
                    let padding := shr(shl(3, sub(end, pointer)), not(0))
                    let first := mul(shr(224, calldataload(elements.offset)), LANES)
                    x := or(and(x, not(padding)), and(first, padding))
                }
                // little-endian lanes to numbers
                x := or(and(shr(8, x), BYTES_02), shl(8, and(x, BYTES_02)))
                x := or(and(shr(16, x), HALF_0), shl(16, and(x, HALF_0)))
                x := xor(x, flip)
                let magnitude := and(x, MAGNITUDE)
                // bit 31 of a lane: beyond infinity
                nan := or(nan, add(magnitude, FRACTION))
                // bit 23 of a lane: exponent 0 and fraction not 0
                let fraction := and(x, FRACTION)
                let normal := shr(8, add(sub(magnitude, fraction), EXPONENT))
                subnormal := or(subnormal, and(not(normal), add(fraction, FRACTION)))
                let negative := and(mul(and(shr(31, x), LANES), 0xffffffff), magnitude)
                x := sub(add(SIGN, sub(magnitude, negative)), negative)
                // bit 31 of a lane is clear where the key is the claim's
                let difference := xor(x, target)
                found := or(found, not(or(difference, add(and(difference, MAGNITUDE), MAGNITUDE))))
                for {} x {
                    x := shr(32, x)
                } {
                    let key := and(x, 0xffffffff)
                    best := xor(best, mul(xor(best, key), gt(key, best)))
                }
            }
        }
        // back from the key to the bits; either zero will do
        bool negativeKey = best < 0x80000000;
        uint256 extreme = negativeKey ? 0x80000000 | (0x80000000 - best) : best - 0x80000000;
        if (smallest) extreme ^= 0x80000000;
        scan = Scan(uint32(extreme), nan & SIGN != 0, found & SIGN != 0, subnormal & HIDDEN != 0);
    }
}
