// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Float32} from "../numerics/Float32.sol";
import {IKernel, Judgement, KernelInput, Verdict} from "./IKernel.sol";
import {OperandCount, OperandLength, ParamsLength, UnknownOp} from "./KernelErrors.sol";

/// @title Reduction: the largest or smallest element of a box
/// @dev Ops Max 0, Min 1. Rules and proof: docs/numerics/reduction.md. Twin: packages/numerics/src/reduction.ts.
contract ReductionKernel is IKernel {
    struct Scan {
        uint32 extreme; // exact result when no element is NaN
        bool nan; // some element is NaN
        bool found; // some element equals the claim as a real number
        bool subnormal; // some element is subnormal and not zero
    }

    uint8 private constant MAX = 0;
    uint8 private constant MIN = 1;

    /// @inheritdoc IKernel
    function judge(KernelInput calldata input) external pure returns (Judgement memory judgement) {
        if (input.op > MIN) revert UnknownOp(input.op);
        if (input.params.length != 0) revert ParamsLength(0, input.params.length);
        if (input.operands.length != 1) revert OperandCount(1, input.operands.length);
        bytes calldata elements = input.operands[0];
        if (elements.length == 0 || elements.length & 3 != 0)
            revert OperandLength(0, (elements.length & ~uint256(3)) + 4, elements.length);

        Scan memory scan = _scan(elements, input.op == MIN, input.claimed);
        judgement.verdict =
            _accepts(scan, input.op == MIN, input.claimed) ? Verdict.Acceptable : Verdict.Fraudulent;
        if (!scan.nan && Float32.isFinite(scan.extreme)) {
            (bool negative, uint256 mantissa, int256 exponent) = Float32.decode(scan.extreme);
            judgement.exact = negative ? -int256(mantissa) : int256(mantissa);
            judgement.scale = exponent;
            if (Float32.isSubnormal(scan.extreme)) judgement.provable = judgement.integrity = mantissa;
        }
    }

    function _accepts(Scan memory scan, bool smallest, uint32 claimed) private pure returns (bool) {
        // Kernels start from the neutral element, which may be the most extreme finite number instead of an infinity.
        bool start =
            claimed == (smallest ? Float32.INFINITY : Float32.NEGATIVE_INFINITY) ||
                claimed == (smallest ? Float32.LARGEST : Float32.LARGEST | Float32.SIGN);
        // Whether a NaN wins or loses against a number depends on the instruction and the order of the operands: any
        // partial result may come out.
        if (scan.nan)
            return
                Float32.isNaN(claimed) || scan.found || start || (Float32.isZero(claimed) && scan.subnormal);
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

    /// @dev Keys turn sign and magnitude into one unsigned order, 2^31 + order, in which the two zeros are equal.
    ///      Searching the smallest is searching the largest after flipping all signs.
    function _scan(
        bytes calldata elements,
        bool smallest,
        uint32 claimed
    ) private pure returns (Scan memory scan) {
        uint256 extreme;
        uint256 nan;
        uint256 found;
        uint256 subnormal;
        assembly ("memory-safe") {
            function key(bits, flip) -> k {
                let sign := and(shr(31, xor(bits, flip)), 1)
                k := add(add(0x80000000, sign), xor(and(bits, 0x7fffffff), sub(0, sign)))
            }
            let flip := shl(31, smallest)
            let target := key(claimed, flip)
            let best := 0 // below every key
            let end := add(elements.offset, elements.length)
            for {
                let pointer := elements.offset
            } lt(pointer, end) {
                pointer := add(pointer, 4)
            } {
                let bits := shr(224, calldataload(pointer))
                bits := or(shl(8, and(bits, 0x00ff00ff)), and(shr(8, bits), 0x00ff00ff))
                bits := or(shl(16, and(bits, 0xffff)), shr(16, bits))
                let magnitude := and(bits, 0x7fffffff)
                nan := or(nan, gt(magnitude, 0x7f800000))
                // 1 ≤ magnitude < 2^23; zero wraps around
                subnormal := or(subnormal, lt(sub(magnitude, 1), 0x7fffff))
                let k := key(bits, flip)
                found := or(found, eq(k, target))
                if gt(k, best) {
                    best := k
                    extreme := bits
                }
            }
        }
        scan = Scan(uint32(extreme), nan != 0, found != 0, subnormal != 0);
    }
}
