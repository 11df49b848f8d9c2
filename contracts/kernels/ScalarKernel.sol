// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IKernel, Judgement, KernelInput} from "./IKernel.sol";
import {UnknownOp} from "./KernelErrors.sol";

/// @title Scalar: functions with a published accuracy
contract ScalarKernel is IKernel {
    /// @inheritdoc IKernel
    function judge(KernelInput calldata input) external pure returns (Judgement memory) {
        revert UnknownOp(input.op);
    }
}
