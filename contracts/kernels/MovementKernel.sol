// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Dtype} from "../program/Dtype.sol";
import {IKernel, Judgement, KernelInput, Verdict} from "./IKernel.sol";
import {KernelChecks} from "./KernelChecks.sol";
import {OperandCount, OperandLength, ParamsLength} from "./KernelErrors.sol";

/// @title Movement: the output element is a copy of an operand's element
/// @dev The op is the number of leading operands that only hold indices for lookups. Of the operands after them, the
///      first that is not padding is copied, or the last one's padding. Rules: docs/numerics/movement.md. Twin:
///      packages/numerics/src/movement.ts.
contract MovementKernel is IKernel {
    /// @inheritdoc IKernel
    function judge(KernelInput calldata input) external pure returns (Judgement memory judgement) {
        if (input.params.length != 0) revert ParamsLength(0, input.params.length);
        uint256 count = input.operands.length;
        if (count <= input.op) revert OperandCount(uint256(input.op) + 1, count);
        if (input.valid.length != count) revert OperandCount(count, input.valid.length);
        uint256 size = Dtype.sizeOf(input.dtype);
        uint256 source = count;
        for (uint256 i = input.op; i < count; ++i) {
            KernelChecks.requireOperand(input, i, input.dtype);
            if (input.operands[i].length != size) revert OperandLength(i, size, input.operands[i].length);
            if (source == count && input.valid[i] != 0) source = i;
        }
        if (source == count) source = count - 1;

        uint256 bits = Dtype.at(input.operands[source], 0, size);
        // A copy keeps every bit; only what a NaN carries may change on the way (a signalling NaN becomes quiet).
        bool acceptable =
            bits == input.claimed ||
                (Dtype.isNaN(input.dtype, bits) && Dtype.isNaN(input.dtype, input.claimed));
        judgement.verdict = acceptable ? Verdict.Acceptable : Verdict.Fraudulent;
    }
}
