// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IKernel, Judgement, KernelInput} from "../kernels/IKernel.sol";

/// @title Many judgements of one kernel in one call, for differential tests
contract KernelBatch {
    struct Outcome {
        bool reverted;
        Judgement judgement;
        bytes error;
        uint256 gas;
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
