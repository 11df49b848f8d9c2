// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Deploy} from "../../test/solidity/protocol/Deploy.sol";
import {ProtocolFixture} from "../../test/solidity/protocol/ProtocolFixture.sol";
import {vm} from "../../test/solidity/protocol/Vm.sol";
import {InferenceMarket} from "./InferenceMarket.sol";
import {Account, IStakeManager, Wiring} from "./IStakeManager.sol";
import {Referee} from "./Referee.sol";
import {StakeManager} from "./StakeManager.sol";

/// @notice Stake coming and going, wiring, and who may move what.
contract StakeManagerTest is ProtocolFixture {
    function _refused(address caller, bytes memory data, bytes memory expected) private {
        _reverts(address(stakes), caller, data, expected);
    }

    // --- stake ---

    function test_requestWithdrawal_lockedStake_reverts() public {
        _lazy();
        _refused(
            executor,
            abi.encodeCall(IStakeManager.requestWithdrawal, (5 * COLLATERAL)),
            abi.encodeWithSelector(
                IStakeManager.InsufficientFreeStake.selector,
                executor,
                4 * COLLATERAL,
                5 * COLLATERAL
            )
        );
        vm.prank(executor);
        stakes.requestWithdrawal(4 * COLLATERAL);
        _pass(uint64(WITHDRAWAL_DELAY));
        vm.prank(executor);
        stakes.withdraw();
        Account memory account = stakes.accountOf(executor);
        _equal(account.locked, COLLATERAL, "locked");
        _equal(account.free + account.withdrawing, 0, "free");
        _equal(token.balanceOf(executor), FUNDS - COLLATERAL, "tokens");
        _equal(token.balanceOf(address(stakes)), stakes.accounted(), "I1");
    }

    function test_requestWithdrawal_again_restartsTheDelay() public {
        vm.prank(executor);
        stakes.requestWithdrawal(COLLATERAL);
        _pass(uint64(WITHDRAWAL_DELAY) - 1);
        vm.prank(executor);
        stakes.requestWithdrawal(COLLATERAL);
        _pass(1);
        uint64 ready = uint64(time - 1 + WITHDRAWAL_DELAY);
        _refused(
            executor,
            abi.encodeCall(IStakeManager.withdraw, ()),
            abi.encodeWithSelector(IStakeManager.WithdrawalNotReady.selector, time, ready)
        );
        _equal(stakes.accountOf(executor).withdrawing, 2 * COLLATERAL, "withdrawing");
    }

    function test_cancelWithdrawal_bringsStakeBack() public {
        vm.prank(executor);
        stakes.requestWithdrawal(COLLATERAL);
        vm.prank(executor);
        stakes.cancelWithdrawal();
        _equal(stakes.accountOf(executor).free, 5 * COLLATERAL, "free");
        _equal(stakes.accountOf(executor).withdrawableAt, 0, "withdrawableAt");
    }

    function test_withdraw_nothing_reverts() public {
        bytes memory none = abi.encodeWithSelector(IStakeManager.NoWithdrawal.selector, executor);
        _refused(executor, abi.encodeCall(IStakeManager.withdraw, ()), none);
        _refused(executor, abi.encodeCall(IStakeManager.cancelWithdrawal, ()), none);
        bytes memory zero = abi.encodeWithSelector(IStakeManager.ZeroAmount.selector);
        _refused(executor, abi.encodeCall(IStakeManager.requestWithdrawal, (0)), zero);
        _refused(executor, abi.encodeCall(IStakeManager.deposit, (0)), zero);
    }

    function test_claimPayout_nothing_reverts() public {
        _refused(
            anyone,
            abi.encodeCall(IStakeManager.claimPayout, (executor)),
            abi.encodeWithSelector(IStakeManager.NoPayout.selector, executor)
        );
    }

    // --- privileges ---

    function test_ledgerMoves_notMarketNorReferee_revert() public {
        bytes memory market_ = abi.encodeWithSelector(IStakeManager.NotMarket.selector, executor);
        bytes memory referee_ = abi.encodeWithSelector(IStakeManager.NotReferee.selector, executor);
        _refused(executor, abi.encodeCall(IStakeManager.lock, (executor, 1)), market_);
        _refused(executor, abi.encodeCall(IStakeManager.unlock, (executor, 1)), market_);
        _refused(
            executor,
            abi.encodeCall(IStakeManager.slash, (requester, executor, 1, executor, 1, 1)),
            market_
        );
        _refused(executor, abi.encodeCall(IStakeManager.takeEscrow, ("r", requester, 1)), market_);
        _refused(executor, abi.encodeCall(IStakeManager.payEscrow, ("r", executor, 1)), market_);
        _refused(executor, abi.encodeCall(IStakeManager.forfeitBonds, ("c", executor)), market_);
        _refused(executor, abi.encodeCall(IStakeManager.takeBond, ("c", requester, 1)), referee_);
        _refused(executor, abi.encodeCall(IStakeManager.returnBond, ("c", executor)), referee_);
        // The referee is not the market, nor the market the referee.
        _refused(
            address(referee),
            abi.encodeCall(IStakeManager.unlock, (executor, 1)),
            abi.encodeWithSelector(IStakeManager.NotMarket.selector, address(referee))
        );
        _refused(
            address(market),
            abi.encodeCall(IStakeManager.takeBond, ("c", requester, 1)),
            abi.encodeWithSelector(IStakeManager.NotReferee.selector, address(market))
        );
    }

    /// @notice Of a demand's bond nothing is left over, and nothing is added.
    function test_spendBond_otherThanAllOfIt_reverts() public {
        vm.prank(address(referee));
        stakes.takeBond("d", challenger, 100);
        for (uint256 burned = 29; burned <= 31; burned += 2)
            _refused(
                address(referee),
                abi.encodeCall(IStakeManager.spendBond, ("d", challenger, executor, 70, burned)),
                abi.encodeWithSelector(
                    IStakeManager.InsufficientBonds.selector,
                    bytes32("d"),
                    100,
                    70 + burned
                )
            );
        vm.prank(address(referee));
        stakes.spendBond("d", challenger, executor, 70, 30);
        require(stakes.accountOf(executor).payout == 70, "reward");
        require(stakes.accountOf(stakes.BURN_ADDRESS()).payout == 30, "burned");
    }

    /// @notice What no claim has locked stands for receipts: free stake first, then what is on its way out.
    function test_slashUnlocked_freeThenWithdrawing() public {
        Account memory before = stakes.accountOf(executor);
        vm.prank(executor);
        stakes.requestWithdrawal(COLLATERAL);
        uint256 free = before.free - COLLATERAL;
        _refused(
            address(market),
            abi.encodeCall(IStakeManager.slashUnlocked, (executor, requester, before.free, 1)),
            abi.encodeWithSelector(
                IStakeManager.InsufficientFreeStake.selector,
                executor,
                before.free,
                before.free + 1
            )
        );
        vm.prank(address(market));
        stakes.slashUnlocked(executor, requester, free - 1, 3);
        Account memory account = stakes.accountOf(executor);
        _equal(account.free, 0, "free");
        _equal(account.withdrawing, COLLATERAL - 2, "withdrawing");
        _equal(stakes.accountOf(requester).payout, free - 1, "compensation");
        _equal(stakes.accountOf(stakes.BURN_ADDRESS()).payout, 3, "burned");
        _equal(token.balanceOf(address(stakes)), stakes.accounted(), "I1");
    }

    /// @notice Even the market cannot move what is not there.
    function test_ledgerMoves_moreThanThereIs_revert() public {
        address market_ = address(market);
        bytes32 requestId = _request();
        _refused(
            market_,
            abi.encodeCall(IStakeManager.unlock, (executor, 1)),
            abi.encodeWithSelector(IStakeManager.InsufficientLockedStake.selector, executor, 0, 1)
        );
        _refused(
            market_,
            abi.encodeCall(IStakeManager.slash, (executor, prover, 1, requester, 2, 3)),
            abi.encodeWithSelector(IStakeManager.InsufficientLockedStake.selector, executor, 0, 6)
        );
        _refused(
            market_,
            abi.encodeCall(IStakeManager.payEscrow, (requestId, executor, FEE + ROYALTY + 1)),
            abi.encodeWithSelector(
                IStakeManager.InsufficientEscrow.selector,
                requestId,
                FEE + ROYALTY,
                FEE + ROYALTY + 1
            )
        );
        _refused(
            market_,
            abi.encodeCall(IStakeManager.takeEscrow, (requestId, requester, 1)),
            abi.encodeWithSelector(IStakeManager.EscrowExists.selector, requestId)
        );
        _refused(
            market_,
            abi.encodeCall(IStakeManager.takeEscrow, ("another", requester, 0)),
            abi.encodeWithSelector(IStakeManager.ZeroAmount.selector)
        );
        _refused(
            address(referee),
            abi.encodeCall(IStakeManager.returnBond, ("c", challenger)),
            abi.encodeWithSelector(IStakeManager.NoBond.selector, bytes32("c"), challenger)
        );
    }

    // --- wiring ---

    function _wire(StakeManager target, address market_, address referee_, bytes memory expected) private {
        (bool ok, bytes memory error_) = address(target).call(
            abi.encodeCall(IStakeManager.wire, (_pairs(market_, referee_)))
        );
        require(!ok && keccak256(error_) == keccak256(expected), "wrong outcome of wire");
        require(target.refereeOf(market_) == address(0) && target.marketOf(referee_) == address(0), "wired");
    }

    function test_wire_twiceOrByAnother_reverts() public {
        bytes memory call_ = abi.encodeCall(IStakeManager.wire, (_pairs(address(market), address(referee))));
        _refused(anyone, call_, abi.encodeWithSelector(IStakeManager.NotDeployer.selector, anyone));
        _refused(address(this), call_, abi.encodeWithSelector(IStakeManager.AlreadyWired.selector));
    }

    function test_wire_componentsOfAnother_reverts() public {
        StakeManager fresh = Deploy.stakeManager(address(token), WITHDRAWAL_DELAY);
        InferenceMarket freshMarket = Deploy.inferenceMarket(address(registry), address(fresh), _terms(), 0);
        InferenceMarket secondMarket = Deploy.inferenceMarket(address(registry), address(fresh), _terms(), 0);
        Referee secondReferee = Deploy.referee(address(secondMarket), address(verifier));
        _wire(
            fresh,
            address(market),
            address(referee),
            abi.encodeWithSelector(IStakeManager.WiredElsewhere.selector, address(market))
        );
        _wire(
            fresh,
            address(freshMarket),
            address(referee),
            abi.encodeWithSelector(IStakeManager.WiredElsewhere.selector, address(referee))
        );
        _wire(
            fresh,
            address(freshMarket),
            address(secondReferee),
            abi.encodeWithSelector(IStakeManager.WiredElsewhere.selector, address(secondReferee))
        );
        _wire(
            fresh,
            address(0),
            address(referee),
            abi.encodeWithSelector(IStakeManager.ZeroAddress.selector)
        );
        // Several at once; each referee moves bonds, each market the rest.
        Wiring[] memory both = new Wiring[](2);
        Referee freshReferee = Deploy.referee(address(freshMarket), address(verifier));
        both[0] = Wiring(address(freshMarket), address(freshReferee));
        both[1] = both[0];
        vm.expectRevert(abi.encodeWithSelector(IStakeManager.AlreadyWired.selector));
        fresh.wire(both);
        both[1] = Wiring(address(secondMarket), address(secondReferee));
        fresh.wire(both);
        require(fresh.refereeOf(address(secondMarket)) == address(secondReferee), "second referee");
        require(fresh.marketOf(address(freshReferee)) == address(freshMarket), "first market");
    }

    /// @notice Whoever deployed it cannot bring in a market of its own later, which could take all stakes.
    function test_wire_once_isForAll() public {
        StakeManager fresh = Deploy.stakeManager(address(token), WITHDRAWAL_DELAY);
        vm.expectRevert(abi.encodeWithSelector(IStakeManager.ZeroAddress.selector));
        fresh.wire(new Wiring[](0));
        InferenceMarket first = Deploy.inferenceMarket(address(registry), address(fresh), _terms(), 0);
        fresh.wire(_pairs(address(first), address(Deploy.referee(address(first), address(verifier)))));
        InferenceMarket later = Deploy.inferenceMarket(address(registry), address(fresh), _terms(), 0);
        _wire(
            fresh,
            address(later),
            address(Deploy.referee(address(later), address(verifier))),
            abi.encodeWithSelector(IStakeManager.AlreadyWired.selector)
        );
    }

    function test_wire_withdrawalDelayNotAboveLongestLife_reverts() public {
        StakeManager fresh = Deploy.stakeManager(address(token), WITHDRAWAL_DELAY - 1);
        InferenceMarket freshMarket = Deploy.inferenceMarket(address(registry), address(fresh), _terms(), 0);
        Referee freshReferee = Deploy.referee(address(freshMarket), address(verifier));
        _wire(
            fresh,
            address(freshMarket),
            address(freshReferee),
            abi.encodeWithSelector(
                IStakeManager.WithdrawalDelayTooShort.selector,
                WITHDRAWAL_DELAY - 1,
                WITHDRAWAL_DELAY - 1
            )
        );
    }
}
