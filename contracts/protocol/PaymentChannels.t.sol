// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Verdict} from "../kernels/IKernel.sol";
import {BatchFixture} from "../../test/solidity/protocol/BatchFixture.sol";
import {vm} from "../../test/solidity/protocol/Vm.sol";
import {BatchEntry, BatchHeader} from "./BatchData.sol";
import {IPaymentChannels} from "./IPaymentChannels.sol";
import {IStakeManager} from "./IStakeManager.sol";
import {Voucher} from "./Orders.sol";

/// @notice A wallet with code, which takes one word for its signature.
contract WordWallet {
    function isValidSignature(bytes32, bytes calldata signature) external pure returns (bytes4) {
        return bytes32(signature) == "open sesame" ? this.isValidSignature.selector : bytes4(0);
    }
}

/// @notice Prepaid channels: funding, vouchers, closing, and what void claims set off.
contract PaymentChannelsTest is BatchFixture {
    uint128 private constant FUNDING = 400_000;

    function setUp() public override {
        super.setUp();
        vm.prank(requester);
        batches.fund(executor, FUNDING);
    }

    function _redeemCall(uint128 cumulative) private view returns (bytes memory) {
        (Voucher memory voucher, bytes memory signature) = _voucher(cumulative);
        return abi.encodeCall(IPaymentChannels.redeem, (voucher, signature));
    }

    function _redeem(uint128 cumulative) private {
        (bool ok, bytes memory error_) = address(batches).call(_redeemCall(cumulative));
        require(ok, string(error_));
    }

    function _refused(address caller, bytes memory data, bytes memory expected) private {
        _reverts(address(batches), caller, data, expected);
    }

    function _check(uint256 balance, uint256 settled, uint256 payout) private view {
        _check(balance, settled, payout, 0);
    }

    /// @param bonds of challengers, not yet given back
    function _check(uint256 balance, uint256 settled, uint256 payout, uint256 bonds) private view {
        (uint256 balance_, uint256 settled_, ) = batches.channelOf(requester, executor);
        _equal(balance_, balance, "balance");
        _equal(settled_, settled, "settled");
        _equal(stakes.accountOf(executor).payout, payout, "payout");
        _equal(_held(), balance + bonds, "prepaid and bonds");
        _equal(token.balanceOf(address(stakes)), stakes.accounted(), "I1");
    }

    function test_redeem_paysTheDifferenceOnce() public {
        _redeem(100_000);
        _check(300_000, 100_000, 100_000);
        bytes memory nothing = abi.encodeWithSelector(
            IPaymentChannels.NothingToRedeem.selector,
            requester,
            executor,
            100_000,
            100_000
        );
        _refused(executor, _redeemCall(100_000), nothing);
        _redeem(130_000);
        _check(270_000, 130_000, 130_000);
        // The older voucher is worth nothing any more.
        (bool ok, ) = address(batches).call(_redeemCall(100_000));
        require(!ok, "redeemed an older voucher");
    }

    function test_redeem_moreThanThereIs_paysTheRestLater() public {
        _redeem(FUNDING + 50_000);
        _check(0, FUNDING, FUNDING);
        (bool ok, ) = address(batches).call(_redeemCall(FUNDING + 50_000));
        require(!ok, "redeemed from an empty channel");
        vm.prank(requester);
        batches.fund(executor, 70_000);
        _redeem(FUNDING + 50_000);
        _check(20_000, FUNDING + 50_000, FUNDING + 50_000);
    }

    function test_redeem_anothersSignature_reverts() public {
        (Voucher memory voucher, bytes memory signature) = _voucher(1_000);
        voucher.cumulative = 1_001;
        _refused(
            executor,
            abi.encodeCall(IPaymentChannels.redeem, (voucher, signature)),
            abi.encodeWithSelector(
                IPaymentChannels.InvalidVoucher.selector,
                requester,
                batches.voucherHashOf(voucher)
            )
        );
        // One executor's voucher pays no other, though the channel has money.
        vm.prank(requester);
        batches.fund(prover, 5_000);
        voucher.cumulative = 1_000;
        voucher.executor = prover;
        (bool ok, ) = address(batches).call(abi.encodeCall(IPaymentChannels.redeem, (voucher, signature)));
        require(!ok, "redeemed for another executor");
    }

    function test_redeem_walletWithCode_isAsked() public {
        WordWallet wallet = new WordWallet();
        _fund(address(wallet));
        vm.prank(address(wallet));
        batches.fund(executor, 9_000);
        Voucher memory voucher = Voucher(address(wallet), executor, 9_000);
        (bool ok, ) = address(batches).call(
            abi.encodeCall(IPaymentChannels.redeem, (voucher, abi.encode(bytes32("open"))))
        );
        require(!ok, "the wallet had not signed");
        batches.redeem(voucher, abi.encode(bytes32("open sesame")));
        _equal(stakes.accountOf(executor).payout, 9_000, "payout");
    }

    /// @notice EIP-7702: a requester whose account takes on code afterwards pays what its key has promised.
    function test_redeem_requesterTakesOnCode_paysAllTheSame() public {
        _denyItsWord(requester);
        _redeem(100_000);
        _check(300_000, 100_000, 100_000);
    }

    function test_close_afterTheDelay_givesTheRestBack() public {
        vm.prank(requester);
        batches.requestClose(executor);
        uint64 closableAt = time + CLOSE_DELAY;
        _pass(CLOSE_DELAY - 1);
        _refused(
            requester,
            abi.encodeCall(IPaymentChannels.close, (executor)),
            abi.encodeWithSelector(IPaymentChannels.CloseNotReady.selector, time, closableAt)
        );
        // In time, the executor still redeems.
        _redeem(100_000);
        _pass(1);
        vm.prank(requester);
        batches.close(executor);
        _equal(stakes.accountOf(requester).payout, 300_000, "given back");
        _check(0, 100_000, 100_000);
        // What is paid stays paid when the channel comes back.
        vm.prank(requester);
        batches.fund(executor, 50_000);
        (bool ok, ) = address(batches).call(_redeemCall(100_000));
        require(!ok, "an old voucher counted again");
        _refused(
            requester,
            abi.encodeCall(IPaymentChannels.close, (executor)),
            abi.encodeWithSelector(IPaymentChannels.CloseNotRequested.selector, requester, executor)
        );
    }

    function test_fund_callsACloseOff() public {
        vm.prank(requester);
        batches.requestClose(executor);
        vm.prank(requester);
        batches.fund(executor, 1);
        _pass(CLOSE_DELAY);
        _refused(
            requester,
            abi.encodeCall(IPaymentChannels.close, (executor)),
            abi.encodeWithSelector(IPaymentChannels.CloseNotRequested.selector, requester, executor)
        );
    }

    /// @notice A void claim: the requester's later vouchers are worth its price less, the prover is paid out of what the
    ///         executor redeems, and nobody loses more than the price.
    function test_voidClaim_isSetOffAndTheProverPaid() public {
        BatchEntry[] memory entries = _entries(2);
        BatchHeader memory header = _postBatch(entries);
        _voidClaim(header, entries, 0);
        _voidClaim(header, entries, 1);
        _check(FUNDING, 2 * (PRICE - VOID_CAP), 0, 2 * BOND);
        // Two orders were paid by voucher; both are void, so that only the provers' costs are left of them.
        (, bytes memory refusal) = address(batches).call(_redeemCall(2 * (PRICE - VOID_CAP)));
        require(bytes4(refusal) == IPaymentChannels.NothingToRedeem.selector, "something to redeem");
        _redeem(2 * PRICE - VOID_CAP / 2);
        _check(FUNDING - (3 * VOID_CAP) / 2, 2 * PRICE - VOID_CAP / 2, 0, 2 * BOND);
        _equal(stakes.accountOf(prover).payout, (3 * VOID_CAP) / 2, "prover");
        _equal(batches.voidCostsOf(executor), VOID_CAP / 2, "still owed");
        _redeem(3 * PRICE);
        _check(FUNDING - PRICE - 2 * VOID_CAP, 3 * PRICE, PRICE, 2 * BOND);
        _equal(stakes.accountOf(prover).payout, 2 * VOID_CAP, "prover");
        _equal(batches.voidCostsOf(executor), 0, "owed");
        _redeem(4 * PRICE);
        _check(FUNDING - 2 * PRICE - 2 * VOID_CAP, 4 * PRICE, 2 * PRICE, 2 * BOND);
    }

    /// @notice However many void claims wait to be paid for, a redemption pays for eight at most, and so fits in a block.
    function test_redeem_manyVoidClaims_paysForEightAtATime() public {
        vm.prank(executor);
        stakes.deposit(4 * COLLATERAL);
        vm.prank(requester);
        batches.fund(executor, 9 * PRICE);
        BatchEntry[] memory entries = _entries(9);
        BatchHeader memory header = _postBatch(entries);
        for (uint256 i; i < 9; ++i) _voidClaim(header, entries, i);
        _redeem(10 * PRICE);
        _equal(stakes.accountOf(prover).payout, 8 * VOID_CAP, "eight");
        _redeem(11 * PRICE);
        _equal(stakes.accountOf(prover).payout, 9 * VOID_CAP, "the ninth");
    }

    function _voidClaim(BatchHeader memory header, BatchEntry[] memory entries, uint256 index) private {
        bytes32 claimId = _open(header, entries, index);
        vm.prank(challenger);
        batchReferee.challenge(claimId);
        bytes32 trace = _honestTrace();
        vm.prank(executor);
        batchReferee.revealTrace(claimId, trace, "");
        bytes32 commitment = batchReferee.commitmentOf(
            claimId,
            prover,
            SALT,
            keccak256(abi.encode(_elementProof()))
        );
        vm.prank(prover);
        batchReferee.commitProof(claimId, commitment);
        _pass(1);
        verifier.setVerdict(Verdict.Imprecise);
        vm.prank(prover);
        batchReferee.proveElement(claimId, SALT, _elementProof());
        uint64 now_ = time;
        _pass(PROOF_WINDOW);
        batchReferee.settleImprecise(claimId);
        // Both are opened within one window.
        time = now_;
        vm.warp(time);
    }

    /// @notice Redemptions in any order pay the highest voucher once, and never more than was funded.
    function testFuzz_redeem_paysTheHighestOnce(uint128[8] calldata amounts) public {
        uint256 highest;
        for (uint256 i; i < amounts.length; ++i) {
            uint128 amount = amounts[i] % (2 * FUNDING);
            (bool ok, ) = address(batches).call(_redeemCall(amount));
            require(ok == (amount > highest && highest < FUNDING), "paid at the wrong time");
            if (amount > highest) highest = amount;
        }
        uint256 paid = highest < FUNDING ? highest : FUNDING;
        _check(FUNDING - paid, paid, paid);
    }

    function test_ledger_onlyTheMarketMovesPrepaid() public {
        bytes memory notMarket = abi.encodeWithSelector(IStakeManager.NotMarket.selector, executor);
        _reverts(
            address(stakes),
            executor,
            abi.encodeCall(IStakeManager.payPrepaid, (requester, executor, executor, 1)),
            notMarket
        );
        _reverts(
            address(stakes),
            executor,
            abi.encodeCall(IStakeManager.takePrepaid, (requester, executor, 1)),
            notMarket
        );
        _reverts(
            address(stakes),
            executor,
            abi.encodeCall(IStakeManager.slashUnlocked, (requester, executor, 1, 1)),
            notMarket
        );
        _reverts(
            address(stakes),
            address(batches),
            abi.encodeCall(IStakeManager.payPrepaid, (requester, executor, executor, FUNDING + 1)),
            abi.encodeWithSelector(
                IStakeManager.InsufficientPrepaid.selector,
                requester,
                executor,
                FUNDING,
                FUNDING + 1
            )
        );
    }
}
