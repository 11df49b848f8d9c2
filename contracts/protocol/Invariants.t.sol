// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Verdict} from "../kernels/IKernel.sol";
import {ProtocolHandler} from "../../test/solidity/protocol/ProtocolHandler.sol";
import {IClaimBook} from "./IClaimBook.sol";
import {IInferenceMarket} from "./IInferenceMarket.sol";
import {IDataDemands} from "./IDataDemands.sol";
import {IReferee} from "./IReferee.sol";

/// @notice Invariants I1 to I5, I7 and I8 over random histories of all entry points. I2, I4, I5 and I7 are checked by the
///         handler at every call.
contract InvariantsTest {
    ProtocolHandler private handler;

    function setUp() public {
        handler = new ProtocolHandler();
    }

    struct FuzzInterface {
        address addr;
        string[] artifacts;
    }

    /// @dev The runner's convention for what it calls, and by which interface.
    function targetInterfaces() public view returns (FuzzInterface[] memory targets) {
        targets = new FuzzInterface[](1);
        targets[0].addr = address(handler);
        targets[0].artifacts = new string[](1);
        targets[0].artifacts[0] = "IProtocolMoves";
    }

    /// @dev Nothing else: this contract is never called, and so does not widen it.
    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(this);
    }

    function invariant_I1_ledgerAddsUp() public view {
        handler.checkLedger();
    }

    function invariant_I3_lockedStakeIsTheCollateralOfOpenClaims() public view {
        handler.checkCollateral();
    }

    /// @notice I8 (and all the others) along a history that the fuzzer chooses, ended by a stranger.
    function testFuzz_I8_everyClaimCanBeEnded(uint256[32] calldata dice) public {
        _play(dice);
        handler.endEverything();
        handler.checkCollateral();
    }

    /// @notice That histories really reach every entry point: 24 of them, with fixed dice.
    function test_histories_reachEveryEntryPoint() public {
        for (uint256 game; game < 24; ++game) {
            uint256[32] memory dice;
            for (uint256 i; i < 32; ++i) dice[i] = uint256(keccak256(abi.encode(game, i)));
            this.play(dice);
        }
        handler.endEverything();
        // Undisturbed, a withdrawal takes longer than most histories.
        handler.requestWithdrawal(1, 1);
        for (uint256 i; i < 6; ++i) handler.pass(2 hours - 1);
        handler.withdraw(1);
        bytes4[10] memory selectors = [
            IInferenceMarket.request.selector,
            IInferenceMarket.postClaim.selector,
            IClaimBook.finalise.selector,
            IInferenceMarket.expire.selector,
            IReferee.challenge.selector,
            IReferee.revealTrace.selector,
            IReferee.commitProof.selector,
            IReferee.proveElement.selector,
            IReferee.reclaimBond.selector,
            bytes4(keccak256("withdraw()"))
        ];
        for (uint256 i; i < selectors.length; ++i) _requireReached(selectors[i], i);
        require(handler.termsAppended() != 0 && handler.versionsAdded() != 0, "governance did nothing");
        require(handler.excesses() != 0, "governance tried nothing");
        require(handler.badTransfers() != 0 && handler.reentries() != 0, "the token was always good");
    }

    /// @notice Whatever a consumer does when it is told, the executor is paid; those that can remember do.
    function test_consumers_inEveryMood_areTold() public {
        for (uint256 mood; mood < 6; ++mood) {
            handler.request(1, uint128((2 * mood + 1) << 64), false);
            handler.postClaim(0, 0, false, false);
            handler.pass(1 hours);
            handler.finalise(2, 0);
        }
        require(handler.succeeded(IClaimBook.finalise.selector) == 6, "not finalised");
        // Calm, Reenter and AskAgain.
        require(handler.toldConsumers() == 3, "not told");
        handler.endEverything();
    }

    /// @notice Nor do the moves that go through with what takes several, which short histories seldom do, fail for ever.
    function test_moves_thatTakeSeveral_succeed() public {
        _claim(false);
        handler.challenge(1, 0);
        for (uint256 i; i < 2; ++i) handler.pass(2 hours - 1);
        handler.settleUnrevealed(2, 0);
        _claim(true);
        handler.proveElement(1, 0, uint8(Verdict.Imprecise), true);
        for (uint256 i; i < 2; ++i) handler.pass(2 hours - 1);
        handler.settleImprecise(2, 0);
        _claim(true);
        for (uint256 what; what < 3; ++what) handler.demandData(1, 0, what);
        handler.answerData(2, 0);
        handler.pass(1 hours);
        handler.settleWithheld(2, 2);
        handler.reclaimDemand(2, 1);
        handler.endEverything();
        bytes4[6] memory selectors = [
            IReferee.settleUnrevealed.selector,
            IReferee.settleImprecise.selector,
            IDataDemands.demandData.selector,
            IDataDemands.answerData.selector,
            IDataDemands.settleWithheld.selector,
            IDataDemands.reclaimDemand.selector
        ];
        for (uint256 i; i < selectors.length; ++i) _requireReached(selectors[i], i);
    }

    function _requireReached(bytes4 selector, uint256 i) private view {
        require(
            handler.succeeded(selector) != 0,
            string.concat("never succeeded: ", string(bytes.concat(bytes1(uint8(97 + i)))))
        );
    }

    /// @dev A claim of the first of the three people.
    function _claim(bool eager) private {
        handler.request(1, 1, false);
        handler.postClaim(0, 0, eager, false);
    }

    function play(uint256[32] calldata dice) external {
        _play(dice);
    }

    function _play(uint256[32] calldata dice) private {
        for (uint256 i; i < dice.length; ++i) _step(dice[i]);
    }

    function _step(uint256 die) private {
        uint256 who = (die >> 8) & 0xff;
        uint256 which = (die >> 16) & 0xffff;
        uint256 more = die >> 64;
        bool yes = (die >> 32) & 3 != 0;
        uint256 move = die % 34;
        if (move < 3) handler.request(who, uint128(more), (die >> 40) & 7 == 0);
        else if (move < 6) handler.postClaim(who, which, more & 1 == 0, !yes && more & 2 == 0);
        else if (move == 6) handler.deposit(who, more);
        else if (move == 7) handler.requestWithdrawal(who, more);
        else if (move == 8) handler.cancelWithdrawal(who);
        else if (move == 9) handler.withdraw(who);
        else if (move == 10) handler.claimPayout(who, which);
        else if (move == 11) handler.finalise(who, which);
        else if (move == 12) handler.expire(who, which);
        else if (move < 15) handler.challenge(who, which);
        else if (move < 18) handler.revealTrace(who, which, yes);
        else if (move < 20) handler.proveElement(who, which, uint8(more), yes);
        else if (move == 20) handler.settleUnrevealed(who, which);
        else if (move == 21) handler.settleImprecise(who, which);
        else if (move == 22) handler.reclaimBond(who, which, more);
        else if (move < 25) handler.demandData(who, which, more);
        else if (move == 25) handler.answerData(who, which);
        else if (move == 26) handler.settleWithheld(who, which);
        else if (move == 27) handler.reclaimDemand(who, which);
        else if (move < 30) handler.govern(who, more, which);
        else if (move < 32) handler.spoilToken(more, which, which >> 8);
        else handler.pass(more);
    }
}
