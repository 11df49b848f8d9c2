// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Verdict} from "../../../contracts/kernels/IKernel.sol";
import {Data, Page} from "../../../contracts/proof/DataPage.sol";
import {ClaimState, Phase} from "../../../contracts/protocol/ClaimLife.sol";
import {Demand, DemandStatus, IDataDemands} from "../../../contracts/protocol/IDataDemands.sol";
import {IClaimBook} from "../../../contracts/protocol/IClaimBook.sol";
import {Claim, IInferenceMarket, RequestParams} from "../../../contracts/protocol/IInferenceMarket.sol";
import {IReferee} from "../../../contracts/protocol/IReferee.sol";
import {Account, IStakeManager} from "../../../contracts/protocol/IStakeManager.sol";
import {HostileCast} from "./HostileCast.sol";
import {Mood} from "./HostileConsumer.sol";
import {IProtocolMoves} from "./IProtocolMoves.sol";
import {vm} from "./Vm.sol";

/// @notice Honest and dishonest actors over all entry points of the protocol, driven by a fuzzer. Calls may fail: what is
///         checked is what the ones that succeed do to the money and to the claims.
/// @dev Three people, each of whom is now executor, now requester, challenger, prover or owner: collusions included. Beside
///      them the HostileCast: governance, a token and consumers.
contract ProtocolHandler is IProtocolMoves, HostileCast {
    uint256[3] private _keys = [uint256(0xE0), 0xE1, 0xE2];
    address[3] public people;

    bytes32[] public requests;
    bytes32[] public claims;

    struct Demanded {
        bytes32 claimId;
        uint256 page;
    }

    bytes32[] public demands;
    mapping(bytes32 demandId => Demanded) public demanded;
    mapping(bytes32 claimId => uint64) public postedAt;
    mapping(bytes32 claimId => Phase) private _settledAs;
    mapping(bytes32 claimId => uint64) private _settledAt;
    /// @dev Digest of the terms that a request was made under: its claim's for ever.
    mapping(bytes32 requestId => bytes32) private _frozen;

    /// @notice Successful calls by selector, so that a run that reached nothing is noticed.
    mapping(bytes4 selector => uint256) public succeeded;

    constructor() {
        setUp();
        _installGovernance(address(market));
        _inviteConsumers();
        for (uint256 i; i < 3; ++i) {
            people[i] = vm.addr(_keys[i]);
            _fund(people[i]);
            vm.prank(people[i]);
            stakes.deposit(3 * COLLATERAL);
        }
    }

    // --- entry points ---

    function deposit(uint256 who, uint256 amount) external {
        _act(who, address(stakes), abi.encodeCall(IStakeManager.deposit, (amount % (2 * COLLATERAL))));
    }

    function requestWithdrawal(uint256 who, uint256 amount) external {
        _act(
            who,
            address(stakes),
            abi.encodeCall(IStakeManager.requestWithdrawal, (amount % (2 * COLLATERAL)))
        );
    }

    function cancelWithdrawal(uint256 who) external {
        _act(who, address(stakes), abi.encodeCall(IStakeManager.cancelWithdrawal, ()));
    }

    function withdraw(uint256 who) external {
        _act(who, address(stakes), abi.encodeCall(IStakeManager.withdraw, ()));
    }

    function claimPayout(uint256 who, uint256 whose) external {
        address account = whose % 4 == 3 ? stakes.BURN_ADDRESS() : people[whose % 4];
        _act(who, address(stakes), abi.encodeCall(IStakeManager.claimPayout, (account)));
    }

    function request(uint256 who, uint128 fee, bool designated) external {
        RequestParams memory params = _requestParams();
        params.fee = fee % (2 * FEE);
        params.deadline = time + 2 hours;
        if (designated) params.executor = people[fee % 3];
        _callback(params, fee >> 64);
        bytes32 requestId = market.requestIdOf(people[who % 3], params);
        if (_act(who, address(market), abi.encodeCall(IInferenceMarket.request, (params)))) _asked(requestId);
    }

    function postClaim(uint256 who, uint256 which, bool eager, bool forged) external {
        if (requests.length == 0) return;
        Claim memory claim = _claim(_recent(requests, which), eager ? _honestTrace() : bytes32(0));
        claim.executor = people[who % 3];
        bytes32 claimId = market.claimIdOf(claim);
        bytes memory signature = _sign(forged ? 0xBAD : _keys[who % 3], claimId);
        if (
            _act(
                who,
                address(market),
                abi.encodeCall(IInferenceMarket.postClaim, (claim, signature, _outputs()))
            )
        ) {
            require(!forged, "a forged claim was accepted");
            claims.push(claimId);
            postedAt[claimId] = time;
            _checkFrozen(claimId);
        }
    }

    function finalise(uint256 who, uint256 which) external {
        if (claims.length == 0) return;
        bytes32 claimId = _recent(claims, which);
        bool due = market.phaseOf(claimId) == Phase.Finalisable;
        bool ok = _act(who, address(market), abi.encodeCall(IClaimBook.finalise, (claimId)));
        // P1: whatever consumer and token do, an executor whose claim has stood is paid.
        require(ok == due, "P1: a claim that is due was not finalised");
        bytes32 askedAgain = consumers[uint256(Mood.AskAgain)].askedAgain();
        if (askedAgain != 0 && _frozen[askedAgain] == 0) _asked(askedAgain);
    }

    function expire(uint256 who, uint256 which) external {
        if (requests.length == 0) return;
        _act(who, address(market), abi.encodeCall(IInferenceMarket.expire, (_recent(requests, which))));
    }

    function challenge(uint256 who, uint256 which) external {
        _onClaim(who, which, address(referee), IReferee.challenge.selector, "");
    }

    function revealTrace(uint256 who, uint256 which, bool byExecutor) external {
        if (claims.length == 0) return;
        bytes32 claimId = _recent(claims, which);
        if (byExecutor) {
            // An honest executor answers what it owes.
            for (uint256 i; i < 6 && market.phaseOf(claimId) != Phase.AwaitingReveal; ++i)
                claimId = _recent(claims, i);
            address executor_ = market.claimOf(claimId).executor;
            while (people[who % 3] != executor_) who = (who % 3) + 1;
        }
        _act(who, address(referee), abi.encodeCall(IReferee.revealTrace, (claimId, _honestTrace(), "")));
    }

    function proveElement(uint256 who, uint256 which, uint8 verdict, bool committed) external {
        if (claims.length == 0) return;
        bytes32 claimId = _recent(claims, which);
        who %= 3;
        verifier.setVerdict(Verdict(verdict % 3));
        if (committed) {
            bytes32 proofHash = keccak256(abi.encode(_elementProof()));
            bytes32 commitment = referee.commitmentOf(claimId, people[who], SALT, proofHash);
            _act(who, address(referee), abi.encodeCall(IReferee.commitProof, (claimId, commitment)));
            _pass(1);
        }
        Phase before = market.phaseOf(claimId);
        bool ok = _act(
            who,
            address(referee),
            abi.encodeCall(IReferee.proveElement, (claimId, SALT, _elementProof()))
        );
        if (!ok) return;
        // INVARIANT I7
        require(Verdict(verdict % 3) != Verdict.Acceptable, "I7: an acceptable element settled something");
        require(before == Phase.Provable, "proven out of time");
    }

    function settleUnrevealed(uint256 who, uint256 which) external {
        _onClaim(who, which, address(referee), IReferee.settleUnrevealed.selector, "");
    }

    function settleImprecise(uint256 who, uint256 which) external {
        _onClaim(who, which, address(referee), IReferee.settleImprecise.selector, "");
    }

    function reclaimBond(uint256 who, uint256 which, uint256 whose) external {
        address challenger_ = people[whose % 3];
        for (uint256 i; i < 6; ++i)
            _onClaim(
                who,
                which + i,
                address(referee),
                IReferee.reclaimBond.selector,
                abi.encode(challenger_)
            );
    }

    function demandData(uint256 who, uint256 which, uint256 what) external {
        if (claims.length == 0) return;
        bytes32 claimId = _recent(claims, which);
        Page memory page = _page(what);
        bytes32 demandId = referee.demandIdOf(claimId, page);
        Phase before = market.phaseOf(claimId);
        // Not at any price, or nobody would have money left for anything else.
        bytes memory data = abi.encodeCall(
            IDataDemands.demandData,
            (claimId, page, "", new bytes32[](0), BOND)
        );
        if (!_act(who, address(referee), data)) return;
        demands.push(demandId);
        demanded[demandId] = Demanded(claimId, what % 3);
        require(before == Phase.Provable || (what % 3 != 0 && uint256(before) < 3), "demanded out of time");
        // Whatever is demanded is due before the windows of its claim are over, and its claim cannot end before.
        uint64 answerBy = referee.demandOf(demandId).answerBy;
        ClaimState memory claim = market.claimOf(claimId);
        require(before != Phase.Open || answerBy < claim.challengeEnd, "due after the challenge window");
        require(before != Phase.Provable || answerBy < claim.proofEnd, "due after the proof window");
    }

    function answerData(uint256 who, uint256 which) external {
        if (demands.length == 0) return;
        bytes32 demandId = _recent(demands, which);
        Demanded memory what = demanded[demandId];
        Demand memory demand = referee.demandOf(demandId);
        uint256 pending = uint256(market.claimOf(what.claimId).settlement);
        bytes memory nodes =
            what.page == 0
                ? abi.encodePacked(_rootZ(), bytes32("value 1"), _rootY())
                : what.page == 1
                    ? bytes.concat(INPUTS, new bytes(16))
                    : abi.encodePacked(_rootY(), _rootZ());
        bytes memory data = abi.encodeCall(
            IDataDemands.answerData,
            (what.claimId, _page(what.page), nodes, new bytes32[](0))
        );
        bool ok = _act(who, address(referee), data);
        // P1: until it is due, and the claim is not settled otherwise, an answer is always taken.
        bool due = demand.status == DemandStatus.Open && time < demand.answerBy && pending == 1;
        require(ok == due, "P1: an answer in time was refused, or one out of time taken");
    }

    function settleWithheld(uint256 who, uint256 which) external {
        if (demands.length == 0) return;
        bytes32 demandId = _recent(demands, which);
        Demanded memory what = demanded[demandId];
        if (!_isRecent(what.claimId)) return;
        Demand memory demand = referee.demandOf(demandId);
        bytes memory data = abi.encodeCall(IDataDemands.settleWithheld, (what.claimId, _page(what.page)));
        if (!_act(who, address(referee), data)) return;
        require(
            demand.status == DemandStatus.Open && time >= demand.answerBy,
            "slashed for what is not owed"
        );
        require(market.phaseOf(what.claimId) == Phase.Slashed, "withheld and not slashed");
    }

    function reclaimDemand(uint256 who, uint256 which) external {
        if (demands.length == 0) return;
        Demanded memory what = demanded[_recent(demands, which)];
        bytes memory data = abi.encodeCall(IDataDemands.reclaimDemand, (what.claimId, _page(what.page)));
        if (_act(who, address(referee), data))
            require(market.phaseOf(what.claimId) == Phase.Slashed, "bond of a living demand returned");
    }

    /// @dev Governance, what it may in one of two cases.
    function govern(uint256 who, uint256 what, uint256 which) external {
        uint128 collateral = COLLATERAL - COLLATERAL / 4 + uint128((what >> 128) % (COLLATERAL / 2));
        if (who % 2 == 0) return _govern(address(market), what, collateral);
        bytes32 claimId = claims.length == 0 ? bytes32(0) : _recent(claims, which);
        bytes32 requestId = requests.length == 0 ? bytes32(0) : _recent(requests, which);
        _exceed(address(market), what, claimId, requestId);
    }

    function spoilToken(uint256 habit, uint256 what, uint256 which) external {
        address target = address(stakes);
        bytes memory data = abi.encodeCall(IStakeManager.claimPayout, (people[which % 3]));
        if (claims.length != 0 && what % 4 != 0) {
            bytes32 claimId = _recent(claims, which);
            target = what % 4 == 1 ? address(market) : address(referee);
            data = abi.encodeCall(IClaimBook.finalise, (claimId));
            if (what % 4 == 2) data = abi.encodeCall(IReferee.settleUnrevealed, (claimId));
            if (what % 4 == 3) data = abi.encodeCall(IReferee.reclaimBond, (claimId, people[what % 3]));
        }
        _spoilToken(habit, target, data);
    }

    function pass(uint256 elapsed) external {
        _pass(uint64(elapsed % 2 hours));
    }

    // --- what must hold ---

    /// @notice Everybody's absence, then anybody: every request and claim comes to an end, and every token back to a person.
    function endEverything() external {
        // Terms may have changed, but no claim lives longer than stake takes to leave.
        _pass(uint64(WITHDRAWAL_DELAY) + 2 hours);
        for (uint256 i; i < claims.length; ++i) {
            Phase phase = market.phaseOf(claims[i]);
            if (phase == Phase.Finalisable) market.finalise(claims[i]);
            if (phase == Phase.Voidable) referee.settleImprecise(claims[i]);
            if (phase == Phase.Unrevealed) referee.settleUnrevealed(claims[i]);
            if (phase == Phase.Withheld) _settleSomeWithheld(claims[i]);
            require(
                uint256(market.phaseOf(claims[i])) >= uint256(Phase.Finalised),
                "I8: a claim does not end"
            );
            for (uint256 p; p < 3; ++p) {
                bool owed =
                    market.phaseOf(claims[i]) != Phase.Finalised && stakes.bondOf(claims[i], people[p]) != 0;
                if (owed) referee.reclaimBond(claims[i], people[p]);
            }
        }
        for (uint256 i; i < demands.length; ++i) {
            if (referee.demandOf(demands[i]).status != DemandStatus.Open) continue;
            Demanded memory what = demanded[demands[i]];
            referee.reclaimDemand(what.claimId, _page(what.page));
        }
        for (uint256 i; i < requests.length; ++i)
            if (market.requestOf(requests[i]).claimId == 0 && stakes.escrowOf(requests[i]) != 0)
                market.expire(requests[i]);
        for (uint256 p; p < 3; ++p) require(stakes.accountOf(people[p]).locked == 0, "I8: locked stake left");
        require(_escrow() == 0, "I8: escrow left");
        require(_bonds() == 0, "I8: bonds left");
        checkLedger();
        _mendToken();
    }

    /// @notice INVARIANT I1, from the parts: their sum, what the ledger says it is, and the tokens.
    function checkLedger() public view {
        uint256 parts = _escrow() + _bonds();
        // The fixture's own cast holds balances too: its executor is people[0], its owner gets the royalties.
        // So do consumers that ask again.
        address guest = address(consumers[uint256(Mood.AskAgain)]);
        address[6] memory accounts = [
            people[0],
            people[1],
            people[2],
            modelOwner,
            stakes.BURN_ADDRESS(),
            guest
        ];
        for (uint256 i; i < accounts.length; ++i) {
            Account memory account = stakes.accountOf(accounts[i]);
            parts += uint256(account.free) + account.withdrawing + account.locked + account.payout;
        }
        _equal(stakes.accounted(), parts, "I1: accounted");
        _equal(token.balanceOf(address(stakes)), stakes.accounted(), "I1: tokens");
    }

    /// @notice INVARIANT I3: locked stake is exactly the collateral of the executor's unsettled claims.
    function checkCollateral() external view {
        for (uint256 p; p < 3; ++p) {
            uint256 owed;
            for (uint256 i; i < claims.length; ++i)
                if (market.claimOf(claims[i]).executor == people[p])
                    if (uint256(market.phaseOf(claims[i])) < uint256(Phase.Finalised))
                        owed += market.termsOf(claims[i]).collateral;
            _equal(stakes.accountOf(people[p]).locked, owed, "I3");
        }
    }

    // --- acting ---

    /// @dev Pages that need no instruction: the trace's roots, the input, the outputs' roots.
    function _page(uint256 what) private pure returns (Page memory) {
        uint32 tensor = what % 3 == 1 ? 0 : type(uint32).max;
        return Page(Data(what % 3), tensor, 0, 0);
    }

    /// @dev Whether moves name the claim: settlements of others would not be noticed.
    function _isRecent(bytes32 claimId) private view returns (bool) {
        for (uint256 i; i < 6; ++i) if (_recent(claims, i) == claimId) return true;
        return false;
    }

    function _settleSomeWithheld(bytes32 claimId) private {
        for (uint256 i; i < demands.length; ++i) {
            Demanded memory what = demanded[demands[i]];
            if (what.claimId != claimId || referee.demandOf(demands[i]).status != DemandStatus.Open) continue;
            return referee.settleWithheld(claimId, _page(what.page));
        }
    }

    function _escrow() private view returns (uint256 sum) {
        for (uint256 i; i < requests.length; ++i) sum += stakes.escrowOf(requests[i]);
    }

    function _bonds() private view returns (uint256 sum) {
        for (uint256 i; i < claims.length; ++i) sum += stakes.bondsOf(claims[i]);
        for (uint256 i; i < demands.length; ++i) sum += stakes.bondsOf(demands[i]);
    }

    /// @dev One of the last six: older ones are settled, mostly.
    function _recent(bytes32[] storage ids, uint256 which) private view returns (bytes32) {
        uint256 window = ids.length < 6 ? ids.length : 6;
        return ids[ids.length - 1 - (which % window)];
    }

    function _onClaim(
        uint256 who,
        uint256 which,
        address target,
        bytes4 selector,
        bytes memory more
    ) private {
        if (claims.length == 0) return;
        _act(who, target, bytes.concat(selector, _recent(claims, which), more));
    }

    /// @dev Calls as one of the people, and checks what the call did against I2, I4 and I5.
    function _act(uint256 who, address target, bytes memory data) private returns (bool ok) {
        uint256[3] memory before = _stakes();
        vm.prank(people[who % 3]);
        bytes memory result;
        (ok, result) = target.call(data);
        if (ok) ++succeeded[bytes4(data)];
        _afterMove(ok, result);
        uint256[3] memory slashed = _checkSettlements();
        uint256[3] memory afterwards = _stakes();
        for (uint256 p; p < 3; ++p) {
            bool own = ok && p == who % 3 && bytes4(data) == IStakeManager.withdraw.selector;
            // INVARIANT I2
            if (!own) require(afterwards[p] + slashed[p] >= before[p], "I2: stake lost");
            if (!ok) require(afterwards[p] == before[p], "a failed call moved stake");
        }
    }

    function _stakes() private view returns (uint256[3] memory sums) {
        for (uint256 p; p < 3; ++p) {
            Account memory account = stakes.accountOf(people[p]);
            sums[p] = account.free + account.withdrawing + account.locked;
        }
    }

    /// @dev Notes claims that have just settled; what they slashed, by person.
    function _checkSettlements() private returns (uint256[3] memory slashed) {
        // Moves only name recent claims; a few more are looked at, to see that settled ones stay so.
        for (uint256 i = claims.length < 8 ? 0 : claims.length - 8; i < claims.length; ++i) {
            bytes32 claimId = claims[i];
            Phase phase = market.phaseOf(claimId);
            // INVARIANT I4: settled once, and for good.
            if (_settledAt[claimId] != 0) {
                require(phase == _settledAs[claimId], "I4: settled twice");
                continue;
            }
            if (uint256(phase) < uint256(Phase.Finalised)) continue;
            (_settledAs[claimId], _settledAt[claimId]) = (phase, time);
            // INVARIANT I5
            if (phase == Phase.Finalised)
                require(
                    time >= postedAt[claimId] + market.termsOf(claimId).challengeWindow,
                    "I5: window cut short"
                );
            if (phase == Phase.Slashed)
                for (uint256 p; p < 3; ++p)
                    if (people[p] == market.claimOf(claimId).executor)
                        slashed[p] += market.termsOf(claimId).collateral;
            _checkFrozen(claimId);
        }
    }

    function _asked(bytes32 requestId) private {
        requests.push(requestId);
        _frozen[requestId] = keccak256(abi.encode(market.terms()));
    }

    function _checkFrozen(bytes32 claimId) private view {
        bytes32 terms = keccak256(abi.encode(market.termsOf(claimId)));
        require(terms == _frozen[market.claimOf(claimId).requestId], "P3: terms changed in mid-flight");
    }
}
