// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IKernel, IStreamingKernel, Judgement, KernelInput} from "../kernels/IKernel.sol";

/// @title Many judgements of one kernel in one call, for differential tests
contract KernelBatch {
    struct Outcome {
        bool reverted;
        Judgement judgement;
        bytes error;
        uint256 gas;
    }

    /// @notice What folding `parts` one after the other and concluding comes to.
    function judgeParts(
        IStreamingKernel kernel,
        KernelInput[] calldata parts
    ) external pure returns (Judgement memory) {
        bytes memory state;
        for (uint256 i = 0; i < parts.length; ++i) state = kernel.fold(parts[i], state);
        return kernel.conclude(parts[parts.length - 1], state);
    }

    function judgeAll(
        IKernel kernel,
        KernelInput[] calldata inputs
    ) external view returns (Outcome[] memory outcomes) {
        outcomes = new Outcome[](inputs.length);
        for (uint256 i = 0; i < inputs.length; ++i) {
            uint256 before = gasleft();
            try kernel.judge(inputs[i]) returns (Judgement memory judgement) {
                outcomes[i].gas = before - gasleft();
                outcomes[i].judgement = judgement;
            } catch (bytes memory reason) {
                outcomes[i].reverted = true;
                outcomes[i].error = reason;
            }
        }
    }
}
