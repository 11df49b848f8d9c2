// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Verdict} from "../kernels/IKernel.sol";
import {Segment} from "../proof/AccessMap.sol";
import {ElementProof} from "../proof/IVerifier.sol";
import {ProtocolFixture} from "../../test/solidity/protocol/ProtocolFixture.sol";
import {vm} from "../../test/solidity/protocol/Vm.sol";
import {Phase} from "./ClaimLife.sol";
import {IReferee} from "./IReferee.sol";

/// @notice Proofs in several transactions. The double's box has 9 points, as many as the element's number says, and its
///         state is the number of points folded in.
contract StreamedProofTest is ProtocolFixture {
    bytes32 private claimId;

    function _provable() private {
        claimId = _eager(_honestTrace());
        verifier.setVerdict(Verdict.Fraudulent);
    }

    function _commitTo(address prover_) private {
        bytes32 commitment = referee.commitmentOf(claimId, prover_, SALT, referee.elementHash(2, 9));
        vm.prank(prover_);
        referee.commitProof(claimId, commitment);
        _pass(1);
    }

    function _step(address prover_, uint64 first, uint64 count) private {
        vm.prank(prover_);
        referee.proveSegment(claimId, SALT, _elementProof(), Segment(first, count), _stateAt(first));
    }

    function _stateAt(uint64 done) private pure returns (bytes memory) {
        return done == 0 ? bytes("") : abi.encode(uint256(done));
    }

    function _refusedStep(
        address prover_,
        uint64 first,
        uint64 count,
        bytes memory state,
        bytes memory expected
    ) private {
        _reverts(
            address(referee),
            prover_,
            abi.encodeCall(
                IReferee.proveSegment,
                (claimId, SALT, _elementProof(), Segment(first, count), state)
            ),
            expected
        );
    }

    function _done(address prover_) private view returns (uint64 done) {
        (done, ) = referee.progressOf(claimId, prover_, 2, 9);
    }

    function test_proveSegment_anyNumberOfSteps_slashes(uint8 cut) public {
        uint64 first = 1 + (cut % 8);
        _provable();
        _commitTo(prover);
        _step(prover, 0, first);
        require(_done(prover) == first, "progress");
        _checkPhase(claimId, Phase.Provable);
        _pass(100);
        _step(prover, first, 9 - first);
        _checkPhase(claimId, Phase.Slashed);
        require(stakes.accountOf(prover).payout == (COLLATERAL * 4_000) / 10_000, "bounty");
        require(_done(prover) == 0, "forgotten");
    }

    function test_proveSegment_notCommitted_reverts() public {
        _provable();
        bytes32 commitment = referee.commitmentOf(claimId, prover, SALT, referee.elementHash(2, 9));
        bytes memory expected = abi.encodeWithSelector(IReferee.NotCommitted.selector, prover, commitment);
        _refusedStep(prover, 0, 4, "", expected);
        // A commitment to the proof of one transaction is none to its steps.
        _commit(claimId, prover, abi.encode(_elementProof()));
        _pass(1);
        _refusedStep(prover, 0, 4, "", expected);
    }

    function test_proveSegment_outOfOrderOrWithAnotherState_reverts() public {
        _provable();
        _commitTo(prover);
        _step(prover, 0, 4);
        bytes memory order = abi.encodeWithSelector(IReferee.SegmentOutOfOrder.selector, 5, 4);
        _refusedStep(prover, 5, 4, _stateAt(5), order);
        bytes memory mismatch = abi.encodeWithSelector(
            IReferee.StateMismatch.selector,
            keccak256(_stateAt(4)),
            keccak256(_stateAt(5))
        );
        _refusedStep(prover, 4, 5, _stateAt(5), mismatch);
        mismatch = abi.encodeWithSelector(IReferee.StateMismatch.selector, keccak256(""), keccak256("x"));
        _refusedStep(prover, 0, 5, "x", mismatch);
    }

    function test_proveSegment_othersCannotTouchTheState() public {
        _provable();
        _commitTo(prover);
        _step(prover, 0, 4);
        bytes memory order = abi.encodeWithSelector(IReferee.SegmentOutOfOrder.selector, 4, 0);
        _refusedStep(anyone, 4, 5, _stateAt(4), order);
        _commitTo(anyone);
        _step(anyone, 0, 2);
        require(_done(prover) == 4 && _done(anyone) == 2, "separate");
        _step(prover, 4, 5);
        _checkPhase(claimId, Phase.Slashed);
        require(stakes.accountOf(prover).payout != 0 && stakes.accountOf(anyone).payout == 0, "bounty");
    }

    function test_proveSegment_beginsAnew() public {
        _provable();
        _commitTo(prover);
        _step(prover, 0, 4);
        _step(prover, 0, 6);
        require(_done(prover) == 6, "anew");
        _step(prover, 6, 3);
        _checkPhase(claimId, Phase.Slashed);
    }

    function test_proveSegment_copierOfFirstStep_worksForTheProver() public {
        _provable();
        _commitTo(prover);
        _step(prover, 0, 4);
        _commitTo(anyone);
        _step(anyone, 0, 8);
        _step(anyone, 8, 1);
        _checkPhase(claimId, Phase.Slashed);
        require(stakes.accountOf(prover).payout != 0 && stakes.accountOf(anyone).payout == 0, "bounty");
    }

    function test_proveSegment_earlierCommitmentTakesPrecedence() public {
        _provable();
        _commitTo(prover);
        _commitTo(anyone);
        // Even a copy that gets its first step in before the original does.
        _step(anyone, 0, 8);
        _step(prover, 0, 4);
        _step(anyone, 8, 1);
        require(stakes.accountOf(prover).payout != 0 && stakes.accountOf(anyone).payout == 0, "bounty");
    }

    function test_proveSegment_precedenceEnds() public {
        _provable();
        _commitTo(prover);
        _step(prover, 0, 4);
        _pass(PROOF_WINDOW / 4);
        _commitTo(anyone);
        _step(anyone, 0, 8);
        _step(anyone, 8, 1);
        _checkPhase(claimId, Phase.Slashed);
        require(stakes.accountOf(anyone).payout != 0 && stakes.accountOf(prover).payout == 0, "bounty");
    }

    function test_proveSegment_earlierCommitmentsDoNotRenewPrecedence() public {
        _provable();
        _commitTo(prover);
        _commitTo(anyone);
        _step(anyone, 0, 4);
        _pass(PROOF_WINDOW / 4 - 1);
        _step(prover, 0, 4);
        _pass(1);
        _step(anyone, 4, 5);
        require(stakes.accountOf(anyone).payout != 0 && stakes.accountOf(prover).payout == 0, "bounty");
    }

    function test_proveSegment_acceptable_reverts() public {
        _provable();
        verifier.setVerdict(Verdict.Acceptable);
        _commitTo(prover);
        _step(prover, 0, 4);
        bytes memory expected = abi.encodeWithSelector(IReferee.ElementAcceptable.selector, 2, 9);
        _refusedStep(prover, 4, 5, _stateAt(4), expected);
        _checkPhase(claimId, Phase.Provable);
    }

    function test_proveSegment_afterTheProofWindow_reverts() public {
        _provable();
        _commitTo(prover);
        _step(prover, 0, 4);
        _pass(CHALLENGE_WINDOW + PROOF_WINDOW);
        bytes memory expected = abi.encodeWithSelector(
            IReferee.WrongPhase.selector,
            claimId,
            Phase.Finalisable
        );
        _refusedStep(prover, 4, 5, _stateAt(4), expected);
    }
}
