// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Deploy} from "../../test/solidity/protocol/Deploy.sol";
import {Verdict} from "../kernels/IKernel.sol";
import {ElementProof, Roots} from "../proof/IVerifier.sol";
import {ProtocolFixture} from "../../test/solidity/protocol/ProtocolFixture.sol";
import {VerifierDouble} from "../../test/solidity/protocol/VerifierDouble.sol";
import {vm} from "../../test/solidity/protocol/Vm.sol";
import {Phase} from "./ClaimLife.sol";
import {IClaimBook} from "./IClaimBook.sol";
import {IReferee, OutputProof} from "./IReferee.sol";
import {IStakeManager} from "./IStakeManager.sol";
import {Referee} from "./Referee.sol";

/// @notice Who may challenge, reveal, commit and prove, and which proofs are refused.
contract RefereeTest is ProtocolFixture {
    bytes32 private claimId;

    function _provable() private {
        claimId = _eager(_honestTrace());
        verifier.setVerdict(Verdict.Fraudulent);
    }

    function _refused(
        address caller,
        bytes32 salt,
        ElementProof memory proof,
        bytes memory expected
    ) private {
        _reverts(
            address(referee),
            caller,
            abi.encodeCall(IReferee.proveElement, (claimId, salt, proof)),
            expected
        );
        _checkPhase(claimId, Phase.Provable);
    }

    function _notCommitted(
        address caller,
        bytes32 salt,
        ElementProof memory proof
    ) private view returns (bytes memory) {
        bytes32 commitment = referee.commitmentOf(claimId, caller, salt, keccak256(abi.encode(proof)));
        return abi.encodeWithSelector(IReferee.NotCommitted.selector, caller, commitment);
    }

    function test_proveElement_notCommitted_reverts() public {
        _provable();
        _refused(prover, SALT, _elementProof(), _notCommitted(prover, SALT, _elementProof()));
    }

    function test_proveElement_copierOfProof_reverts() public {
        _provable();
        _commit(claimId, prover, abi.encode(_elementProof()));
        _pass(1);
        // The copier has seen the proof in the mempool; its own commitment would be too young.
        _refused(anyone, SALT, _elementProof(), _notCommitted(anyone, SALT, _elementProof()));
        _commit(claimId, anyone, abi.encode(_elementProof()));
        _refused(
            anyone,
            SALT,
            _elementProof(),
            abi.encodeWithSelector(IReferee.CommitmentTooYoung.selector, time, time)
        );
    }

    function test_proveElement_copierOfCommitment_reverts() public {
        _provable();
        // The copier commits the prover's very commitment, even before the prover does.
        bytes32 commitment = referee.commitmentOf(
            claimId,
            prover,
            SALT,
            keccak256(abi.encode(_elementProof()))
        );
        vm.prank(anyone);
        referee.commitProof(claimId, commitment);
        _commit(claimId, prover, abi.encode(_elementProof()));
        _pass(1);
        _refused(anyone, SALT, _elementProof(), _notCommitted(anyone, SALT, _elementProof()));
        vm.prank(prover);
        referee.proveElement(claimId, SALT, _elementProof());
        _checkPhase(claimId, Phase.Slashed);
    }

    function test_proveElement_committedToAnotherProof_reverts() public {
        _provable();
        _commit(claimId, prover, abi.encode(_elementProof()));
        _pass(1);
        ElementProof memory other = _elementProof();
        other.element = 10;
        _refused(prover, SALT, other, _notCommitted(prover, SALT, other));
        _refused(prover, "pepper", _elementProof(), _notCommitted(prover, "pepper", _elementProof()));
    }

    function test_proveElement_committedForAnotherClaim_reverts() public {
        bytes32 otherClaim = _eager(_honestTrace());
        _commit(otherClaim, prover, abi.encode(_elementProof()));
        _pass(1);
        _provable();
        _refused(prover, SALT, _elementProof(), _notCommitted(prover, SALT, _elementProof()));
    }

    function test_proveElement_sameSecond_reverts() public {
        _provable();
        _commit(claimId, prover, abi.encode(_elementProof()));
        _refused(
            prover,
            SALT,
            _elementProof(),
            abi.encodeWithSelector(IReferee.CommitmentTooYoung.selector, time, time)
        );
    }

    function test_proveElement_acceptable_reverts() public {
        _provable();
        verifier.setVerdict(Verdict.Acceptable);
        _commit(claimId, prover, abi.encode(_elementProof()));
        _pass(1);
        _refused(
            prover,
            SALT,
            _elementProof(),
            abi.encodeWithSelector(IReferee.ElementAcceptable.selector, uint32(2), uint64(9))
        );
    }

    function test_proveElement_verifierReverts_bubblesUp() public {
        _provable();
        verifier.expectRoots(Roots("other", 3, 0, 0, _inputRoot(), 1, _honestTrace()));
        _commit(claimId, prover, abi.encode(_elementProof()));
        _pass(1);
        _refused(
            prover,
            SALT,
            _elementProof(),
            abi.encodeWithSelector(VerifierDouble.UnexpectedRoots.selector)
        );
    }

    function test_proveElement_traceUnknown_reverts() public {
        claimId = _lazy();
        bytes memory open = abi.encodeWithSelector(IReferee.WrongPhase.selector, claimId, Phase.Open);
        bytes memory call_ = abi.encodeCall(IReferee.proveElement, (claimId, SALT, _elementProof()));
        _reverts(address(referee), prover, call_, open);
        _reverts(address(referee), prover, abi.encodeCall(IReferee.commitProof, (claimId, "c")), open);
        _challenge(claimId, challenger);
        // An executor cannot prepare its own proof before it reveals.
        _reverts(
            address(referee),
            prover,
            abi.encodeCall(IReferee.commitProof, (claimId, "c")),
            abi.encodeWithSelector(IReferee.WrongPhase.selector, claimId, Phase.AwaitingReveal)
        );
    }

    function test_commitProof_secondTime_reverts() public {
        _provable();
        vm.prank(prover);
        referee.commitProof(claimId, "c");
        _reverts(
            address(referee),
            prover,
            abi.encodeCall(IReferee.commitProof, (claimId, "c")),
            abi.encodeWithSelector(IReferee.AlreadyCommitted.selector, prover, bytes32("c"))
        );
    }

    function test_proveElement_parallelProvers_firstTakesIt() public {
        _provable();
        _commit(claimId, prover, abi.encode(_elementProof()));
        _commit(claimId, challenger, abi.encode(_elementProof()));
        _pass(1);
        vm.prank(challenger);
        referee.proveElement(claimId, SALT, _elementProof());
        _reverts(
            address(referee),
            prover,
            abi.encodeCall(IReferee.proveElement, (claimId, SALT, _elementProof())),
            abi.encodeWithSelector(IReferee.WrongPhase.selector, claimId, Phase.Slashed)
        );
        _equal(stakes.accountOf(challenger).payout, BOUNTY, "first prover");
        _equal(stakes.accountOf(prover).payout, 0, "second prover");
    }

    function test_challenge_twice_reverts() public {
        claimId = _lazy();
        _challenge(claimId, challenger);
        _reverts(
            address(referee),
            challenger,
            abi.encodeCall(IReferee.challenge, (claimId)),
            abi.encodeWithSelector(IStakeManager.BondExists.selector, claimId, challenger)
        );
    }

    function test_revealTrace_notExecutor_reverts() public {
        claimId = _lazy();
        _challenge(claimId, challenger);
        _reverts(
            address(referee),
            challenger,
            abi.encodeCall(IReferee.revealTrace, (claimId, "junk", "")),
            abi.encodeWithSelector(IReferee.NotExecutor.selector, claimId, challenger)
        );
    }

    function test_revealTrace_unchallengedOrTwice_reverts() public {
        claimId = _lazy();
        bytes memory call_ = abi.encodeCall(IReferee.revealTrace, (claimId, _honestTrace(), ""));
        _reverts(
            address(referee),
            executor,
            call_,
            abi.encodeWithSelector(IReferee.WrongPhase.selector, claimId, Phase.Open)
        );
        _challenge(claimId, challenger);
        _reveal(claimId, "one");
        _reverts(
            address(referee),
            executor,
            call_,
            abi.encodeWithSelector(IReferee.WrongPhase.selector, claimId, Phase.Provable)
        );
        require(market.claimOf(claimId).traceRoot == "one", "trace root changed");
    }

    /// @notice A single all-zero tensor of one chunk has root 0: it must be possible to reveal that honestly.
    function test_revealTrace_zeroRoot_isKnown() public {
        claimId = _lazy();
        _challenge(claimId, challenger);
        _reveal(claimId, 0);
        _checkPhase(claimId, Phase.Provable);
        _pass(PROOF_WINDOW);
        market.finalise(claimId);
    }

    // --- outputs ---

    function _refusedOutput(OutputProof memory proof, bytes memory expected) private {
        _commit(claimId, prover, abi.encode(proof));
        _pass(1);
        _reverts(
            address(referee),
            prover,
            abi.encodeCall(IReferee.proveOutput, (claimId, SALT, proof)),
            expected
        );
        _checkPhase(claimId, Phase.Provable);
    }

    function test_proveOutput_sameValue_reverts() public {
        _provable();
        _refusedOutput(
            _outputProof(0, _rootZ(), _rootY()),
            abi.encodeWithSelector(IReferee.OutputMatches.selector, uint32(0))
        );
        _refusedOutput(
            _outputProof(1, _rootZ(), _rootY()),
            abi.encodeWithSelector(IReferee.OutputMatches.selector, uint32(1))
        );
    }

    function test_proveOutput_foreignTrace_reverts() public {
        _provable();
        _refusedOutput(
            _outputProof(0, _rootZ(), "not in the trace"),
            abi.encodeWithSelector(
                IReferee.RootMismatch.selector,
                _honestTrace(),
                _traceRoot(_rootZ(), "not in the trace")
            )
        );
    }

    function test_proveOutput_foreignOutput_reverts() public {
        _provable();
        OutputProof memory proof = _outputProof(0, _rootZ(), _rootY());
        proof.claimedRoot = "not claimed";
        _refusedOutput(
            proof,
            abi.encodeWithSelector(
                IReferee.RootMismatch.selector,
                _outputRoot(),
                _pair("not claimed", _rootZ())
            )
        );
    }

    function test_proveOutput_innerNodeAsLeaf_reverts() public {
        _provable();
        OutputProof memory proof = _outputProof(0, _rootZ(), _rootY());
        // The trace's right half passed off as the value: the path is a node short.
        proof.tracedRoot = _pair(_rootY(), 0);
        bytes32[] memory shorter = new bytes32[](1);
        shorter[0] = proof.tracedPath[1];
        proof.tracedPath = shorter;
        _refusedOutput(proof, abi.encodeWithSelector(IReferee.PathLengthMismatch.selector, 1, 2));
    }

    function test_proveOutput_unknownOutput_reverts() public {
        _provable();
        OutputProof memory proof = _outputProof(0, _rootZ(), _rootY());
        proof.output = 2;
        _refusedOutput(proof, abi.encodeWithSelector(IReferee.UnknownOutput.selector, uint32(2), uint32(2)));
    }

    function test_proveOutput_notCommitted_reverts() public {
        _provable();
        OutputProof memory proof = _outputProof(0, _rootZ(), _rootY());
        bytes32 commitment = referee.commitmentOf(claimId, prover, SALT, keccak256(abi.encode(proof)));
        _reverts(
            address(referee),
            prover,
            abi.encodeCall(IReferee.proveOutput, (claimId, SALT, proof)),
            abi.encodeWithSelector(IReferee.NotCommitted.selector, prover, commitment)
        );
    }

    // --- privileges ---

    function test_recordsAndSettlements_notReferee_revert() public {
        _provable();
        bytes memory refused = abi.encodeWithSelector(IClaimBook.NotReferee.selector, prover);
        address target = address(market);
        _reverts(target, prover, abi.encodeCall(IClaimBook.recordChallenge, (claimId, prover)), refused);
        _reverts(target, prover, abi.encodeCall(IClaimBook.recordTrace, (claimId, "t")), refused);
        _reverts(target, prover, abi.encodeCall(IClaimBook.recordImprecision, (claimId, prover)), refused);
        _reverts(target, prover, abi.encodeCall(IClaimBook.settleSlashed, (claimId, prover)), refused);
        _reverts(target, prover, abi.encodeCall(IClaimBook.settleVoided, (claimId)), refused);
        _reverts(target, prover, abi.encodeCall(IClaimBook.recordDemand, (claimId, true)), refused);
        _reverts(target, prover, abi.encodeCall(IClaimBook.recordAnswer, (claimId)), refused);
        _reverts(target, prover, abi.encodeCall(IClaimBook.settleWithheld, (claimId, prover)), refused);
    }

    function deploy(address market_, address kernelVersions) external {
        Deploy.referee(market_, kernelVersions);
    }

    function test_constructor_zeroAddress_reverts() public {
        try this.deploy(address(0), address(verifier)) {
            revert("accepted no market");
        } catch (bytes memory error_) {
            require(bytes4(error_) == IReferee.ZeroAddress.selector, "error");
        }
        try this.deploy(address(market), address(0)) {
            revert("accepted no kernel versions");
        } catch (bytes memory error_) {
            require(bytes4(error_) == IReferee.ZeroAddress.selector, "error");
        }
    }

    /// @notice A referee that judges by other kernel versions than programs were published against.
    function test_constructor_foreignKernelVersions_reverts() public {
        address foreign = address(new VerifierDouble());
        try this.deploy(address(market), foreign) {
            revert("accepted foreign kernel versions");
        } catch (bytes memory error_) {
            bytes memory expected = abi.encodeWithSelector(IReferee.ForeignKernelVersions.selector, foreign);
            require(keccak256(error_) == keccak256(expected), "error");
        }
    }

    /// @notice The first challenge says until when the trace must be revealed, the second the same, later ones nothing.
    function test_recordChallenge_saysUntilWhenTheTraceIsDue() public {
        bytes32 claimId = _lazy();
        uint256 due = time + REVEAL_WINDOW;
        for (uint256 i; i < 2; ++i) {
            vm.prank(address(referee));
            (, uint64 revealEnd) = market.recordChallenge(claimId, challenger);
            _equal(revealEnd, due, "revealEnd");
            _pass(60);
        }
        vm.prank(executor);
        referee.revealTrace(claimId, "trace", "");
        vm.prank(address(referee));
        (, uint64 none) = market.recordChallenge(claimId, challenger);
        _equal(none, 0, "nothing is due");
    }
}
