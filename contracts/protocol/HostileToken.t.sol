// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Verdict} from "../kernels/IKernel.sol";
import {Habit, HostileToken} from "../../test/solidity/protocol/HostileToken.sol";
import {ProtocolFixture} from "../../test/solidity/protocol/ProtocolFixture.sol";
import {vm} from "../../test/solidity/protocol/Vm.sol";
import {Phase} from "./ClaimLife.sol";
import {IInferenceMarket} from "./IInferenceMarket.sol";
import {IReferee} from "./IReferee.sol";
import {IStakeManager} from "./IStakeManager.sol";

/// @notice Tokens that lie, take fees or re-enter: refused by name, and no settlement depends on them.
contract HostileTokenTest is ProtocolFixture {
    HostileToken private hostile;

    function setUp() public override {
        hostile = new HostileToken();
        _deploy(hostile);
    }

    function _everyPullIs(Habit habit, bytes4 error_, uint256 shortBy) private {
        bytes32 claimId = _lazy();
        hostile.setHabit(habit);
        _refused(executor, address(stakes), abi.encodeCall(IStakeManager.deposit, (5)), error_, 5, shortBy);
        _refused(
            requester,
            address(market),
            abi.encodeCall(IInferenceMarket.request, (_requestParams())),
            error_,
            FEE + ROYALTY,
            shortBy
        );
        _refused(
            challenger,
            address(referee),
            abi.encodeCall(IReferee.challenge, (claimId)),
            error_,
            BOND,
            shortBy
        );
        _checkPhase(claimId, Phase.Open);
    }

    function _refused(
        address caller,
        address target,
        bytes memory data,
        bytes4 error_,
        uint256 amount,
        uint256 shortBy
    ) private {
        bytes memory expected =
            error_ == IStakeManager.TransferMismatch.selector
                ? abi.encodeWithSelector(error_, amount, shortBy == type(uint256).max ? 0 : amount - shortBy)
                : abi.encodeWithSelector(error_, address(token));
        _reverts(target, caller, data, expected);
    }

    function test_pull_falseReturning_reverts() public {
        _everyPullIs(Habit.ReturnsFalse, SafeERC20.SafeERC20FailedOperation.selector, 0);
    }

    function test_pull_lying_reverts() public {
        _everyPullIs(Habit.Lies, IStakeManager.TransferMismatch.selector, type(uint256).max);
    }

    function test_pull_feeOnTransfer_reverts() public {
        _everyPullIs(Habit.TakesFee, IStakeManager.TransferMismatch.selector, 1);
    }

    function test_claimPayout_chargingSender_reverts() public {
        bytes32 requestId = _request();
        _pass(1 days);
        market.expire(requestId);
        hostile.setHabit(Habit.ChargesSender);
        uint256 payout = FEE + ROYALTY;
        _reverts(
            address(stakes),
            requester,
            abi.encodeCall(IStakeManager.claimPayout, (requester)),
            abi.encodeWithSelector(IStakeManager.TransferMismatch.selector, payout, payout + 1)
        );
        hostile.setHabit(Habit.Lies);
        _reverts(
            address(stakes),
            requester,
            abi.encodeCall(IStakeManager.claimPayout, (requester)),
            abi.encodeWithSelector(IStakeManager.TransferMismatch.selector, payout, 0)
        );
        hostile.setHabit(Habit.Honest);
        stakes.claimPayout(requester);
        _equal(token.balanceOf(requester), FUNDS, "tokens");
    }

    /// @notice Settlements call no token, so a token that stopped working stops none of them.
    function test_settlements_brokenToken_succeed() public {
        bytes32 slashed = _eager(_honestTrace());
        bytes32 finalised = _eager(_honestTrace());
        hostile.setHabit(Habit.ReturnsFalse);
        _proveElement(slashed, prover, Verdict.Fraudulent);
        _pass(PROOF_WINDOW);
        market.finalise(finalised);
        _checkPhase(slashed, Phase.Slashed);
        _checkPhase(finalised, Phase.Finalised);
    }

    function _blocked(bytes memory result) private view {
        require(!hostile.reentered(), "reentered");
        require(
            keccak256(hostile.reentryResult()) == keccak256(result),
            string(bytes.concat("reentry: ", hostile.reentryResult()))
        );
        _equal(token.balanceOf(address(stakes)), stakes.accounted(), "I1");
    }

    function test_withdraw_reentrant_isBlocked() public {
        bytes memory guarded = abi.encodeWithSelector(
            ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector
        );
        bytes32 requestId = _request();
        vm.prank(executor);
        stakes.requestWithdrawal(COLLATERAL);
        _pass(1 days);
        market.expire(requestId);
        hostile.setReentry(address(stakes), abi.encodeCall(IStakeManager.claimPayout, (requester)));
        vm.prank(executor);
        stakes.withdraw();
        _blocked(guarded);
        stakes.claimPayout(requester);
        _blocked(guarded);
        _equal(token.balanceOf(requester), FUNDS, "paid once");
        vm.prank(executor);
        stakes.deposit(1);
        _blocked(guarded);
    }

    function test_request_reentrant_isBlocked() public {
        bytes memory guarded = abi.encodeWithSelector(
            ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector
        );
        bytes32 claimId = _lazy();
        hostile.setReentry(address(market), abi.encodeCall(IInferenceMarket.expire, ("request")));
        _request();
        _blocked(guarded);
        hostile.setReentry(address(referee), abi.encodeCall(IReferee.challenge, (claimId)));
        _challenge(claimId, challenger);
        _blocked(guarded);
    }
}
