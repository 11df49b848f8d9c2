// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IKernel, Judgement, KernelInput} from "./IKernel.sol";
import {UnknownOp} from "./KernelErrors.sol";

/// @title Integer: exact arithmetic, logic and bits of integers and booleans
contract IntegerKernel is IKernel {
    /// @inheritdoc IKernel
    function judge(KernelInput calldata input) external pure returns (Judgement memory) {
        revert UnknownOp(input.op);
    }
}
