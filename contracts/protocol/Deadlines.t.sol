// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Verdict} from "../kernels/IKernel.sol";
import {ProtocolFixture} from "../../test/solidity/protocol/ProtocolFixture.sol";
import {vm} from "../../test/solidity/protocol/Vm.sol";
import {ClaimLife, ClaimState, Phase, Settlement} from "./ClaimLife.sol";
import {IClaimBook} from "./IClaimBook.sol";
import {Claim, IInferenceMarket} from "./IInferenceMarket.sol";
import {IReferee} from "./IReferee.sol";
import {IStakeManager} from "./IStakeManager.sol";

/// @notice At every deadline: in time one second before it, and at it exactly the other side's turn.
contract DeadlinesTest is ProtocolFixture {
    function test_postClaim_atDeadline_reverts() public {
        bytes32 requestId = _request();
        Claim memory claim = _claim(requestId, 0);
        bytes memory signature = _sign(EXECUTOR_KEY, market.claimIdOf(claim));
        uint64 deadline = time + 1 days;
        _pass(1 days - 1);
        _reverts(
            address(market),
            anyone,
            abi.encodeCall(IInferenceMarket.expire, (requestId)),
            abi.encodeWithSelector(IInferenceMarket.DeadlineNotReached.selector, deadline - 1, deadline)
        );
        _pass(1);
        _reverts(
            address(market),
            anyone,
            abi.encodeCall(IInferenceMarket.postClaim, (claim, signature, _outputs())),
            abi.encodeWithSelector(IInferenceMarket.DeadlinePassed.selector, deadline, deadline)
        );
        market.expire(requestId);
    }

    function test_postClaim_secondBeforeDeadline_succeeds() public {
        Claim memory claim = _claim(_request(), 0);
        _pass(1 days - 1);
        _post(claim);
    }

    function test_challenge_atChallengeEnd_reverts() public {
        bytes32 claimId = _lazy();
        _pass(CHALLENGE_WINDOW - 1);
        _reverts(
            address(market),
            executor,
            abi.encodeCall(IClaimBook.finalise, (claimId)),
            abi.encodeWithSelector(IClaimBook.WrongPhase.selector, claimId, Phase.Open)
        );
        _pass(1);
        _reverts(
            address(referee),
            challenger,
            abi.encodeCall(IReferee.challenge, (claimId)),
            abi.encodeWithSelector(IReferee.WrongPhase.selector, claimId, Phase.Finalisable)
        );
        market.finalise(claimId);
    }

    function test_challenge_secondBeforeChallengeEnd_startsWholeRevealWindow() public {
        bytes32 claimId = _lazy();
        _pass(CHALLENGE_WINDOW - 1);
        _challenge(claimId, challenger);
        _equal(market.claimOf(claimId).revealEnd, time + REVEAL_WINDOW, "revealEnd");
    }

    function test_challenge_provableAfterChallengeEnd_reverts() public {
        bytes32 claimId = _eager(_honestTrace());
        uint64 challengeEnd = time + CHALLENGE_WINDOW;
        _pass(CHALLENGE_WINDOW - 1);
        _challenge(claimId, challenger);
        _pass(1);
        _checkPhase(claimId, Phase.Provable);
        _reverts(
            address(referee),
            prover,
            abi.encodeCall(IReferee.challenge, (claimId)),
            abi.encodeWithSelector(
                IClaimBook.ChallengeWindowOver.selector,
                claimId,
                challengeEnd,
                challengeEnd
            )
        );
    }

    function test_revealTrace_atRevealEnd_reverts() public {
        bytes32 claimId = _lazy();
        _challenge(claimId, challenger);
        _pass(REVEAL_WINDOW - 1);
        _reverts(
            address(referee),
            challenger,
            abi.encodeCall(IReferee.settleUnrevealed, (claimId)),
            abi.encodeWithSelector(IReferee.WrongPhase.selector, claimId, Phase.AwaitingReveal)
        );
        _pass(1);
        _reverts(
            address(referee),
            executor,
            abi.encodeCall(IReferee.revealTrace, (claimId, _honestTrace(), "")),
            abi.encodeWithSelector(IReferee.WrongPhase.selector, claimId, Phase.Unrevealed)
        );
        referee.settleUnrevealed(claimId);
    }

    function test_revealTrace_lastSecond_leavesWholeProofWindow() public {
        bytes32 claimId = _lazy();
        uint64 posted = time;
        _pass(CHALLENGE_WINDOW - 1);
        _challenge(claimId, challenger);
        _pass(REVEAL_WINDOW - 1);
        _reveal(claimId, _honestTrace());
        uint64 proofEnd = market.claimOf(claimId).proofEnd;
        _equal(proofEnd, time + PROOF_WINDOW, "proofEnd");
        // The worst case is within what the withdrawal delay was checked against.
        require(proofEnd - posted < market.longestClaimLife(), "longest life");
        require(market.longestClaimLife() < stakes.withdrawalDelay(), "withdrawal delay");
    }

    function test_revealTrace_early_doesNotShortenChallengeWindow() public pure {
        // A proof window shorter than the challenge window would else end first.
        ClaimState memory claim;
        claim.settlement = Settlement.Pending;
        claim.challengeEnd = 5_000;
        claim.proofEnd = ClaimLife.proofEndOf(claim.challengeEnd, 1_000, 100);
        _equal(claim.proofEnd, 5_000, "proofEnd");
        _equal(uint256(ClaimLife.phaseAt(claim, 4_999)), uint256(Phase.Provable), "before");
        _equal(uint256(ClaimLife.phaseAt(claim, 5_000)), uint256(Phase.Finalisable), "at");
    }

    function test_proveElement_lastSecond_slashes() public {
        bytes32 claimId = _eager(_honestTrace());
        _commit(claimId, prover, abi.encode(_elementProof()));
        _pass(PROOF_WINDOW - 1);
        _reverts(
            address(market),
            executor,
            abi.encodeCall(IClaimBook.finalise, (claimId)),
            abi.encodeWithSelector(IClaimBook.WrongPhase.selector, claimId, Phase.Provable)
        );
        verifier.setVerdict(Verdict.Fraudulent);
        vm.prank(prover);
        referee.proveElement(claimId, SALT, _elementProof());
        _checkPhase(claimId, Phase.Slashed);
    }

    function test_proveElement_atProofEnd_reverts() public {
        bytes32 claimId = _eager(_honestTrace());
        _commit(claimId, prover, abi.encode(_elementProof()));
        verifier.setVerdict(Verdict.Fraudulent);
        _pass(PROOF_WINDOW);
        bytes memory late = abi.encodeWithSelector(IReferee.WrongPhase.selector, claimId, Phase.Finalisable);
        _reverts(
            address(referee),
            prover,
            abi.encodeCall(IReferee.proveElement, (claimId, SALT, _elementProof())),
            late
        );
        _reverts(address(referee), prover, abi.encodeCall(IReferee.commitProof, (claimId, "c")), late);
        _reverts(address(referee), prover, abi.encodeCall(IReferee.settleImprecise, (claimId)), late);
        market.finalise(claimId);
    }

    function test_settleImprecise_secondBeforeProofEnd_reverts() public {
        bytes32 claimId = _eager(_honestTrace());
        _proveElement(claimId, prover, Verdict.Imprecise);
        _pass(PROOF_WINDOW - 2);
        _reverts(
            address(referee),
            prover,
            abi.encodeCall(IReferee.settleImprecise, (claimId)),
            abi.encodeWithSelector(IReferee.WrongPhase.selector, claimId, Phase.Provable)
        );
        _pass(1);
        referee.settleImprecise(claimId);
    }

    function test_withdraw_secondBeforeDelay_reverts() public {
        vm.prank(executor);
        stakes.requestWithdrawal(COLLATERAL);
        uint64 ready = uint64(time + WITHDRAWAL_DELAY);
        _pass(uint64(WITHDRAWAL_DELAY) - 1);
        _reverts(
            address(stakes),
            executor,
            abi.encodeCall(IStakeManager.withdraw, ()),
            abi.encodeWithSelector(IStakeManager.WithdrawalNotReady.selector, time, ready)
        );
        _pass(1);
        vm.prank(executor);
        stakes.withdraw();
        _equal(token.balanceOf(executor), FUNDS - 4 * COLLATERAL, "tokens");
    }

    /// @notice At any time exactly one of the ways out (or none) is open: classifier against the deadlines themselves.
    function testFuzz_phaseAt_agreesWithDeadlines(
        uint64 moment,
        uint64 challengeEnd,
        uint64 revealEnd,
        uint64 proofEnd,
        address imprecision
    ) public pure {
        ClaimState memory claim;
        claim.settlement = Settlement.Pending;
        claim.challengeEnd = challengeEnd;
        claim.revealEnd = revealEnd;
        claim.proofEnd = proofEnd;
        claim.imprecisionProver = imprecision;
        Phase phase = ClaimLife.phaseAt(claim, moment);
        bool traced = proofEnd != 0;
        bool challenged = revealEnd != 0;
        require((phase == Phase.Provable) == (traced && moment < proofEnd), "Provable");
        require((phase == Phase.Unrevealed) == (!traced && challenged && moment >= revealEnd), "Unrevealed");
        require(
            (phase == Phase.AwaitingReveal) == (!traced && challenged && moment < revealEnd),
            "AwaitingReveal"
        );
        require((phase == Phase.Open) == (!traced && !challenged && moment < challengeEnd), "Open");
        require(
            (phase == Phase.Voidable) == (traced && moment >= proofEnd && imprecision != address(0)),
            "Voidable"
        );
    }
}
