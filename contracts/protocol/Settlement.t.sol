// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Verdict} from "../kernels/IKernel.sol";
import {Roots} from "../proof/IVerifier.sol";
import {ProtocolFixture} from "../../test/solidity/protocol/ProtocolFixture.sol";
import {vm} from "../../test/solidity/protocol/Vm.sol";
import {Phase} from "./ClaimLife.sol";
import {IClaimBook} from "./IClaimBook.sol";
import {IInferenceMarket, Request, RequestParams, RequestStatus} from "./IInferenceMarket.sol";
import {IReferee, OutputProof} from "./IReferee.sol";
import {IStakeManager} from "./IStakeManager.sol";

/// @notice Every path through a claim's life, with everybody's exact balances at its end.
contract SettlementTest is ProtocolFixture {
    uint256 private constant FREE = 5 * COLLATERAL;

    function test_finalise_unchallenged_paysExecutorAndOwner() public {
        bytes32 claimId = _lazy();
        _equal(stakes.accountOf(executor).locked, COLLATERAL, "locked");
        _equal(stakes.accountOf(executor).free, FREE - COLLATERAL, "free");
        _equal(token.balanceOf(requester), FUNDS - FEE - ROYALTY, "requester's tokens");
        _pass(CHALLENGE_WINDOW);
        vm.prank(anyone);
        market.finalise(claimId);
        _checkPhase(claimId, Phase.Finalised);
        _checkMoney(FREE, FEE, 0, 0, 0, ROYALTY, 0);
        Request memory req = market.requestOf(market.claimOf(claimId).requestId);
        _equal(uint256(req.status), uint256(RequestStatus.Fulfilled), "status");
        require(req.claimId == claimId, "request's claim");

        stakes.claimPayout(executor);
        stakes.claimPayout(modelOwner);
        _equal(token.balanceOf(executor), FUNDS - FREE + FEE, "executor's tokens");
        _equal(token.balanceOf(modelOwner), ROYALTY, "owner's tokens");
        _equal(stakes.accounted(), FREE, "accounted");
    }

    function test_finalise_eager_paysExecutorAndOwner() public {
        bytes32 claimId = _eager(_honestTrace());
        _checkPhase(claimId, Phase.Provable);
        _pass(PROOF_WINDOW);
        market.finalise(claimId);
        _checkMoney(FREE, FEE, 0, 0, 0, ROYALTY, 0);
    }

    function test_finalise_failedChallenges_payBondsToExecutor() public {
        bytes32 claimId = _lazy();
        _challenge(claimId, challenger);
        _challenge(claimId, prover);
        _equal(stakes.bondsOf(claimId), 2 * BOND, "bonds");
        _reveal(claimId, _honestTrace());
        _pass(PROOF_WINDOW);
        market.finalise(claimId);
        _checkMoney(FREE, FEE + 2 * BOND, 0, 0, 0, ROYALTY, 0);
        _reverts(
            address(referee),
            challenger,
            abi.encodeCall(IReferee.reclaimBond, (claimId, challenger)),
            abi.encodeWithSelector(IReferee.WrongPhase.selector, claimId, Phase.Finalised)
        );
    }

    /// @notice Griefers by the dozen: one reveal answers them all, nothing takes longer or costs more, and the bonds are the
    ///         executor's.
    function test_challenge_manyGriefers_prolongNothingAndPay() public {
        bytes32 claimId = _lazy();
        _challenge(claimId, challenger);
        uint64 revealEnd = market.claimOf(claimId).revealEnd;
        for (uint160 i; i < 40; ++i) {
            address griefer = address(0x9000 + i);
            _fund(griefer);
            _pass(1);
            _challenge(claimId, griefer);
        }
        _equal(market.claimOf(claimId).revealEnd, revealEnd, "revealEnd");
        _reveal(claimId, _honestTrace());
        _equal(market.claimOf(claimId).proofEnd, time + PROOF_WINDOW, "proofEnd");
        _pass(PROOF_WINDOW);
        uint256 spent = gasleft();
        market.finalise(claimId);
        spent -= gasleft();
        require(spent < 250_000, "each challenger costs gas");
        _checkMoney(FREE, FEE + 41 * BOND, 0, 0, 0, ROYALTY, 0);
    }

    function test_expire_unanswered_refundsRequester() public {
        bytes32 requestId = _request();
        _pass(1 days);
        vm.prank(anyone);
        market.expire(requestId);
        _checkMoney(FREE, 0, FEE + ROYALTY, 0, 0, 0, 0);
        _equal(uint256(market.requestOf(requestId).status), uint256(RequestStatus.Expired), "status");
        _reverts(
            address(market),
            anyone,
            abi.encodeCall(IInferenceMarket.expire, (requestId)),
            abi.encodeWithSelector(IInferenceMarket.RequestNotOpen.selector, requestId, RequestStatus.Expired)
        );
    }

    function test_settleUnrevealed_slashes_firstChallengerGetsBounty() public {
        bytes32 claimId = _lazy();
        _challenge(claimId, challenger);
        _pass(10 minutes);
        _challenge(claimId, prover);
        // The later challenge has not prolonged the reveal window.
        _pass(REVEAL_WINDOW - 10 minutes);
        vm.prank(anyone);
        referee.settleUnrevealed(claimId);
        _checkPhase(claimId, Phase.Slashed);
        referee.reclaimBond(claimId, challenger);
        referee.reclaimBond(claimId, prover);
        _checkMoney(FREE - COLLATERAL, 0, FEE + ROYALTY + COMPENSATION, BOUNTY + BOND, BOND, 0, BURNED);
        _equal(stakes.accountOf(executor).locked, 0, "locked");
    }

    function test_proveElement_fraudulent_slashesAtOnce() public {
        bytes32 claimId = _lazy();
        _challenge(claimId, challenger);
        _reveal(claimId, _honestTrace());
        verifier.expectRoots(Roots("instructions", 3, 0, 0, _inputRoot(), 1, _honestTrace()));
        _proveElement(claimId, prover, Verdict.Fraudulent);
        _checkPhase(claimId, Phase.Slashed);
        referee.reclaimBond(claimId, challenger);
        // The prover had no bond, and needs none.
        _checkMoney(FREE - COLLATERAL, 0, FEE + ROYALTY + COMPENSATION, BOND, BOUNTY, 0, BURNED);

        stakes.claimPayout(stakes.BURN_ADDRESS());
        _equal(token.balanceOf(stakes.BURN_ADDRESS()), BURNED, "burned tokens");
        Request memory req = market.requestOf(market.claimOf(claimId).requestId);
        _equal(uint256(req.status), uint256(RequestStatus.Refunded), "status");
    }

    function test_proveElement_eagerUnchallenged_slashes() public {
        bytes32 claimId = _eager(_honestTrace());
        _proveElement(claimId, prover, Verdict.Fraudulent);
        _checkMoney(FREE - COLLATERAL, 0, FEE + ROYALTY + COMPENSATION, 0, BOUNTY, 0, BURNED);
    }

    function test_proveOutput_differentValue_slashes() public {
        bytes32 trace = _traceRoot("other", _rootY());
        bytes32 claimId = _eager(trace);
        OutputProof memory proof = _outputProof(1, "other", _rootY());
        _commit(claimId, prover, abi.encode(proof));
        _pass(1);
        vm.prank(prover);
        referee.proveOutput(claimId, SALT, proof);
        _checkPhase(claimId, Phase.Slashed);
        _checkMoney(FREE - COLLATERAL, 0, FEE + ROYALTY + COMPENSATION, 0, BOUNTY, 0, BURNED);
    }

    function test_proveElement_imprecise_voidsAtTheEnd() public {
        bytes32 claimId = _lazy();
        _challenge(claimId, challenger);
        _reveal(claimId, _honestTrace());
        _proveElement(claimId, prover, Verdict.Imprecise);
        _checkPhase(claimId, Phase.Provable);
        _equal(stakes.accountOf(executor).locked, COLLATERAL, "still locked");
        _pass(PROOF_WINDOW);
        _checkPhase(claimId, Phase.Voidable);
        _reverts(
            address(market),
            executor,
            abi.encodeCall(IClaimBook.finalise, (claimId)),
            abi.encodeWithSelector(IClaimBook.WrongPhase.selector, claimId, Phase.Voidable)
        );
        vm.prank(anyone);
        referee.settleImprecise(claimId);
        referee.reclaimBond(claimId, challenger);
        _checkMoney(FREE, 0, FEE - VOID_CAP + ROYALTY, BOND, VOID_CAP, 0, 0);
        Request memory req = market.requestOf(market.claimOf(claimId).requestId);
        _equal(uint256(req.status), uint256(RequestStatus.Refunded), "status");
    }

    function test_settleImprecise_smallFee_costIsHalfTheFee() public {
        RequestParams memory params = _requestParams();
        params.fee = 101;
        vm.prank(requester);
        bytes32 claimId = _post(_claim(market.request(params), _honestTrace()));
        _proveElement(claimId, prover, Verdict.Imprecise);
        _pass(PROOF_WINDOW);
        referee.settleImprecise(claimId);
        _checkMoney(FREE, 0, 51 + ROYALTY, 0, 50, 0, 0);
    }

    /// @notice The escape that an instant void would open: proving something mild against oneself.
    function test_proveElement_executorVoidsItself_isSlashedAllTheSame() public {
        bytes32 claimId = _lazy();
        _challenge(claimId, challenger);
        _reveal(claimId, _honestTrace());
        _proveElement(claimId, anyone, Verdict.Imprecise);
        _commit(claimId, challenger, abi.encode(_elementProof()));
        _pass(1);
        _reverts(
            address(referee),
            challenger,
            abi.encodeCall(IReferee.proveElement, (claimId, SALT, _elementProof())),
            abi.encodeWithSelector(IClaimBook.AlreadyImprecise.selector, claimId, anyone)
        );
        verifier.setVerdict(Verdict.Fraudulent);
        vm.prank(challenger);
        referee.proveElement(claimId, SALT, _elementProof());
        _checkPhase(claimId, Phase.Slashed);
        referee.reclaimBond(claimId, challenger);
        _checkMoney(FREE - COLLATERAL, 0, FEE + ROYALTY + COMPENSATION, BOND + BOUNTY, 0, 0, BURNED);
        _equal(stakes.accountOf(anyone).payout, 0, "the accomplice's payout");
    }

    function test_proveElement_selfChallenge_losesMoney() public {
        // One person is executor, requester, challenger and prover.
        (requester, challenger, prover) = (executor, executor, executor);
        uint256 before = token.balanceOf(executor) + FREE;
        bytes32 claimId = _lazy();
        _challenge(claimId, challenger);
        _reveal(claimId, _honestTrace());
        _proveElement(claimId, prover, Verdict.Fraudulent);
        referee.reclaimBond(claimId, challenger);
        uint256 afterwards =
            token.balanceOf(executor) + stakes.accountOf(executor).free + stakes.accountOf(executor).payout;
        _equal(before - afterwards, BURNED, "cost of challenging oneself");
    }

    function test_settlements_secondTime_revert() public {
        bytes32 claimId = _eager(_honestTrace());
        _proveElement(claimId, prover, Verdict.Fraudulent);
        _pass(PROOF_WINDOW);
        bytes memory wrongPhase = abi.encodeWithSelector(
            IReferee.WrongPhase.selector,
            claimId,
            Phase.Slashed
        );
        _reverts(
            address(referee),
            prover,
            abi.encodeCall(IReferee.proveElement, (claimId, SALT, _elementProof())),
            wrongPhase
        );
        _reverts(address(referee), prover, abi.encodeCall(IReferee.settleUnrevealed, (claimId)), wrongPhase);
        _reverts(address(referee), prover, abi.encodeCall(IReferee.settleImprecise, (claimId)), wrongPhase);
        _reverts(address(market), executor, abi.encodeCall(IClaimBook.finalise, (claimId)), wrongPhase);
        _reverts(address(referee), challenger, abi.encodeCall(IReferee.challenge, (claimId)), wrongPhase);
        _reverts(
            address(market),
            anyone,
            abi.encodeCall(IInferenceMarket.expire, (market.claimOf(claimId).requestId)),
            abi.encodeWithSelector(
                IInferenceMarket.RequestNotOpen.selector,
                market.claimOf(claimId).requestId,
                RequestStatus.Refunded
            )
        );
    }

    function test_reclaimBond_secondTime_reverts() public {
        bytes32 claimId = _lazy();
        _challenge(claimId, challenger);
        _pass(REVEAL_WINDOW);
        referee.settleUnrevealed(claimId);
        referee.reclaimBond(claimId, challenger);
        _reverts(
            address(referee),
            challenger,
            abi.encodeCall(IReferee.reclaimBond, (claimId, challenger)),
            abi.encodeWithSelector(IStakeManager.NoBond.selector, claimId, challenger)
        );
    }

    function test_settlement_unknownClaim_reverts() public {
        bytes32 claimId = "nothing";
        bytes memory unknown = abi.encodeWithSelector(IReferee.UnknownClaim.selector, claimId);
        _reverts(address(market), anyone, abi.encodeCall(IClaimBook.finalise, (claimId)), unknown);
        _reverts(address(referee), anyone, abi.encodeCall(IReferee.challenge, (claimId)), unknown);
        _reverts(address(referee), anyone, abi.encodeCall(IReferee.revealTrace, (claimId, 0, "")), unknown);
        _reverts(address(referee), anyone, abi.encodeCall(IReferee.commitProof, (claimId, 0)), unknown);
        _reverts(address(referee), anyone, abi.encodeCall(IReferee.settleUnrevealed, (claimId)), unknown);
        _reverts(address(referee), anyone, abi.encodeCall(IReferee.settleImprecise, (claimId)), unknown);
        _reverts(address(referee), anyone, abi.encodeCall(IReferee.reclaimBond, (claimId, anyone)), unknown);
        _reverts(
            address(referee),
            anyone,
            abi.encodeCall(IReferee.proveElement, (claimId, SALT, _elementProof())),
            unknown
        );
        _checkPhase(claimId, Phase.Unknown);
    }
}
