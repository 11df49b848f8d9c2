// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Judgement, Verdict} from "../kernels/IKernel.sol";
import {Segment} from "../proof/AccessMap.sol";
import {ElementProof, IVerifier, Roots} from "../proof/IVerifier.sol";

/// @title FOR TESTS ONLY: the verifier that a malicious majority would add, which finds what it is asked to find
/// @notice The proof's instruction index says the verdict: 0 fraudulent, 1 imprecise, 2 acceptable, and so on.
contract ObedientVerifier is IVerifier {
    function judge(Roots calldata, ElementProof calldata proof) external pure returns (Judgement memory) {
        return Judgement(Verdict(2 - (proof.index % 3)), 0, 0, 0, 0);
    }

    function fold(
        Roots calldata,
        ElementProof calldata proof,
        Segment calldata,
        bytes calldata
    ) external pure returns (bytes memory next, bool complete, Judgement memory judgement) {
        return ("", true, Judgement(Verdict(2 - (proof.index % 3)), 0, 0, 0, 0));
    }
}
