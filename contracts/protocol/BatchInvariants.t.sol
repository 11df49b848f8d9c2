// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Verdict} from "../kernels/IKernel.sol";
import {BatchFixture} from "../../test/solidity/protocol/BatchFixture.sol";
import {HostileCast} from "../../test/solidity/protocol/HostileCast.sol";
import {Habit} from "../../test/solidity/protocol/HostileToken.sol";
import {ProtocolFixture} from "../../test/solidity/protocol/ProtocolFixture.sol";
import {vm} from "../../test/solidity/protocol/Vm.sol";
import {BatchEntry, BatchHeader} from "./BatchData.sol";
import {Phase} from "./ClaimLife.sol";
import {BatchState, IBatchMarket} from "./IBatchMarket.sol";
import {IPaymentChannels} from "./IPaymentChannels.sol";
import {InclusionStatus, IReceiptFaults} from "./IReceiptFaults.sol";
import {IReferee} from "./IReferee.sol";
import {Account, IStakeManager, Wiring} from "./IStakeManager.sol";
import {Order, Receipt, Voucher} from "./Orders.sol";
import {DevToken} from "../token/DevToken.sol";

/// @notice Invariants I1 to I5 and I8 over random histories of batches, channels and receipts beside on-chain requests, with
///         a governance and a token that do their worst. Calls may fail; what is checked is what the ones that succeed do.
contract BatchInvariantsTest is BatchFixture, HostileCast {
    struct Posted {
        BatchHeader header;
        BatchEntry[] entries;
        uint64 postedAt;
        uint64 window;
    }

    /// @dev Moves only touch the latest claims and receipts, so that it is enough to look at those.
    uint256 private constant CLAIMS = 8;
    uint256 private constant RECEIPTS = 20;

    Posted[] private _posted;
    bytes32[] private _claims;
    mapping(bytes32 claimId => Phase) private _endedAs;
    Order[] private _orders;
    Receipt[] private _receipts;
    mapping(bytes4 selector => uint256) private _succeeded;
    uint256 private _steps;
    bool private _ending;

    function setUp() public override(BatchFixture, ProtocolFixture) {
        super.setUp();
        _installGovernance(address(batches));
        // Enough for histories in which much is slashed.
        token.mint(executor, 60 * COLLATERAL);
        vm.prank(executor);
        stakes.deposit(60 * COLLATERAL);
    }

    function _newToken() internal override(HostileCast, ProtocolFixture) returns (DevToken) {
        return super._newToken();
    }

    function _versions() internal override(HostileCast, ProtocolFixture) returns (address) {
        return super._versions();
    }

    function _wiring() internal override(BatchFixture, ProtocolFixture) returns (Wiring[] memory) {
        return super._wiring();
    }

    /// @dev A call of its own, whose memory ends with it.
    function step(uint256 die) external {
        uint256 move = die % 21;
        uint256 which = (die >> 16) & 0xffff;
        uint256 more = die >> 64;
        if (move < 3) _post(1 + (more % 3));
        else if (move < 6) _openOne(which, more);
        else if (move == 6) _fundOrClose(more);
        else if (move == 7) _redeem(more);
        else if (move < 12) _receiptStep(which, more);
        else if (move == 12) _finaliseOne(which);
        else if (move == 13) _stakeStep(more);
        else if (move == 14) _hostileStep(which, more);
        else if (move < 19 && _claims.length != 0)
            _claimStep(
                _claims[_claims.length - 1 - (which % (_claims.length < CLAIMS ? _claims.length : CLAIMS))],
                more
            );
        else _pass(uint64(more % 1 hours));
        if (++_steps % 6 == 0) _checkLedger();
    }

    function _call(address who, address target, bytes memory data) private returns (bool ok) {
        uint256 before = _stake();
        uint256 slashed = _slashed();
        vm.prank(who);
        bytes memory result;
        (ok, result) = target.call(data);
        if (ok) ++_succeeded[bytes4(data)];
        _afterMove(ok, result);
        _checkEnds();
        // INVARIANT I2: stake leaves by the executor's own withdrawal, or by a slash of one collateral each.
        if (bytes4(data) != IStakeManager.withdraw.selector && !_ending)
            require(_stake() + (_slashed() - slashed) * COLLATERAL >= before, "I2");
    }

    function _from(uint256 length, uint256 count) private pure returns (uint256) {
        return length < count ? 0 : length - count;
    }

    function _stake() private view returns (uint256) {
        Account memory account = stakes.accountOf(executor);
        return uint256(account.free) + account.withdrawing + account.locked;
    }

    function _slashed() private view returns (uint256 count) {
        for (uint256 i; i < _claims.length; ++i) if (batches.phaseOf(_claims[i]) == Phase.Slashed) ++count;
        for (uint256 i; i < _orders.length; ++i) if (faults.receiptSlashed(_receipts[i].orderHash)) ++count;
    }

    /// @dev INVARIANT I4: what has ended stays as it ended.
    function _checkEnds() private {
        for (uint256 i = _from(_claims.length, CLAIMS); i < _claims.length; ++i) {
            Phase phase = batches.phaseOf(_claims[i]);
            Phase ended = _endedAs[_claims[i]];
            if (ended != Phase.Unknown) require(phase == ended, "I4: settled twice");
            else if (uint256(phase) >= uint256(Phase.Finalised)) _endedAs[_claims[i]] = phase;
        }
    }

    function _post(uint256 count) private {
        Posted storage posted = _posted.push();
        BatchEntry[] memory entries = new BatchEntry[](count);
        for (uint256 i; i < count; ++i) {
            Order memory order = _order();
            entries[i] = _entryOf(order);
            // Some of the orders have receipts, which some of the batches break.
            if (i == 0) _promise(order, entries[i]);
        }
        BatchHeader memory header = _header(entries);
        bytes memory data = abi.encodeCall(IBatchMarket.postBatchInCalldata, (header, _data(entries), ""));
        if (!_call(executor, address(batches), data)) {
            _posted.pop();
            return;
        }
        posted.header = header;
        posted.postedAt = time;
        posted.window = batches.terms().challengeWindow;
        for (uint256 i; i < count; ++i) posted.entries.push(entries[i]);
    }

    function _promise(Order memory order, BatchEntry memory entry) private {
        Receipt memory receipt = _receipt(order);
        if (order.nonce % 4 == 0) entry.outputRoot = "broken";
        if (order.nonce % 5 == 0) entry.orderHash = "missing";
        _orders.push(order);
        _receipts.push(receipt);
    }

    function _openOne(uint256 which, uint256 more) private {
        if (_posted.length == 0) return;
        Posted memory posted = _posted[which % _posted.length];
        uint256 index = more % posted.entries.length;
        bytes memory data = abi.encodeCall(
            IBatchMarket.openClaim,
            (posted.header, index, posted.entries[index], _path(posted.entries, index))
        );
        if (!_call(anyone, address(batches), data)) return;
        bytes32 claimId = _claimIdOf(posted.header, posted.entries[index]);
        _claims.push(claimId);
        _call(challenger, address(batchReferee), abi.encodeCall(IReferee.challenge, (claimId)));
    }

    function _claimStep(bytes32 claimId, uint256 more) private {
        uint256 move = more % 6;
        if (move < 2) {
            bytes32 trace = _honestTrace();
            _call(
                executor,
                address(batchReferee),
                abi.encodeCall(IReferee.revealTrace, (claimId, trace, ""))
            );
        } else if (move < 4) {
            bytes32 proofHash = keccak256(abi.encode(_elementProof()));
            bytes32 commitment = batchReferee.commitmentOf(claimId, prover, SALT, proofHash);
            _call(prover, address(batchReferee), abi.encodeCall(IReferee.commitProof, (claimId, commitment)));
            _pass(1);
            verifier.setVerdict(Verdict((more >> 8) % 3));
            bytes memory prove = abi.encodeCall(IReferee.proveElement, (claimId, SALT, _elementProof()));
            _call(prover, address(batchReferee), prove);
        } else {
            _end(claimId);
        }
    }

    function _end(bytes32 claimId) private {
        address judge = address(batchReferee);
        Phase phase = batches.phaseOf(claimId);
        if (phase == Phase.Finalisable)
            _call(anyone, address(batches), abi.encodeWithSignature("finalise(bytes32)", claimId));
        if (phase == Phase.Unrevealed)
            _call(anyone, judge, abi.encodeCall(IReferee.settleUnrevealed, (claimId)));
        if (phase == Phase.Voidable)
            _call(anyone, judge, abi.encodeCall(IReferee.settleImprecise, (claimId)));
        _call(anyone, judge, abi.encodeCall(IReferee.reclaimBond, (claimId, challenger)));
    }

    function _finaliseOne(uint256 which) private {
        if (_posted.length == 0) return;
        Posted memory posted = _posted[which % _posted.length];
        bytes32[] memory ids = _one(batches.batchIdOf(posted.header));
        if (_call(anyone, address(batches), abi.encodeCall(IBatchMarket.finaliseBatches, (ids))))
            // INVARIANT I5
            require(time >= posted.postedAt + posted.window, "I5: window cut short");
    }

    function _fundOrClose(uint256 more) private {
        bytes memory data = abi.encodeCall(IPaymentChannels.fund, (executor, 1 + (more % 200_000)));
        if (more % 5 == 3) data = abi.encodeCall(IPaymentChannels.requestClose, (executor));
        if (more % 5 == 4) data = abi.encodeCall(IPaymentChannels.close, (executor));
        _call(requester, address(batches), data);
    }

    function _redeem(uint256 more) private {
        (Voucher memory voucher, bytes memory signature) = _voucher(uint128(more % 2_000_000));
        _call(anyone, address(batches), abi.encodeCall(IPaymentChannels.redeem, (voucher, signature)));
    }

    function _receiptStep(uint256 which, uint256 more) private {
        if (_orders.length == 0) return;
        // One of the latest, whose filing window is open, or one that may have been demanded a while ago.
        uint256 recent = more % 2 == 0 ? 4 : RECEIPTS;
        which = _orders.length - 1 - (which % (_orders.length < recent ? _orders.length : recent));
        (Order memory order, Receipt memory receipt) = (_orders[which], _receipts[which]);
        bytes memory signature = _signReceipt(receipt);
        address court = address(faults);
        _call(challenger, court, abi.encodeCall(IReceiptFaults.forceInclude, (order, receipt, signature)));
        _call(anyone, court, abi.encodeCall(IReceiptFaults.settleMissing, (order, receipt)));
        if (_posted.length == 0) return;
        for (uint256 i = _from(_posted.length, RECEIPTS); i < _posted.length; ++i) {
            if (_posted[i].entries[0].orderHash != receipt.orderHash) continue;
            Posted memory posted = _posted[i];
            bytes memory path = _path(posted.entries, 0);
            bool same = posted.entries[0].outputRoot == receipt.outputRoot;
            bytes memory prove = abi.encodeCall(
                IReceiptFaults.proveReceiptBroken,
                (order, receipt, signature, posted.header, 0, posted.entries[0], path)
            );
            // P1: a receipt that is kept is no fault.
            if (more % 3 == 0 && _call(anyone, court, prove)) require(!same, "P1");
            bytes memory answer = abi.encodeCall(
                IReceiptFaults.answerInclusion,
                (order, receipt, posted.header, 0, posted.entries[0], path)
            );
            if (_call(anyone, court, answer)) require(same, "a broken receipt was answered for");
        }
    }

    /// @dev Governance and the token. The collateral stays, so that what is slashed can be counted.
    function _hostileStep(uint256 which, uint256 more) private {
        bytes32 claimId = _claims.length == 0 ? bytes32(0) : _claims[which % _claims.length];
        if (which % 3 == 0) _govern(address(batches), more, COLLATERAL);
        else if (which % 3 == 1) _exceed(address(batches), more, claimId, "request");
        else _spoilToken(more, address(stakes), abi.encodeCall(IStakeManager.claimPayout, (requester)));
    }

    function _stakeStep(uint256 more) private {
        address target = address(stakes);
        uint256 amount = 1 + (more % (2 * COLLATERAL));
        if (more % 4 == 0) _call(executor, target, abi.encodeCall(IStakeManager.deposit, (amount)));
        if (more % 4 == 1) _call(executor, target, abi.encodeCall(IStakeManager.requestWithdrawal, (amount)));
        if (more % 4 == 2) _call(executor, target, abi.encodeCall(IStakeManager.withdraw, ()));
        if (more % 4 == 3) _call(anyone, target, abi.encodeCall(IStakeManager.claimPayout, (requester)));
    }

    /// @dev INVARIANTS I1 and I3, from the parts.
    function _checkLedger() private view {
        address[6] memory all = [executor, requester, challenger, prover, anyone, stakes.BURN_ADDRESS()];
        (uint256 stake, uint256 payouts, uint256 locked) = (0, 0, 0);
        for (uint256 i; i < all.length; ++i) {
            Account memory account = stakes.accountOf(all[i]);
            stake += uint256(account.free) + account.withdrawing;
            payouts += account.payout;
        }
        for (uint256 i; i < _posted.length; ++i) {
            BatchState memory batch = batches.batchOf(batches.batchIdOf(_posted[i].header));
            if (!batch.finalised) locked += uint256(batch.count - batch.opened) * COLLATERAL;
        }
        for (uint256 i; i < _claims.length; ++i)
            if (uint256(batches.phaseOf(_claims[i])) < uint256(Phase.Finalised)) locked += COLLATERAL;
        uint256 prepaid = stakes.prepaidOf(requester, executor);
        _equal(stakes.accounted(), stake + locked + payouts + prepaid + _bonds(), "I1: accounted");
        _equal(stakes.accountOf(executor).locked, locked, "I3");
        _equal(token.balanceOf(address(stakes)), stakes.accounted(), "I1: tokens");
    }

    function _bonds() private view returns (uint256 bonds) {
        for (uint256 i; i < _claims.length; ++i) bonds += stakes.bondsOf(_claims[i]);
        for (uint256 i; i < _receipts.length; ++i)
            bonds += stakes.bondsOf(faults.receiptHashOf(_receipts[i]));
    }

    /// @dev INVARIANT I8: everybody gone, a stranger brings all of it to an end.
    function _endEverything() private {
        _ending = true;
        // Longer than any claim or demand lives, whatever its terms.
        _pass(uint64(2 * WITHDRAWAL_DELAY));
        for (uint256 i; i < _claims.length; ++i) {
            _end(_claims[i]);
            require(uint256(batches.phaseOf(_claims[i])) >= uint256(Phase.Finalised), "I8: claim");
        }
        for (uint256 i; i < _posted.length; ++i) {
            _finaliseOne(i);
            require(batches.batchOf(batches.batchIdOf(_posted[i].header)).finalised, "I8: batch");
        }
        for (uint256 i; i < _orders.length; ++i) {
            bytes memory settle = abi.encodeCall(IReceiptFaults.settleMissing, (_orders[i], _receipts[i]));
            _call(anyone, address(faults), settle);
            InclusionStatus status = faults.inclusionOf(faults.receiptHashOf(_receipts[i])).status;
            require(status != InclusionStatus.Open, "I8: demand");
        }
        _equal(stakes.accountOf(executor).locked, 0, "I8: locked stake left");
        _equal(_bonds(), 0, "I8: bonds left");
        _checkLedger();
    }

    function testFuzz_I8_everythingCanBeEnded(uint256[24] calldata dice) public {
        for (uint256 i; i < dice.length; ++i) this.step(dice[i]);
        _endEverything();
    }

    /// @dev Or it would have nothing to lose any more.
    function _topUp() private {
        token.mint(executor, 10 * COLLATERAL);
        _call(executor, address(stakes), abi.encodeCall(IStakeManager.deposit, (10 * COLLATERAL)));
    }

    /// @notice That histories reach every entry point: one of fixed dice does, however long it takes.
    function test_histories_reachEveryEntryPoint() public {
        bytes4[12] memory selectors = [
            IBatchMarket.postBatchInCalldata.selector,
            IBatchMarket.openClaim.selector,
            IBatchMarket.finaliseBatches.selector,
            IPaymentChannels.fund.selector,
            IPaymentChannels.redeem.selector,
            IReceiptFaults.forceInclude.selector,
            IReceiptFaults.settleMissing.selector,
            IReceiptFaults.answerInclusion.selector,
            IReceiptFaults.proveReceiptBroken.selector,
            IReferee.settleUnrevealed.selector,
            IReferee.proveElement.selector,
            IReferee.settleImprecise.selector
        ];
        uint256 reached;
        for (uint256 i; i < 1_200 && reached < selectors.length - 1; ++i) {
            this.step(uint256(keccak256(abi.encode("batches", i))));
            if (i % 64 == 0) _topUp();
            while (reached < selectors.length - 1 && _succeeded[selectors[reached]] != 0) ++reached;
        }
        // Of the claims of random histories hardly one stays imprecise to its end.
        _mendToken();
        _topUp();
        _post(1);
        _openOne(_posted.length - 1, 0);
        bytes32 claimId = _claims[_claims.length - 1];
        _claimStep(claimId, 0);
        // 260 % 6 is a proof, and 260 >> 8 its verdict.
        _claimStep(claimId, 260);
        _spoilToken(uint256(Habit.Lies) - 1, address(0), "");
        _topUp();
        require(badTransfers != 0, "the token is always good");
        _endEverything();
        if (_succeeded[IReferee.settleImprecise.selector] != 0) ++reached;
        require(
            reached == selectors.length,
            string.concat("never succeeded: ", string(bytes.concat(bytes1(uint8(97 + reached)))))
        );
        require(termsAppended != 0 && excesses != 0, "governance did nothing");
    }
}
