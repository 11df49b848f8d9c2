// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Float32} from "../numerics/Float32.sol";
import {IKernel, Judgement, KernelInput, Verdict} from "./IKernel.sol";
import {OperandCount, OperandLength, ParamsLength, UnknownOp} from "./KernelErrors.sol";

/// @title Movement: the output element is a copy of one operand element
/// @dev Op Copy 0. Rules and proof: docs/numerics/movement.md. Twin: packages/numerics/src/movement.ts.
contract MovementKernel is IKernel {
    /// @inheritdoc IKernel
    function judge(KernelInput calldata input) external pure returns (Judgement memory judgement) {
        if (input.op != 0) revert UnknownOp(input.op);
        if (input.params.length != 0) revert ParamsLength(0, input.params.length);
        if (input.operands.length != 1) revert OperandCount(1, input.operands.length);
        bytes calldata source = input.operands[0];
        if (source.length != 4) revert OperandLength(0, 4, source.length);

        uint32 bits = Float32.at(source, 0);
        // A copy keeps every bit; only what a NaN carries may change on the way (a signalling NaN becomes quiet).
        bool acceptable = bits == input.claimed || (Float32.isNaN(bits) && Float32.isNaN(input.claimed));
        judgement.verdict = acceptable ? Verdict.Acceptable : Verdict.Fraudulent;
    }
}
